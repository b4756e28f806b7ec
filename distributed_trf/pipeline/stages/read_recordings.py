"""The read stage for sessions: spikes out of the recordings once, and binned at every bin width of the study.

The spikes are kept beside the counts, so that another bin width does not read the recordings again: their files are
large and slow to parse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import numpy as np

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError
from distributed_trf.features.resample import check_sound
from distributed_trf.pipeline.items import READ, ReadSession, ReadSounds, bins_part
from distributed_trf.recordings.binning import Counts, bin_spikes
from distributed_trf.recordings.plausibility import told
from distributed_trf.recordings.recording_set import RecordingSet, SpikeTrials
from distributed_trf.store.fingerprint import digest, digest_array
from distributed_trf.store.receipts import (
    SPIKES,
    Receipt,
    read_receipt,
    revoke_receipt,
    vouched_files,
    write_receipt,
)
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, check_files, member, open_group, read, write_group
from distributed_trf.timing import timed

SESSION_REVISION = 5
"""Raise when this code gives other numbers than before, so that old ones become stale."""
OF_SPIKES = ("recording files", "recording format", "stimuli", "versions")
"""What in an item's fingerprint the spikes depend on; the counts depend on all of it."""


def read_session(
    item: ReadSession,
    study: StudySettings,
    recordings: RecordingSet,
    store: StudyStore,
    fingerprint: dict[str, str],
    parts: Collection[str],
) -> dict[str, Any]:
    """Store the responses of one session at bin widths that are in ``parts``; return what later stages need to know."""
    spikes, files = _spikes(item, recordings, store, {name: fingerprint[name] for name in OF_SPIKES})
    stimuli = recordings.stimuli(item.stimuli)
    digests = {}
    for bin_width in (width for width in study.bin_widths if bins_part(width) in parts):
        counts = bin_spikes(spikes, stimuli, bin_width, session=item.session, delay=study.delay)
        attrs = {
            "train_ids": counts.train_ids,
            "test_ids": counts.test_ids,
            "repeats": counts.repeats,
            "bins": counts.bins,
            "presentations": counts.presentations,
        }
        arrays = {"train": counts.train, "test": counts.test, "further": counts.further}
        path = store.counts(item.stimuli, bin_width, item.session)
        files[store.name(path)] = write_group(path, arrays, attrs)
        digests[f"{bin_width:g}"] = digest([attrs, *(digest_array(array) for array in arrays.values())])
    presented = Counter(spikes.stimulus)
    further = sum(presented[s.id] - 1 for s in stimuli if not s.is_test and presented[s.id])
    return {
        "digests": digests,
        "notes": [note for note in spikes.notes if note not in spikes.doubts],
        "doubts": list(spikes.doubts),
        "units": len(spikes.times),
        "trials": len(spikes.stimulus),
        "further": further,
        "files": files,
    }


@timed("load")
def load_counts(store: StudyStore, stimuli: str, bin_width: float, session: str) -> Counts:
    """Read the binned responses of one session from the study's folder.

    Raises
    ------
    StoreError
        If they were not read yet, or are damaged.
    """
    path = store.counts(stimuli, bin_width, session)
    group = open_group(path, vouched_files(store, READ, ReadSession(stimuli, session).key, path))
    attrs = attributes(group)
    train, test, further = (read(member(group, name)) for name in ("train", "test", "further"))
    train_ids, test_ids, repeats, presentations = (
        tuple(attrs[name]) for name in ("train_ids", "test_ids", "repeats", "presentations")
    )
    return Counts(train_ids, test_ids, train, test, repeats, attrs["bins"], presentations, further)


def _spikes(
    item: ReadSession, recordings: RecordingSet, store: StudyStore, fingerprint: dict[str, str]
) -> tuple[SpikeTrials, dict[str, dict[str, str]]]:
    """Read spikes from the study's folder if they are there and still those of the recordings, else from those.

    They have a receipt of their own, which stays when that of the counts is taken back. Its digests are returned too.
    """
    kept = read_receipt(store, SPIKES, item.key)
    if kept is not None and kept.fingerprint == fingerprint:
        with suppress(DamagedError):  # then they are read anew
            return _load(store, item, kept), kept.files
    session = next(s for s in recordings.sessions if s.name == item.session)
    with timed("load"):
        spikes = told(recordings.spikes(session, item.stimuli), recordings.stimuli(item.stimuli), session)
    arrays = {
        "times": np.concatenate(spikes.times),
        "trial": np.concatenate(spikes.trial).astype(np.int32),
        "n_spikes": np.array([times.size for times in spikes.times]),
        "onset": spikes.onset,
    }
    revoke_receipt(store, SPIKES, item.key)
    path = store.spikes(item.stimuli, item.session)
    attrs = {"stimulus": spikes.stimulus, "notes": spikes.notes, "doubts": spikes.doubts}
    files = {store.name(path): write_group(path, arrays, attrs)}
    write_receipt(store, SPIKES, item.key, Receipt(fingerprint, {"files": files}))
    return spikes, files


def _load(store: StudyStore, item: ReadSession, kept: Receipt) -> SpikeTrials:
    path = store.spikes(item.stimuli, item.session)
    files = kept.files[store.name(path)]
    check_files(path, files)
    group = open_group(path, files)
    attrs = attributes(group)
    times, trial, n_spikes, onset = (read(member(group, name)) for name in ("times", "trial", "n_spikes", "onset"))
    borders = np.cumsum(n_spikes)[:-1]
    return SpikeTrials(
        tuple(attrs["stimulus"]),
        onset,
        tuple(np.split(times, borders)),
        tuple(np.split(trial, borders)),
        tuple(attrs["notes"]),
        tuple(attrs["doubts"]),
    )


SOUNDS_REVISION = 3
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def read_sounds(item: ReadSounds, recordings: RecordingSet, store: StudyStore) -> dict[str, Any]:
    """Cut and store the sounds of a stimulus set; return what later stages need to know of them.

    Raises
    ------
    DataError
        If one is empty, of several channels or not finite, whatever format it comes from.
    """
    stimuli = recordings.stimuli(item.stimuli)
    with timed("load"):
        sounds, sfreq = recordings.sounds(item.stimuli)
    for s in stimuli:
        check_sound(sounds[s.id], f"stimulus {s.id!r} of {item.stimuli}")
    waves = [sounds[s.id] for s in stimuli]
    details = {
        "ids": [s.id for s in stimuli],
        "is_test": [s.is_test for s in stimuli],
        "n_samples": [wave.shape[0] for wave in waves],
        "digests": [digest_array(wave) for wave in waves],
        "sfreq": sfreq,
    }
    path = store.sounds(item.stimuli)
    files = write_group(path, {"sound": np.concatenate(waves)}, details)
    return {**details, "files": {store.name(path): files}}


def load_sounds(store: StudyStore, stimuli: str, ids: list[str]) -> tuple[list[np.ndarray], float]:
    """Read some sounds from the study's folder, and their sampling rate in hertz.

    Raises
    ------
    StoreError
        If they were not read yet, or are damaged.
    """
    path = store.sounds(stimuli)
    group = open_group(path, vouched_files(store, READ, ReadSounds(stimuli).key, path))
    attrs = attributes(group)
    ends = dict(zip(attrs["ids"], np.cumsum(attrs["n_samples"]).tolist(), strict=True))
    lengths = dict(zip(attrs["ids"], attrs["n_samples"], strict=True))
    # One read from the first to the last, which lie side by side: chunks hold many sounds.
    first, last = min(ends[i] - lengths[i] for i in ids), max(ends[i] for i in ids)
    samples = read(member(group, "sound"), slice(first, last))
    return [samples[ends[i] - lengths[i] - first : ends[i] - first] for i in ids], float(attrs["sfreq"])

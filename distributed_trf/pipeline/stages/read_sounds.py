"""The read stage for sounds: cut out of the recordings once, and kept in the study's folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from distributed_trf.features.resample import check_sound
from distributed_trf.pipeline.items import READ, ReadSounds
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.store.fingerprint import digest_array
from distributed_trf.store.receipts import vouched_files
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import attributes, member, open_group, read, write_group
from distributed_trf.timing import timed

REVISION = 3
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

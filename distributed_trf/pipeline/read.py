"""The read stage: recordings to cut sounds and binned counts, each cached in the study's folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.items import ReadCounts, ReadSounds
from distributed_trf.recordings.binning import Counts, bin_spikes
from distributed_trf.recordings.formats import open_recordings
from distributed_trf.store.fingerprint import digest, digest_array
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import attributes, member, open_group, read, write_group

REVISION = 3
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def read_sounds(item: ReadSounds, study: StudySettings, store: StudyStore) -> dict[str, Any]:
    """Cut and store the sounds of a stimulus set; return what later stages need to know of them."""
    recordings = open_recordings(study.recordings.format, study.recordings.path)
    stimuli = recordings.stimuli(item.stimuli)
    sounds, sfreq = recordings.sounds(item.stimuli)
    waves = [sounds[s.id] for s in stimuli]
    details = {
        "ids": [s.id for s in stimuli],
        "is_test": [s.is_test for s in stimuli],
        "n_samples": [wave.shape[0] for wave in waves],
        "digests": [digest_array(wave) for wave in waves],
        "sfreq": sfreq,
    }
    write_group(store.sounds(item.stimuli), {"sound": np.concatenate(waves)}, details)
    return details


def load_sounds(store: StudyStore, stimuli: str, ids: list[str]) -> tuple[list[np.ndarray], float]:
    """Read some sounds from the study's folder, and their sampling rate in hertz."""
    group = open_group(store.sounds(stimuli))
    attrs = attributes(group)
    ends = dict(zip(attrs["ids"], np.cumsum(attrs["n_samples"]).tolist(), strict=True))
    lengths = dict(zip(attrs["ids"], attrs["n_samples"], strict=True))
    array = member(group, "sound")
    return [read(array, slice(ends[i] - lengths[i], ends[i])) for i in ids], float(attrs["sfreq"])


def read_counts(item: ReadCounts, study: StudySettings, store: StudyStore) -> dict[str, Any]:
    """Bin and store the responses of one session."""
    recordings = open_recordings(study.recordings.format, study.recordings.path)
    session = next(s for s in recordings.sessions if s.name == item.session)
    spikes = recordings.spikes(session, item.stimuli)
    counts = bin_spikes(spikes, recordings.stimuli(item.stimuli), item.bin_width, session=item.session)
    attrs = {
        "train_ids": counts.train_ids,
        "test_ids": counts.test_ids,
        "repeats": counts.repeats,
        "bins": counts.bins,
    }
    path = store.counts(item.stimuli, item.bin_width, item.session)
    write_group(path, {"train": counts.train, "test": counts.test}, attrs)
    return {
        "units": counts.train.shape[1],
        "repeats": counts.repeats,
        "train_stimuli": len(counts.train_ids),
        "digest": digest([attrs, digest_array(counts.train), digest_array(counts.test)]),
    }


def load_counts(store: StudyStore, stimuli: str, bin_width: float, session: str) -> Counts:
    """Read the binned responses of one session from the study's folder."""
    group = open_group(store.counts(stimuli, bin_width, session))
    attrs = attributes(group)
    train, test = (read(member(group, name)) for name in ("train", "test"))
    ids = (tuple(attrs["train_ids"]), tuple(attrs["test_ids"]))
    return Counts(*ids, train, test, tuple(attrs["repeats"]), attrs["bins"])

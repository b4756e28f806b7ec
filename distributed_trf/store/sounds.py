"""The sounds of a stimulus set, as the read stage stores them: cut out of the recordings, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distributed_trf.store.receipts import READ, receipt_files
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, member, open_group, read, write_group


def sounds_key(stimuli: str) -> str:
    """Name the item that reads the sounds of a set, by whose receipt they are known."""
    return f"{stimuli}-sounds"


def write_sounds(
    store: StudyStore, stimuli: str, waves: Sequence[np.ndarray], attrs: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Write sounds, each of shape (samples,), and what is known of them; digests of the files, by group."""
    path = store.sounds(stimuli)
    return {store.name(path): write_group(path, {"sound": np.concatenate(waves)}, attrs)}


def load_sounds(store: StudyStore, stimuli: str, ids: Sequence[str]) -> tuple[list[np.ndarray], float]:
    """Read some sounds from the study's folder.

    Parameters
    ----------
    store
        The study's folder.
    stimuli
        Stimulus set.
    ids
        Which of its sounds.

    Returns
    -------
    sounds, sfreq
        Each of shape (samples,); their sampling rate in hertz.

    Raises
    ------
    StoreError
        If they were not read yet, or are damaged.
    """
    path = store.sounds(stimuli)
    group = open_group(path, receipt_files(store, READ, sounds_key(stimuli), path))
    attrs = attributes(group)
    ends = dict(zip(attrs["ids"], np.cumsum(attrs["n_samples"]).tolist(), strict=True))
    lengths = dict(zip(attrs["ids"], attrs["n_samples"], strict=True))
    # One read from the first to the last, which lie side by side: chunks hold many sounds.
    first, last = min(ends[i] - lengths[i] for i in ids), max(ends[i] for i in ids)
    samples = read(member(group, "sound"), slice(first, last))
    return [samples[ends[i] - lengths[i] - first : ends[i] - first] for i in ids], float(attrs["sfreq"])

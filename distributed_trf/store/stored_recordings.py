"""What the read stage stores of recordings: the binned responses of sessions, and the sounds of a stimulus set.

Responses are written whole and read as they were written. Sounds are cut out of the recordings, one after another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from distributed_trf.store.fingerprint import digest, digest_array
from distributed_trf.store.receipts import READ, receipt_files
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, member, open_group, read, write_group
from distributed_trf.timing import timed

SPIKES = "spikes"
"""Response that is counted; what was recorded otherwise is averaged, and so are the features that go with it."""


@dataclass(frozen=True)
class BinnedResponses:
    """Binned responses of one session to one stimulus set."""

    train_ids: tuple[str, ...]
    """Training stimuli that were presented to the session, in the order of the stimulus set."""
    test_ids: tuple[str, ...]
    train: np.ndarray
    """Responses to the first presentation of each training stimulus, one after another, shape (train bins, units):
    uint16 counts of spikes, float64 means of a signal over bins, or float64 values in one bin per stimulus."""
    test: np.ndarray
    """Responses to all presentations of the test stimuli: one stimulus after another, within each one presentation
    after another, shape (sum over test stimuli of repeats x bins, units)."""
    repeats: tuple[int, ...]
    """How often each test stimulus was presented."""
    bins: dict[str, int]
    """Number of bins of each stimulus of the set, presented or not."""
    presentations: tuple[int, ...]
    """How often each training stimulus was presented."""
    further: np.ndarray
    """Responses to the presentations of training stimuli beyond the first, in the order of ``test``: shape (sum over
    training stimuli of such presentations x bins, units)."""
    response: str = SPIKES
    """``spikes``, ``signal`` or ``values``."""

    @cached_property
    def train_trials(self) -> dict[str, np.ndarray]:
        """Responses to the first presentation by training stimulus, each of shape (bins, units)."""
        return {
            i: trials[0] for i, trials in self._trials(self.train, self.train_ids, (1,) * len(self.train_ids)).items()
        }

    @cached_property
    def further_trials(self) -> dict[str, np.ndarray]:
        """Responses to further presentations by training stimulus, each of shape (such presentations, bins, units)."""
        return self._trials(self.further, self.train_ids, tuple(n - 1 for n in self.presentations))

    @cached_property
    def test_trials(self) -> dict[str, np.ndarray]:
        """All responses by test stimulus, each of shape (its repeats, bins, units)."""
        return self._trials(self.test, self.test_ids, self.repeats)

    @cached_property
    def repeated_trials(self) -> dict[str, np.ndarray]:
        """Responses that say how units repeat themselves, by stimulus, each of shape (presentations, bins, units).

        Those of all test stimuli; in a set that has none, of all stimuli that were presented twice or more.
        """
        if self.test_ids:
            return self.test_trials
        return {i: self.trials(i) for i, n in zip(self.train_ids, self.presentations, strict=True) if n > 1}

    @property
    def shared_repeats(self) -> int:
        """Presentations that all of these stimuli have; 0 if there are none."""
        return min((trials.shape[0] for trials in self.repeated_trials.values()), default=0)

    def trials(self, stimulus: str) -> np.ndarray:
        """Return the responses to all presentations of a stimulus, in their order, shape (presentations, bins, units).

        No presentation is there of a stimulus that was not presented.
        """
        if stimulus in self.test_trials:
            return self.test_trials[stimulus]
        if stimulus not in self.train_trials:
            return np.zeros((0, self.bins[stimulus], self.train.shape[1]), self.train.dtype)
        return np.concatenate([self.train_trials[stimulus][np.newaxis], self.further_trials[stimulus]])

    @cached_property
    def repeated(self) -> np.ndarray:
        """Test stimuli one after another in as many repeats as all of them have, the earliest ones.

        Shape (repeats, test bins, units).
        """
        return np.concatenate([trials[: min(self.repeats)] for trials in self.test_trials.values()], axis=1)

    def _trials(self, rows: np.ndarray, ids: tuple[str, ...], times: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Cut rows at the borders of stimuli, each presented some times; shapes (times, bins, units)."""
        if not ids:
            return {}
        shapes = [(n, self.bins[i], rows.shape[1]) for i, n in zip(ids, times, strict=True)]
        borders = np.cumsum([n * bins for n, bins, _ in shapes])[:-1]
        return {i: part.reshape(s) for i, part, s in zip(ids, np.split(rows, borders), shapes, strict=True)}


def session_key(stimuli: str, session: str) -> str:
    """Name the item that reads a session, by whose receipt its counts are known."""
    return f"{stimuli}-{session}"


def write_responses(
    store: StudyStore, stimuli: str, bin_width: float, session: str, counts: BinnedResponses
) -> tuple[dict[str, dict[str, str]], str]:
    """Write the binned responses of one session; digests of the files, by group, and of the content."""
    attrs = {
        "train_ids": counts.train_ids,
        "test_ids": counts.test_ids,
        "repeats": counts.repeats,
        "bins": counts.bins,
        "presentations": counts.presentations,
        **({} if counts.response == SPIKES else {"response": counts.response}),
    }
    arrays = {"train": counts.train, "test": counts.test, "further": counts.further}
    path = store.responses(stimuli, bin_width, session)
    files = {store.name(path): write_group(path, arrays, attrs)}
    return files, digest([attrs, *(digest_array(array) for array in arrays.values())])


@timed("load")
def load_responses(store: StudyStore, stimuli: str, bin_width: float, session: str) -> BinnedResponses:
    """Read the binned responses of one session from the study's folder.

    Parameters
    ----------
    store
        The study's folder.
    stimuli
        Stimulus set.
    bin_width
        Milliseconds.
    session
        Its name.

    Returns
    -------
    BinnedResponses
        All presentations of training and test stimuli.

    Raises
    ------
    StoreError
        If they were not read yet, or are damaged.
    """
    path = store.responses(stimuli, bin_width, session)
    group = open_group(path, receipt_files(store, READ, session_key(stimuli, session), path))
    attrs = attributes(group)
    train, test, further = (read(member(group, name)) for name in ("train", "test", "further"))
    train_ids, test_ids, repeats, presentations = (
        tuple(attrs[name]) for name in ("train_ids", "test_ids", "repeats", "presentations")
    )
    response = attrs.get("response", SPIKES)
    return BinnedResponses(train_ids, test_ids, train, test, repeats, attrs["bins"], presentations, further, response)


@dataclass(frozen=True)
class Presented:
    """Which stimuli were presented to a session, without the responses."""

    times: dict[str, int]
    """How often, by stimulus."""
    shared_repeats: int
    """As of ``BinnedResponses``."""


def load_presented(store: StudyStore, stimuli: str, bin_width: float, session: str) -> Presented:
    """Read which stimuli were presented to a session; arguments and errors as of ``load_responses``."""
    path = store.responses(stimuli, bin_width, session)
    attrs = attributes(open_group(path, receipt_files(store, READ, session_key(stimuli, session), path)))
    train = dict(zip(attrs["train_ids"], attrs["presentations"], strict=True))
    test = dict(zip(attrs["test_ids"], attrs["repeats"], strict=True))
    repeated = test or {i: n for i, n in train.items() if n > 1}
    return Presented(train | test, min(repeated.values(), default=0))


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

"""One channel file of a UCSF session: its table of trials, the trials of each stimulus set in it, and its spikes.

Every channel file of a session repeats the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import numbers
from distributed_trf.recordings.recording_set import MVOCS, TIMIT, Trials
from distributed_trf.recordings.ucsf.metadata import CODE_FILE, SENTENCE_FILE
from distributed_trf.recordings.ucsf.sentences import Sentences
from distributed_trf.recordings.ucsf.vocalisations import Vocalisations

CODE_FIELD = {TIMIT: "timitStimcode", MVOCS: "mVocStimcode"}
"""Field with the code of the sound of each trial, 0 in trials of another class."""


@dataclass(frozen=True)
class TrialTable:
    """What one channel file says about the trials of its session."""

    path: Path
    codes: np.ndarray
    """Code of the stimulus set's sound in each trial, 0 if the trial is of another class or missing, shape (n,)."""
    onset: np.ndarray
    """Seconds, shape (n,)."""

    @property
    def rows(self) -> np.ndarray:
        """Rows of the stimulus set's trials, from 0; the files count trials from 1."""
        return np.flatnonzero(self.codes)

    def sentence_trials(self, sentences: Sentences) -> Trials:
        """Return the presentations of sentences; a sentence's code is its position from 1 in the sentence file.

        Raises
        ------
        RecordingError
            If a code is of no sentence with a sound.
        """
        codes = self.codes[self.rows]
        unknown = sorted({float(code) for code in codes if code not in sentences.structs})
        if unknown:
            raise RecordingError(
                f"{self.path}: field {CODE_FIELD[TIMIT]} of trial holds {', '.join(f'{code:g}' for code in unknown)}, "
                f"but {SENTENCE_FILE} has no sound there; expected positions from 1 of sentences with a sound. "
                "Use the sentence file that was published with the recordings"
            )
        return Trials(tuple(str(int(code)) for code in codes), self._checked_onset())

    def vocalisation_trials(self, vocalisations: Vocalisations) -> Trials:
        """Return the presentations of vocalisations, which make one block of consecutive trials.

        The block has a trial for each presentation, in the order of the code file. Trials may be missing from it,
        which is a code of 0, and then it shows by the other codes where the block begins. If they leave a choice, it
        is the earliest beginning that keeps the whole block within the table, or else the earliest of all.

        Raises
        ------
        RecordingError
            If the codes fit the order of presentation nowhere.
        """
        if not self.rows.size:
            return Trials((), np.empty(0))
        presented = self.rows - self._block_start(vocalisations.codes)
        return Trials(tuple(vocalisations.stimulus_ids[k] for k in presented), self._checked_onset())

    def _block_start(self, order: np.ndarray) -> int:
        """Row of the first presentation of ``order``; negative if the table begins later."""
        rows, codes = self.rows, self.codes[self.rows]
        starts = np.arange(rows[0] - order.size + 1, rows[-1] + 1)
        position = rows - starts[:, np.newaxis]
        inside = (position >= 0) & (position < order.size)
        differs = ~inside | (order[np.where(inside, position, 0)] != codes)
        n_differing = differs.sum(axis=1)
        is_whole = (starts >= 0) & (starts + order.size <= self.codes.size)
        best = np.lexsort((starts, ~is_whole, n_differing))[0]
        if n_differing[best]:
            k = np.flatnonzero(differs[best])[0]
            expected = f"code {order[position[best, k]]}" if inside[best, k] else "no vocalisation"
            raise RecordingError(
                f"{self.path}: field {CODE_FIELD[MVOCS]} of trial holds {codes[k]:g} in trial {rows[k] + 1}; expected "
                f"{expected} there, as {CODE_FILE} has {order.size} presentations in a fixed order and they fit best "
                f"from trial {starts[best] + 1} on, with {n_differing[best]} of {rows.size} trials that differ. "
                "Copy the session again or add it to bad_sessions"
            )
        return int(starts[best])

    def _checked_onset(self) -> np.ndarray:
        """Onsets of the stimulus set's trials, checked: in trials of other classes they may be anything."""
        onset = self.onset[self.rows].astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(onset) | np.concatenate([[False], onset[1:] < onset[:-1]])[: onset.size])
        if wrong.size:
            k = wrong[0]
            raise RecordingError(
                f"{self.path}: field stimon of trial holds {onset[k]:g} s in trial {self.rows[k] + 1}; expected finite "
                "times that never decrease. Copy the session again or add it to bad_sessions"
            )
        return onset


def read_trial_table(trial: Any, stimulus_set: str, path: Path) -> TrialTable:
    """Read a trial table for one stimulus set.

    Parameters
    ----------
    trial
        Struct ``trial`` of a channel file.
    stimulus_set
        ``timit`` or ``mvocs``.
    path
        The channel file, for error messages.

    Raises
    ------
    RecordingError
        If a field is missing or they differ in length.
    """
    codes, onset = numbers(trial, CODE_FIELD[stimulus_set], path), numbers(trial, "stimon", path)
    if codes.size != onset.size:
        raise RecordingError(
            f"{path}: trial has {codes.size} values in field {CODE_FIELD[stimulus_set]} but {onset.size} in field "
            "stimon; expected one of each per trial. Copy the file again"
        )
    return TrialTable(path, codes, onset)


def channel_spikes(spike: Any, rows: np.ndarray, n_trials: int, path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the spikes of some of a session's trials.

    Parameters
    ----------
    spike
        Struct ``spike`` of a channel file; its spikes may be in any order.
    rows
        Rows of the trials in the session's table, from 0, ascending, shape (n_kept,).
    n_trials
        Rows of the whole table.
    path
        The channel file, for error messages.

    Returns
    -------
    times, trial, n_before
        Seconds from onset and index into ``rows`` of each spike, both of shape (n_spikes,); and how many spikes were
        left out because they came before the first trial.

    Raises
    ------
    RecordingError
        If the fields do not fit each other or the table, or a time that is returned would not be finite.
    """
    times = numbers(spike, "stimlock", path).astype(np.float64)
    trial = numbers(spike, "trial", path)
    if times.size != trial.size:
        raise RecordingError(
            f"{path}: spike has {times.size} values in field stimlock but {trial.size} in field trial; "
            "expected one of each per spike. Copy the file again"
        )
    wrong = trial[~((trial >= 0) & (trial <= n_trials) & (trial == np.floor(trial)))]
    if wrong.size:
        raise RecordingError(
            f"{path}: field trial of spike holds {wrong[0]:g}; expected whole numbers from 0 (before the first trial) "
            f"to {n_trials}, the number of trials. Copy the file again"
        )
    index = np.full(n_trials + 1, -1)
    index[rows + 1] = np.arange(rows.size)
    number = trial.astype(np.int64)
    found = index[number]
    kept = found >= 0
    times, found = times[kept], found[kept]
    bad = np.count_nonzero(~np.isfinite(times))
    if bad:
        raise RecordingError(
            f"{path}: field stimlock of spike holds {bad} times that are not finite; "
            "expected seconds from the onset of the trial. Copy the file again"
        )
    return times, found, int(np.count_nonzero(number == 0))

"""Reader of the macaque recordings made at the University of California, Davis."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.plausibility import with_doubts
from distributed_trf.recordings.recording_set import (
    UNKNOWN,
    Extent,
    Session,
    SpikeTrials,
    Stimulus,
    Trials,
    spikes_in_trials,
)
from distributed_trf.recordings.ucdavis.session_file import (
    ExperimentTrials,
    SessionFile,
    read_contents,
    read_presentations,
    read_session_file,
)
from distributed_trf.recordings.ucdavis.stimulus_list import (
    DATA_FOLDER,
    SET_FILES,
    StimulusList,
    check_folder,
    session_files,
)


class UCDavisRecordings:
    """Reader of the UC Davis recordings, stimulus sets ``timit`` and ``mvocs``.

    Which units a session holds is known from its spikes only, so the files of all sessions are read once, when
    ``sessions``, ``notes`` or ``heard`` are first used.

    Parameters
    ----------
    path
        The folder that holds the folder ``Data``.

    Raises
    ------
    RecordingError
        If ``path`` is not such a folder or no session is in it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_folder(self.path)
        self._files = session_files(self.path)
        self._lists = {name: StimulusList(self.path, files) for name, files in SET_FILES.items()}

    @property
    def stimulus_sets(self) -> tuple[str, ...]:
        """Those of ``timit`` and ``mvocs`` whose list and sounds are there."""
        return tuple(name for name in SET_FILES if not self._missing(name))

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions whose files can be read, sorted by name.

        Raises
        ------
        RecordingError
            If none can be read.
        """
        return tuple(self._presented)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sessions that are left out because their files cannot be read, and why; and stimulus sets without files."""
        missing = {name: " and ".join(self._missing(name)) for name in SET_FILES}
        return (
            *(f"session {name} left out: {reason}" for name, reason in self._scan[1].items()),
            *(f"no {name}: {files} not there" for name, files in missing.items() if files),
        )

    @property
    def unusable(self) -> dict[str, str]:
        """Sessions whose files cannot be read, and why."""
        return self._scan[1]

    def heard(self, stimulus_set: str) -> tuple[Session, ...]:
        """All sessions with an experiment of the stimulus set."""
        self._check_stimulus_set(stimulus_set)
        return tuple(session for session, sets in self._presented.items() if stimulus_set in sets)

    def stimuli(self, stimulus_set: str) -> tuple[Stimulus, ...]:
        """All sounds in use, in the order of the stimulus set's list."""
        self._check_stimulus_set(stimulus_set)
        return self._lists[stimulus_set].stimuli

    def sounds(self, stimulus_set: str) -> tuple[dict[str, np.ndarray], float]:
        """Waveform of every sound in use, float32 in [-1, 1) of shape (n_samples,), and their sampling rate."""
        self._check_stimulus_set(stimulus_set)
        return self._lists[stimulus_set].sounds()

    def trials(self, session: Session, stimulus_set: str) -> Trials:
        """Presentations of a stimulus set."""
        return self._presentations(read_session_file(*self.session_files(session)), stimulus_set).trials

    def spikes(self, session: Session, stimulus_set: str) -> SpikeTrials:
        """Spike times of every unit within the sounds of a stimulus set.

        Raises
        ------
        RecordingError
            If the session's file is damaged or does not fit the stimuli, or it has no experiment with them.
        """
        file = read_session_file(*self.session_files(session))
        presented = self._presentations(file, stimulus_set)
        onset = presented.trials.onset
        cut, n_before = [], 0
        for code, times in file.spikes.items():
            _check_times(times, code, file.path)
            n_before += int(np.count_nonzero(times < 0))
            cut.append(spikes_in_trials(times[times >= 0], onset, presented.end))
        left_out = {
            "trials of sounds outside the stimulus set": presented.n_other,
            "spikes before the recording began": n_before,
            "spikes of no unit, with codes of 0 or less": file.n_unsorted,
        }
        spikes = SpikeTrials(
            presented.trials.stimulus,
            onset,
            tuple(times for times, _ in cut),
            tuple(trial for _, trial in cut),
            tuple(f"{n} {what}" for what, n in left_out.items() if n),
            extent=Extent.of(tuple(file.spikes.values())),
        )
        return with_doubts(spikes, self.stimuli(stimulus_set), session)

    def sound_files(self, stimulus_set: str) -> tuple[Path, ...]:
        """The stimulus set's list and the files of its sounds."""
        self._check_stimulus_set(stimulus_set)
        return self._lists[stimulus_set].sound_files()

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """The one file of a session."""
        return (self.path / DATA_FOLDER / f"{session.name}.mat",)

    @cached_property
    def _scan(self) -> tuple[dict[Session, frozenset[str]], dict[str, str]]:
        """Each usable session with the stimulus sets presented in it; and the error of each other session."""
        presented, errors = {}, {}
        for name, path in self._files.items():
            try:
                units, sets = read_contents(path)
            except RecordingError as error:
                errors[name] = str(error)
                continue
            session = Session(name, UNKNOWN, name.split("_")[0], math.nan, math.nan, units)
            presented[session] = sets
        return presented, errors

    @property
    def _presented(self) -> dict[Session, frozenset[str]]:
        presented, errors = self._scan
        if not presented:
            raise RecordingError(
                f"{self.path / DATA_FOLDER}: none of its {len(errors)} sessions can be read. The first says: "
                f"{next(iter(errors.values()))}"
            )
        return presented

    def _missing(self, stimulus_set: str) -> list[str]:
        """What is not there of the list and the folder of sounds of a stimulus set."""
        files = SET_FILES[stimulus_set]
        return [name for name in (files.details, files.folder) if not (self.path / name).exists()]

    def _presentations(self, file: SessionFile, stimulus_set: str) -> ExperimentTrials:
        durations = {stimulus.id: stimulus.duration for stimulus in self.stimuli(stimulus_set)}
        if stimulus_set not in file.experiments:
            raise RecordingError(
                f"{file.path}: no struct of TrialStimData is of type BM{SET_FILES[stimulus_set].letter}<repeats>, so "
                f"{stimulus_set} was not presented in this session; it has "
                f"{', '.join(file.experiments) or 'nothing known'}. "
                f"Take the sessions in which {stimulus_set} was presented"
            )
        return read_presentations(file.experiments[stimulus_set], durations, file.path)

    def _check_stimulus_set(self, stimulus_set: str) -> None:
        if stimulus_set not in SET_FILES:
            raise ConfigError(
                f"{self.path}: stimulus set {stimulus_set!r} is unknown; expected one of {', '.join(SET_FILES)}"
            )


def _check_times(times: np.ndarray, code: int, path: Path) -> None:
    bad = np.count_nonzero(~np.isfinite(times))
    if bad:
        raise RecordingError(
            f"{path}: field times holds {bad} times of unit {code} that are not finite; expected seconds on the "
            "session's clock. Copy the file again"
        )

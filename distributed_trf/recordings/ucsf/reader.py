"""Reader of the squirrel monkey recordings published by the University of California, San Francisco."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.matlab import read_mat
from distributed_trf.recordings.plausibility import with_doubts
from distributed_trf.recordings.recording_set import MVOCS, TIMIT, Session, SpikeTrials, Stimulus, Trials
from distributed_trf.recordings.ucsf.metadata import (
    CACHE_FILE,
    CODE_FILE,
    METADATA_FILE,
    SENTENCE_FILE,
    SESSIONS_FOLDER,
    VOCALISATION_FILE,
    WITHOUT_VOCALISATIONS,
    channel_files,
    channel_labels,
    check_folder,
    read_site_table,
)
from distributed_trf.recordings.ucsf.sentences import Sentences
from distributed_trf.recordings.ucsf.trial_table import CODE_FIELD, TrialTable, channel_spikes, read_trial_table
from distributed_trf.recordings.ucsf.vocalisations import Vocalisations

SOUND_FILES = {TIMIT: (SENTENCE_FILE,), MVOCS: (CODE_FILE, VOCALISATION_FILE)}


class UCSFRecordings:
    """Reader of the UCSF recordings, stimulus sets ``timit`` and ``mvocs``.

    Parameters
    ----------
    path
        The folder that holds ``sessions_metadata.yml``.

    Raises
    ------
    RecordingError
        If ``path`` is not such a folder, or its metadata or session folders cannot be used. No spikes are read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_folder(self.path)
        table = read_site_table(self.path / METADATA_FILE)
        folder = self.path / SESSIONS_FOLDER
        # Copies made on a Mac bring hidden twins of files and folders, hence the check of the first letter.
        found = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        usable = [name for name in found if name not in table.bad]
        if not usable:
            raise RecordingError(
                f"{folder}: no session to use; found {len(found)} folders, all of them in bad_sessions of "
                f"{METADATA_FILE}. Expected one folder per session: copy them again"
            )
        self._left_out = [name for name in found if name in table.bad]
        self._sessions = tuple(
            Session(name, *table.site(name), channels=channel_labels(channel_files(folder / name))) for name in usable
        )

    @property
    def stimulus_sets(self) -> tuple[str, ...]:
        """Those of ``timit`` and ``mvocs`` whose files are there."""
        return tuple(name for name, files in SOUND_FILES.items() if all((self.path / f).is_file() for f in files))

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions but the bad ones, sorted by name."""
        return self._sessions

    @property
    def notes(self) -> tuple[str, ...]:
        """Sessions that are left out, stimulus sets without files, and a file of other software that is ignored."""
        notes = []
        if self._left_out:
            notes.append(f"bad sessions left out: {', '.join(self._left_out)}")
        if (self.path / CACHE_FILE).is_file():
            notes.append(
                f"{CACHE_FILE} ignored: pickles are never read, and the vocalisations are cut from {VOCALISATION_FILE}"
            )
        for stimulus_set, files in SOUND_FILES.items():
            missing = [str(file) for file in files if not (self.path / file).is_file()]
            if missing:
                notes.append(f"no {stimulus_set}: {' and '.join(missing)} not there")
        return tuple(notes)

    @property
    def unusable(self) -> dict[str, str]:
        """None: a session that cannot be read fails when it is."""
        return {}

    def heard(self, stimulus_set: str) -> tuple[Session, ...]:
        """All sessions, for ``mvocs`` without the two in which no vocalisations were played."""
        self._check_stimulus_set(stimulus_set)
        without = WITHOUT_VOCALISATIONS if stimulus_set == MVOCS else ()
        return tuple(session for session in self._sessions if session.name not in without)

    def stimuli(self, stimulus_set: str) -> tuple[Stimulus, ...]:
        """Sentences in the order of their file, or vocalisations in the order of presentation."""
        return self._sounds_of(stimulus_set).stimuli()

    def sounds(self, stimulus_set: str) -> tuple[dict[str, np.ndarray], float]:
        """Every stimulus without the silence around it, float64 of shape (n_samples,), and its sampling rate."""
        return self._sounds_of(stimulus_set).sounds()

    def phonemes(self) -> dict[str, np.ndarray]:
        """Label of every frame of each sentence, as ``Sentences.phonemes``; ``phoneme_rate`` frames per second."""
        return self._sentences.phonemes()

    @property
    def phoneme_rate(self) -> float:
        """Frames per second of ``phonemes``, 100 in the published recordings."""
        return self._sentences.phoneme_rate

    def trials(self, session: Session, stimulus_set: str) -> Trials:
        """Presentations of a stimulus set, from the first channel's file."""
        self._check_stimulus_set(stimulus_set)
        path = self.session_files(session)[0]
        return self._trials(read_trial_table(read_mat(path, ("trial",))["trial"], stimulus_set, path), stimulus_set)

    def spikes(self, session: Session, stimulus_set: str) -> SpikeTrials:
        """Spike times of every channel in every presentation of a stimulus set.

        Raises
        ------
        RecordingError
            If a channel file is damaged, or does not fit the stimuli or the other channels of its session.
        """
        self._check_stimulus_set(stimulus_set)
        files, times, trials, n_before = self.session_files(session), [], [], 0
        for path in files:
            content = read_mat(path, ("spike", "trial"))
            table = read_trial_table(content["trial"], stimulus_set, path)
            if path == files[0]:
                first, presented = table, self._trials(table, stimulus_set)
            _check_same_trials(table, first, stimulus_set)
            found = channel_spikes(content["spike"], first.rows, first.codes.size, path)
            times.append(found[0])
            trials.append(found[1])
            n_before += found[2]
        notes = (f"{n_before} spikes before the first trial",) if n_before else ()
        spikes = SpikeTrials(presented.stimulus, presented.onset, tuple(times), tuple(trials), notes)
        return with_doubts(spikes, self.stimuli(stimulus_set) if presented.stimulus else (), session)

    def sound_files(self, stimulus_set: str) -> tuple[Path, ...]:
        """The sentence file, or the code file and the wav file of the vocalisations."""
        self._check_stimulus_set(stimulus_set)
        return tuple(self.path / file for file in SOUND_FILES[stimulus_set])

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """One file per channel, in the order of ``session.channels``."""
        return channel_files(self.path / SESSIONS_FOLDER / session.name)

    @cached_property
    def _sentences(self) -> Sentences:
        return Sentences(self.path / SENTENCE_FILE)

    @cached_property
    def _vocalisations(self) -> Vocalisations:
        return Vocalisations(self.path / CODE_FILE, self.path / VOCALISATION_FILE)

    def _sounds_of(self, stimulus_set: str) -> Sentences | Vocalisations:
        self._check_stimulus_set(stimulus_set)
        return self._sentences if stimulus_set == TIMIT else self._vocalisations

    def _trials(self, table: TrialTable, stimulus_set: str) -> Trials:
        if stimulus_set == TIMIT:
            return table.sentence_trials(self._sentences)
        return table.vocalisation_trials(self._vocalisations)

    def _check_stimulus_set(self, stimulus_set: str) -> None:
        if stimulus_set not in SOUND_FILES:
            raise ConfigError(
                f"{self.path}: stimulus set {stimulus_set!r} is unknown; expected one of {', '.join(SOUND_FILES)}"
            )


def _check_same_trials(table: TrialTable, first: TrialTable, stimulus_set: str) -> None:
    if not np.array_equal(table.codes, first.codes, equal_nan=True):
        raise RecordingError(
            f"{table.path}: field {CODE_FIELD[stimulus_set]} of trial has {table.codes.size} trials, but "
            f"{first.path.name} of the same session has {first.codes.size}, or their sounds differ; expected one trial "
            "table per session. Copy the session again or add it to bad_sessions"
        )

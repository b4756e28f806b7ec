"""Reader of the squirrel monkey recordings published by the University of California, San Francisco."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.matlab import field, number, numbers, read_mat
from distributed_trf.recordings.recording_set import TIMIT, Session, SpikeTrials, Stimulus, Trials
from distributed_trf.recordings.ucsf.layout import (
    SENTENCE_FILE,
    SESSIONS_FOLDER,
    SILENCE,
    TEST_IDS,
    channel_files,
    channel_labels,
    check_folder,
)
from distributed_trf.recordings.ucsf.metadata import METADATA_FILE, read_site_table


class UCSFRecordings:
    """Reader of the UCSF recordings, stimulus set ``timit``.

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
        left_out = [name for name in found if name in table.bad]
        self._notes = (f"bad sessions left out: {', '.join(left_out)}",) if left_out else ()
        self._sessions = tuple(
            Session(name, *table.site(name), channels=channel_labels(channel_files(folder / name))) for name in usable
        )

    @property
    def stimulus_sets(self) -> tuple[str, ...]:
        """``timit``."""
        return (TIMIT,)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions but the bad ones, sorted by name."""
        return self._sessions

    @property
    def notes(self) -> tuple[str, ...]:
        """Sessions that are left out."""
        return self._notes

    def heard(self, stimulus_set: str) -> tuple[Session, ...]:
        """All sessions."""
        self._check_stimulus_set(stimulus_set)
        return self._sessions

    def stimuli(self, stimulus_set: str) -> tuple[Stimulus, ...]:
        """All sentences that have a sound, in the order of the sentence file."""
        self._check_stimulus_set(stimulus_set)
        path = self.path / SENTENCE_FILE
        stimuli = []
        for i, sentence in self._sentences.items():
            stored = number(sentence, "duration", path)
            if stored <= 2 * SILENCE:
                raise RecordingError(
                    f"{path}: field duration of sentence {i} is {stored} s; expected more than the {2 * SILENCE} s "
                    "of silence around it. Copy the file again"
                )
            stimuli.append(Stimulus(str(i), stored - 2 * SILENCE, is_test=i in TEST_IDS))
        return tuple(stimuli)

    def sounds(self, stimulus_set: str) -> tuple[dict[str, np.ndarray], float]:
        """Every sentence without the silence around it, float64 of shape (n_samples,), and its sampling rate."""
        self._check_stimulus_set(stimulus_set)
        path = self.path / SENTENCE_FILE
        sfreq = number(next(iter(self._sentences.values())), "soundf", path)
        margin = round(SILENCE * sfreq)
        if margin < 1:
            raise RecordingError(f"{path}: field soundf is {sfreq}; expected a rate in hertz. Copy the file again")
        sounds = {}
        for i, sentence in self._sentences.items():
            sound = numbers(sentence, "sound", path)[margin:-margin].astype(np.float64)
            bad = np.count_nonzero(~np.isfinite(sound))
            if bad or not sound.size:
                raise RecordingError(
                    f"{path}: field sound of sentence {i} has {sound.size} samples between its silences, {bad} of them "
                    "not finite; expected a waveform. Copy the file again"
                )
            sounds[str(i)] = sound
        return sounds, sfreq

    def trials(self, session: Session, stimulus_set: str) -> Trials:
        """Presentations of sentences, from the first channel's file."""
        self._check_stimulus_set(stimulus_set)
        path = self.session_files(session)[0]
        table = read_mat(path, ("trial",))["trial"]
        codes = numbers(table, "timitStimcode", path)
        self._check_codes(codes, path)
        onset = numbers(table, "stimon", path)
        return Trials(tuple(str(int(code)) for code in codes[codes != 0]), onset[codes != 0])

    def spikes(self, session: Session, stimulus_set: str) -> SpikeTrials:
        """Spike times of every channel in every presentation of a sentence.

        Raises
        ------
        RecordingError
            If a channel file is damaged, or does not fit the sentences or the other channels of its session.
        """
        self._check_stimulus_set(stimulus_set)
        files = self.session_files(session)
        codes, onset, times, trials = np.empty(0), np.empty(0), [], []
        for path in files:
            content = read_mat(path, ("spike", "trial"))
            found = numbers(content["trial"], "timitStimcode", path)
            if path == files[0]:
                codes = found
                self._check_codes(codes, path)
                onset = numbers(content["trial"], "stimon", path)
            elif not np.array_equal(found, codes):
                raise RecordingError(
                    f"{path}: field timitStimcode of trial has {found.size} trials, but {files[0].name} of the same "
                    f"session has {codes.size}, or their sentences differ; expected one trial table per session. "
                    "Copy the session again or add it to bad_sessions"
                )
            channel_times, channel_trials = _sentence_spikes(content["spike"], codes, path)
            times.append(channel_times)
            trials.append(channel_trials)
        stimulus = tuple(str(int(code)) for code in codes[codes != 0])
        return SpikeTrials(stimulus, onset[codes != 0], tuple(times), tuple(trials))

    def sound_files(self, stimulus_set: str) -> tuple[Path, ...]:
        """The sentence file."""
        self._check_stimulus_set(stimulus_set)
        return (self.path / SENTENCE_FILE,)

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """One file per channel, in the order of ``session.channels``."""
        return channel_files(self.path / SESSIONS_FOLDER / session.name)

    @cached_property
    def _sentences(self) -> dict[int, Any]:
        """Structs of the sentences with a sound, by position from 1; the file is large and read once."""
        path = self.path / SENTENCE_FILE
        structs = np.atleast_1d(read_mat(path, ("sentdet",))["sentdet"])
        sentences = {i: s for i, s in enumerate(structs, start=1) if np.size(field(s, "sound", path))}
        silent = [str(i) for i in TEST_IDS if i not in sentences]
        if silent:
            raise RecordingError(
                f"{path}: test sentences {', '.join(silent)} have no sound among the {len(structs)} of sentdet. "
                "Copy the file again"
            )
        return sentences

    def _check_stimulus_set(self, stimulus_set: str) -> None:
        if stimulus_set != TIMIT:
            raise ConfigError(
                f"{self.path}: stimulus set {stimulus_set!r} is unknown; this recording set offers {TIMIT}"
            )

    def _check_codes(self, codes: np.ndarray, path: Path) -> None:
        unknown = sorted({float(code) for code in codes if code != 0 and code not in self._sentences})
        if unknown:
            raise RecordingError(
                f"{path}: field timitStimcode of trial holds {', '.join(f'{code:g}' for code in unknown)}, but "
                f"{SENTENCE_FILE} has no sound there; expected positions from 1 of sentences with a sound. "
                "Use the sentence file that was published with the recordings"
            )


def _sentence_spikes(spike: Any, codes: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times from onset and trials of the spikes of one channel; trials are counted among the sentences from 0."""
    times = numbers(spike, "stimlock", path).astype(np.float64)
    trial = numbers(spike, "trial", path)
    if times.size != trial.size:
        raise RecordingError(
            f"{path}: spike has {times.size} values in field stimlock but {trial.size} in field trial; "
            "expected one of each per spike. Copy the file again"
        )
    wrong = trial[~((trial >= 0) & (trial <= codes.size) & (trial % 1 == 0))]
    if wrong.size:
        raise RecordingError(
            f"{path}: field trial of spike holds {wrong[0]:g}; expected whole numbers from 0 (before the first trial) "
            f"to {codes.size}, the number of trials. Copy the file again"
        )
    is_sentence = codes != 0
    ordinal = np.cumsum(is_sentence) - 1
    row = trial.astype(np.int64) - 1
    kept = row >= 0
    kept[kept] = is_sentence[row[kept]]
    times, row = times[kept], row[kept]
    bad = np.count_nonzero(~np.isfinite(times))
    if bad:
        raise RecordingError(
            f"{path}: field stimlock of spike holds {bad} times that are not finite; "
            "expected seconds from the onset of the trial. Copy the file again"
        )
    return times, ordinal[row]

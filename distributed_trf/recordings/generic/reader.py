"""Reader of recordings in the generic layout: wav files with CSV tables or NWB files.

::

    <path>/sessions.csv                                session, subject, area, x, y, use (yes or no); optional
    <path>/stimuli/<stimulus set>/train/<id>.wav       one mono sound per file, the file's stem is the stimulus id
    <path>/stimuli/<stimulus set>/test/<id>.wav
    <path>/sessions/<session>/trials.csv               stimulus_set, stimulus, onset in seconds
    <path>/sessions/<session>/spikes.csv               unit, time in seconds on the same clock
    <path>/sessions/<session>/units.csv                unit; optional, all units in the order to use, and where they lie
    <path>/sessions/<session>.nwb                      instead of the folder; recordings.yaml names its columns

Instead of spikes a session may have a signal (see ``signal_session``) or one value per sound (``value_session``), and
instead of ``train`` and ``test`` a stimulus set may hold its sounds directly, none of which is then kept for testing.
Tables may be ``.csv.gz``. A trial's spikes are those from its onset to half a second after its sound's end, or to the
next onset if that is earlier.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.continuous import SignalTrials, ValueTrials
from distributed_trf.recordings.generic.layout import SESSIONS, SoundFile, check_folder, find_sessions, find_sounds
from distributed_trf.recordings.generic.nwb import NwbSession, read_mapping
from distributed_trf.recordings.generic.nwb_signal import NwbSignalSession
from distributed_trf.recordings.generic.presentations import (
    Contents,
    Presentations,
    SessionSource,
    SignalSource,
    SpikeSource,
    ValueSource,
    window_ends,
)
from distributed_trf.recordings.generic.session_folder import session_folder
from distributed_trf.recordings.generic.session_table import (
    SessionRow,
    read_contents,
    read_session_table,
    read_sessions,
)
from distributed_trf.recordings.generic.sound_files import SoundHeader, read_headers, read_sound
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


class GenericRecordings:
    """Reader of the generic layout.

    Parameters
    ----------
    path
        The folder that holds ``stimuli`` and ``sessions``.

    Raises
    ------
    RecordingError
        If ``path`` is not such a folder, or its stimulus sets, ``sessions.csv`` or ``recordings.yaml`` cannot be used.
        No sound and no session is read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_folder(self.path)
        self._sound_files = find_sounds(self.path)
        self._sites = read_session_table(self.path)
        self._mapping = read_mapping(self.path)
        self._known_headers: dict[str, dict[str, SoundHeader]] = {}

    @property
    def stimulus_sets(self) -> tuple[str, ...]:
        """Folders of ``stimuli``, sorted by name."""
        return tuple(self._sound_files)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions but those that are bad or cannot be read, which ``notes`` name.

        Raises
        ------
        RecordingError
            If none is left.
        """
        contents, notes, _ = self._read
        if not contents:
            raise RecordingError(
                f"{self.path / SESSIONS}: no session to use; expected a folder or NWB file per session. "
                f"{'; '.join(notes) or 'Nothing is there: add them'}"
            )
        return tuple(self._session(name, found) for name, found in contents.items())

    @property
    def notes(self) -> tuple[str, ...]:
        """Sessions that are left out and why, and how many trials of sounds that are not there."""
        return self._read[1]

    @property
    def unusable(self) -> dict[str, str]:
        """Sessions whose files are damaged or have no trial of a known sound, and why; none that is ``use: no``."""
        return self._read[2]

    def heard(self, stimulus_set: str) -> tuple[Session, ...]:
        """Sessions with at least one trial of the stimulus set."""
        self._files(stimulus_set)
        return tuple(s for s in self.sessions if self._chosen(self._read[0][s.name].presentations, stimulus_set).size)

    def stimuli(self, stimulus_set: str) -> tuple[Stimulus, ...]:
        """All sounds in natural order of their ids, ``s2`` before ``s10``, training and test sounds together."""
        headers = self._headers(stimulus_set)
        return tuple(Stimulus(i, headers[i].duration, f.is_test) for i, f in self._files(stimulus_set).items())

    def sounds(self, stimulus_set: str) -> tuple[dict[str, np.ndarray], float]:
        """Every sound as float64 of shape (n_samples,), integers scaled to [-1, 1), and their sampling rate."""
        sfreq = next(iter(self._headers(stimulus_set).values())).sfreq
        return {i: read_sound(file.path) for i, file in self._files(stimulus_set).items()}, sfreq

    def trials(self, session: Session, stimulus_set: str) -> Trials:
        """Presentations of the sounds of a stimulus set.

        Raises
        ------
        RecordingError
            If another sound begins while one of them has not ended; values have no onsets.
        """
        if session.response == "values":
            presentations = read_contents(self._source(session.name)).presentations
            chosen = self._chosen(presentations, stimulus_set)
        else:
            presentations, chosen, _ = self._windows(session, stimulus_set)
        return Trials(tuple(presentations.stimulus[k] for k in chosen), presentations.onset[chosen])

    def spikes(self, session: Session, stimulus_set: str) -> SpikeTrials:
        """Spike times of every unit from the onset of each trial to half a second after its end, or the next onset.

        Raises
        ------
        RecordingError
            If the spikes are damaged, or another sound begins while one of the set has not ended.
        """
        presentations, chosen, end = self._windows(session, stimulus_set)
        onset = presentations.onset[chosen]
        source = self._source(session.name)
        if session.response != "spikes" or not isinstance(source, SpikeSource):
            raise self._other(session, "spikes")
        found = source.spike_times(session.channels)
        cut = [spikes_in_trials(times, onset, end) for times in found]
        stimulus, (times, trial) = tuple(presentations.stimulus[k] for k in chosen), zip(*cut, strict=True)
        spikes = SpikeTrials(stimulus, onset, times, trial, extent=Extent.of(found))
        return with_doubts(spikes, self.stimuli(stimulus_set), session)

    def signals(self, session: Session, stimulus_set: str) -> SignalTrials:
        """Signal of a session, and its trials of a stimulus set.

        Raises
        ------
        RecordingError
            If another sound begins while one of the set has not ended.
        """
        source = self._source(session.name)
        if session.response != "signal" or not isinstance(source, SignalSource):
            raise self._other(session, "signals")
        return source.signal_with(self.trials(session, stimulus_set))

    def values(self, session: Session, stimulus_set: str) -> ValueTrials:
        """Values of every unit in every presentation of a stimulus set, in the order of repeats and rows.

        Raises
        ------
        RecordingError
            If the values are damaged.
        """
        source = self._source(session.name)
        if session.response != "values" or not isinstance(source, ValueSource):
            raise self._other(session, "values")
        presentations = read_contents(source).presentations
        rows = [presentations.row[k] for k in self._chosen(presentations, stimulus_set)]
        return source.values(self.trials(session, stimulus_set), rows)

    def sound_files(self, stimulus_set: str) -> tuple[Path, ...]:
        """One wav file per stimulus, in the order of ``stimuli``."""
        return tuple(file.path for file in self._files(stimulus_set).values())

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """The tables of the session, or its NWB file and ``recordings.yaml`` if that is there."""
        return self._source(session.name).files

    @cached_property
    def _read(self) -> tuple[dict[str, Contents], tuple[str, ...], dict[str, str]]:
        return read_sessions(list(find_sessions(self.path)), self._sites, self._source, self._sound_files)

    def _source(self, name: str) -> SessionSource:
        found = find_sessions(self.path).get(name, [])
        if len(found) != 1:
            raise RecordingError(
                f"{self.path / SESSIONS}: session {name} is there as {' and '.join(map(str, found)) or 'nothing'}; "
                "expected a folder or an NWB file. Keep one of them"
            )
        (file,) = found
        if file.is_dir():
            return session_folder(file, self.stimulus_sets)
        of_file = NwbSession if self._mapping.signal is None else NwbSignalSession
        return of_file(file, self._mapping, self.stimulus_sets)

    def _other(self, session: Session, expected: str) -> RecordingError:
        return RecordingError(
            f"{self.path / SESSIONS}: the response of session {session.name} is {session.response}, and {expected} "
            "were to be read. Choose a session that has them"
        )

    def _session(self, name: str, contents: Contents) -> Session:
        site = self._sites.get(name, SessionRow())
        area, subject = site.area or contents.area or UNKNOWN, site.subject or contents.subject or UNKNOWN
        # A place that sessions.csv says is that of all units.
        known = ("x", "y") if np.isfinite([site.x, site.y]).any() else ()
        coords = {axis: of_units for axis, of_units in contents.unit_coords.items() if axis not in known}
        return Session(name, area, subject, site.x, site.y, contents.units, contents.response, coords)

    def _chosen(self, presentations: Presentations, stimulus_set: str) -> np.ndarray:
        """Indices of the trials of known sounds of a stimulus set."""
        known = self._files(stimulus_set)
        pairs = zip(presentations.stimulus_set, presentations.stimulus, strict=True)
        return np.flatnonzero([of_set == stimulus_set and i in known for of_set, i in pairs])

    def _windows(self, session: Session, stimulus_set: str) -> tuple[Presentations, np.ndarray, np.ndarray]:
        """All presentations, which of them are of the stimulus set, and where the windows of those end."""
        durations = {i: header.duration for i, header in self._headers(stimulus_set).items()}
        presentations = read_contents(self._source(session.name)).presentations
        chosen = self._chosen(presentations, stimulus_set)
        end = window_ends(presentations, chosen, durations, self._source(session.name).files[0])
        return presentations, chosen, end

    def _headers(self, stimulus_set: str) -> dict[str, SoundHeader]:
        """Headers of the sounds of a set by id, read once."""
        if stimulus_set not in self._known_headers:
            files = self._files(stimulus_set)
            headers = read_headers(file.path for file in files.values())
            self._known_headers[stimulus_set] = dict(zip(files, headers, strict=True))
        return self._known_headers[stimulus_set]

    def _files(self, stimulus_set: str) -> dict[str, SoundFile]:
        if stimulus_set not in self._sound_files:
            raise ConfigError(
                f"{self.path}: stimulus set {stimulus_set!r} is unknown; this recording set offers "
                f"{', '.join(self.stimulus_sets)}"
            )
        return self._sound_files[stimulus_set]

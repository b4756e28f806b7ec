"""Sessions, units and stimuli by name, with errors that say which names there are."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.recording_set import RecordingSet, Session, Stimulus

SHOWN = 8
"""Names listed before the rest is counted."""


def some_of(names: Sequence[str], shown: int = SHOWN) -> str:
    """Write names in a row, the first few where there are many.

    Examples
    --------
    >>> some_of(["a", "b", "c", "d"], shown=2)
    'a, b and 2 more'
    """
    if len(names) <= shown:
        return ", ".join(names) or "none"
    return f"{', '.join(names[:shown])} and {len(names) - shown} more"


def find_session(recordings: RecordingSet, name: str) -> Session:
    """Return the session of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    sessions = {session.name: session for session in recordings.sessions}
    if name not in sessions:
        raise ConfigError(
            f"{recordings.path}: session {name!r} is not there; expected one of {some_of(list(sessions))}"
        )
    return sessions[name]


def find_unit(session: Session, channel: str) -> int:
    """Return the index of the unit of this label in every array of the session.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if channel not in session.channels:
        raise ConfigError(
            f"session {session.name}: unit {channel!r} is not there; expected one of {some_of(session.channels)}"
        )
    return session.channels.index(channel)


def find_stimulus(recordings: RecordingSet, stimulus: str, stimuli: str | None = None) -> tuple[str, Stimulus]:
    """Find a stimulus by its id.

    Parameters
    ----------
    recordings
        Where to look.
    stimulus
        Id within its stimulus set.
    stimuli
        The stimulus set; by default the only one that has such a stimulus.

    Returns
    -------
    stimuli, stimulus
        Name of the stimulus set, and the stimulus.

    Raises
    ------
    ConfigError
        If there is no such stimulus set or stimulus, or several sets have one of this id.
    """
    if stimuli is not None and stimuli not in recordings.stimulus_sets:
        raise ConfigError(
            f"{recordings.path}: stimulus set {stimuli!r} is not there; expected one of "
            f"{some_of(recordings.stimulus_sets)}"
        )
    stimuli_of = {name: recordings.stimuli(name) for name in ([stimuli] if stimuli else recordings.stimulus_sets)}
    found = [(name, s) for name, sounds in stimuli_of.items() for s in sounds if s.id == stimulus]
    if not found:
        available = "; ".join(f"of {name} {some_of([s.id for s in sounds])}" for name, sounds in stimuli_of.items())
        raise ConfigError(f"{recordings.path}: stimulus {stimulus!r} is not there; expected {available}")
    if len(found) > 1:
        names = [name for name, _ in found]
        raise ConfigError(
            f"{recordings.path}: stimulus {stimulus!r} is in {' and '.join(names)}; say which is meant, such as "
            f"stimuli={names[0]!r} (--stimuli {names[0]} on the command line)"
        )
    return found[0]

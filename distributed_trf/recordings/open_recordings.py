"""Opening recordings by format, and finding sessions, units and stimuli in them by name.

Formats are entry points, of this package and of any other. Errors say which names there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from distributed_trf.errors import ConfigError, DistributedTRFError, RecordingError
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


GROUP = "distributed_trf.recordings"
"""Entry points whose values are called with the path of a recording set and return a ``RecordingSet``."""


def open_recordings(format: str, path: str | Path) -> RecordingSet:
    """Open the recording set at ``path``.

    Raises
    ------
    ConfigError
        If there is no such format, two packages offer it, or its code cannot be imported.
    RecordingError
        If the recordings are not there or not as their format promises.
    """
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    if format not in found:
        raise ConfigError(
            f"recording format {format!r} is unknown; expected one of {', '.join(sorted(found)) or '(none)'}. "
            f"A package offers another one by an entry point of the group {GROUP}; install or reinstall it"
        )
    offers = {point.value for point in found[format]}
    if len(offers) > 1:
        raise ConfigError(
            f"recording format {format!r} is offered by {' and '.join(sorted(offers))}; uninstall one of the packages"
        )
    try:
        opener: Callable[[Path], RecordingSet] = found[format][0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"recording format {format!r}: {found[format][0].value} cannot be loaded ({error})"
        ) from error
    return opener(Path(path))


def guess_format(path: str | Path) -> tuple[str, RecordingSet]:
    """Open the recording set at ``path`` in the one format that can.

    Every format is tried. One whose code cannot be imported or fails in any way does not open the recordings.

    Returns
    -------
    format, recordings
        Name of the format, and what it opened.

    Raises
    ------
    RecordingError
        If ``path`` is not there or no format opens it; each format's reason is listed.
    ConfigError
        If several formats open it.
    """
    if not Path(path).exists():
        raise RecordingError(f"{path}: there is no such folder; expected a recording set. Correct the path")
    opened: dict[str, RecordingSet] = {}
    reasons = []
    for name in sorted({point.name for point in entry_points(group=GROUP)}):
        try:
            opened[name] = open_recordings(name, path)
        except DistributedTRFError as error:
            reasons.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - other packages' code may raise anything
            reasons.append(f"{name}: {type(error).__name__}: {error}")
    if not opened:
        listed = "".join(f"\n  {reason}" for reason in reasons)
        raise RecordingError(f"{path}: no recording format can open this; correct the path or what is said:{listed}")
    if len(opened) > 1:
        raise ConfigError(
            f"{path}: the recording formats {' and '.join(opened)} can all open this; name the one that is meant "
            "(--format on the command line)"
        )
    return opened.popitem()

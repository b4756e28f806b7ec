"""The recording formats that can be read, by name: entry points, of this package and of any other."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.recording_set import RecordingSet

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

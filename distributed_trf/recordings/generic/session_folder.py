"""Which kind of session a folder is, by the files in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import table_file
from distributed_trf.recordings.generic.presentations import SessionSource
from distributed_trf.recordings.generic.signal_session import SignalSession, signal_files
from distributed_trf.recordings.generic.spike_session import SpikeSession
from distributed_trf.recordings.generic.value_session import ValueSession, value_files


def session_folder(folder: Path, stimulus_sets: tuple[str, ...]) -> SessionSource:
    """Return the session of a folder: with spikes, a signal or values; with none of them one that lacks its spikes.

    Raises
    ------
    RecordingError
        If it holds several of them.
    """
    spikes = table_file(folder, "spikes")
    kinds: list[tuple[Callable[[Path, tuple[str, ...]], SessionSource], list[Path]]] = [
        (SpikeSession, [] if spikes is None else [spikes]),
        (SignalSession, signal_files(folder)),
        (ValueSession, value_files(folder)),
    ]
    found = [(kind, files) for kind, files in kinds if files]
    if len(found) > 1:
        raise RecordingError(
            f"{folder}: holds {', '.join(file.name for _, files in found for file in files)}; expected spikes, a "
            "signal or values. Make a session of each"
        )
    return found[0][0](folder, stimulus_sets) if found else SpikeSession(folder, stimulus_sets)

"""Where features of one's own are: which files of a table's ``source`` belong to a stimulus set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.own_features import EventSettings, as_own_features
from distributed_trf.errors import FeatureError
from distributed_trf.features.own.arrays import ArrayFolder, ArrayMembers
from distributed_trf.features.own.events import ENDINGS, EventFiles, Events
from distributed_trf.features.table import NetworkTable

MEMBERS = (".npz", ".h5", ".hdf5", ".zarr")
"""Endings of one file, or folder, of arrays of all stimuli."""


class FeatureFiles(Protocol):
    """The features of the stimuli of a set."""

    path: Path

    @property
    def stimuli(self) -> Collection[str]:
        """The stimuli that have features."""

    def digest(self, stimulus: str) -> str:
        """Hash what is read of a stimulus."""

    def read(self, stimulus: str) -> np.ndarray | Events:
        """Read the frames of a stimulus, shape (frames, features), or its events."""


def open_files(table: NetworkTable, settings: NetworkSettings, stimuli: str) -> FeatureFiles:
    """Open the features of a stimulus set.

    Parameters
    ----------
    table, settings
        The table, and the study's settings of it, whose ``source`` has priority.
    stimuli
        The stimulus set: what is called like it in ``source`` is taken, such as a folder ``timit`` or a file
        ``timit.npz``; otherwise all of ``source``.

    Raises
    ------
    FeatureError
        If there is nothing, or something of another kind.
    """
    config, source = as_own_features(table.config), Path(settings.source or table.source or "")
    whole = ENDINGS if isinstance(config, EventSettings) else MEMBERS
    path = next((p for p in (source / f"{stimuli}{end}" for end in ("", *whole)) if p.exists()), source)
    if isinstance(config, EventSettings):
        if path.is_dir() or (path.is_file() and path.name.endswith(ENDINGS)):
            return EventFiles(path, stimuli, tuple(config.labels))
        expected = "a .csv of events, or a folder with one for each stimulus"
    else:
        if path.exists() and path.suffix in MEMBERS:
            return ArrayMembers(path)
        if path.is_dir():
            return ArrayFolder(path)
        expected = f"a folder with .npy or .csv for each stimulus, or {', '.join(MEMBERS)} with an array for each"
    found = "is something else" if path.exists() else "is not there"
    raise FeatureError(
        f"{table.name}: {path} {found}; expected {expected} as `source`, relative to the working directory. Correct it"
    )


def digests(table: NetworkTable, settings: NetworkSettings, stimuli: str, ids: Sequence[str]) -> list[str]:
    """Hash the features of stimuli, for fingerprints; of one without any, say so: reading it says what is wrong."""
    try:
        files = open_files(table, settings, stimuli)
        return [files.digest(i) if i in files.stimuli else "missing" for i in ids]
    except FeatureError as error:
        return [str(error)] * len(ids)


def missing(table: NetworkTable, settings: NetworkSettings, stimuli: str, ids: Sequence[str]) -> str | None:
    """Say which stimuli of a set have no features; None if all have.

    Raises
    ------
    FeatureError
        If the files cannot be opened.
    """
    files = open_files(table, settings, stimuli)
    lacking = [i for i in ids if i not in files.stimuli]
    if not lacking:
        return None
    listed = f"{', '.join(lacking[:5])}{', ...' if len(lacking) > 5 else ''}"
    return (
        f"{table.name}: {files.path} has no features of {len(lacking)} of the {len(ids)} stimuli of {stimuli}: "
        f"{listed}; add them"
    )

"""Zarr arrays as this project makes them: checksummed chunks, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import new_folder

REMEDY = "`dtrf repair STUDY` finds all that is damaged, and `dtrf run STUDY` then makes it anew"


def codecs() -> list[Any]:
    """Fast compression, then a checksum: a flipped bit raises instead of reading back as another number."""
    return [ZstdCodec(level=1), Crc32cCodec()]


def write_group(path: Path, arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]) -> None:
    """Write arrays and attributes as a new zarr group, which appears whole or not at all."""
    with new_folder(path) as folder:
        group = zarr.create_group(folder, attributes=dict(attrs))
        for name, array in arrays.items():
            group.create_array(name, data=array, chunks=_chunks(array), compressors=codecs())


def open_group(path: Path, *, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """Open a zarr group, for reading or (``r+``) for writing into arrays that exist.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    try:
        return zarr.open_group(path, mode=mode)
    except (FileNotFoundError, ValueError, OSError) as error:
        raise DamagedError(f"{path}: cannot be opened as a zarr group ({error}); {REMEDY}", path) from error


def is_whole(path: Path) -> bool:
    """Tell whether a zarr group and its arrays are there and say in readable files what they are."""
    try:
        json.loads((path / "zarr.json").read_bytes())
        for array in path.iterdir():
            if array.is_dir():
                json.loads((array / "zarr.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def member(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return an array of a group.

    Raises
    ------
    DamagedError
        If it is missing or unreadable, naming the group and the remedy.
    """
    try:
        array = group.get(name)
    except ValueError as error:
        raise DamagedError(
            f"{_path(group)}: array {name} cannot be opened ({error}); {REMEDY}", _path(group)
        ) from error
    if not isinstance(array, zarr.Array):
        raise DamagedError(f"{_path(group)}: array {name} is missing; {REMEDY}", _path(group))
    return array


def attributes(group: zarr.Group) -> dict[str, Any]:
    """Return a group's attributes as plain values."""
    return dict(group.attrs)


def read(array: zarr.Array[Any], selection: Any = ...) -> np.ndarray:
    """Read part of an array.

    Raises
    ------
    DamagedError
        If a chunk is damaged, naming the array and the remedy.
    """
    try:
        return np.asarray(array[selection])
    except Exception as error:
        raise DamagedError(f"{_path(array)}: a chunk cannot be read ({error}); {REMEDY}", _path(array)) from error


def check_group(path: Path, only: str | None = None) -> None:
    """Read every array of a group, or only one.

    Raises
    ------
    DamagedError
        If one cannot be read.
    """
    group = open_group(path)
    for name in [only] if only is not None else sorted(p.parent.name for p in path.glob("*/zarr.json")):
        read(member(group, name))


def _path(node: zarr.Group | zarr.Array[Any]) -> Path:
    """Return where a group or array lies on disk."""
    store = node.store_path.store
    assert isinstance(store, LocalStore)
    return store.root / node.store_path.path


def _chunks(array: np.ndarray) -> tuple[int, ...]:
    """Whole arrays up to 32 MiB, then slabs of the first axis."""
    row = max(array.nbytes // max(array.shape[0], 1), 1)
    rows = max(min(array.shape[0], (32 << 20) // row), 1)
    return (rows, *(max(n, 1) for n in array.shape[1:]))

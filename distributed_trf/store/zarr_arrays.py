"""Zarr arrays as this project makes them: checksummed chunks, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import new_folder
from distributed_trf.timing import timed


def codecs() -> list[Any]:
    """Fast compression, then a checksum: a flipped bit raises instead of reading back as another number."""
    return [ZstdCodec(level=1), Crc32cCodec()]


@timed("write")
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
    StoreError
        If it is missing or unreadable.
    """
    try:
        return zarr.open_group(path, mode=mode)
    except (FileNotFoundError, ValueError, OSError) as error:
        raise StoreError(
            f"{path}: cannot be opened as a zarr group ({error}); run the study again to rebuild it"
        ) from error


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
    StoreError
        If it is missing, naming the group and the remedy.
    """
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise StoreError(
            f"{group.store_path}: array {name} is missing; delete this folder and run the study again to make it anew"
        )
    return array


def attributes(group: zarr.Group) -> dict[str, Any]:
    """Return a group's attributes as plain values."""
    return dict(group.attrs)


def read(array: zarr.Array[Any], selection: Any = ...) -> np.ndarray:
    """Read part of an array.

    Raises
    ------
    StoreError
        If a chunk is damaged, naming the array and the remedy.
    """
    try:
        return np.asarray(array[selection])
    except Exception as error:
        raise StoreError(
            f"{array.store_path}: a chunk cannot be read ({error}); delete the zarr folder that holds this array and "
            "run the study again to make it anew"
        ) from error


def _chunks(array: np.ndarray) -> tuple[int, ...]:
    """Whole arrays up to 32 MiB, then slabs of the first axis."""
    row = max(array.nbytes // max(array.shape[0], 1), 1)
    rows = max(min(array.shape[0], (32 << 20) // row), 1)
    return (rows, *(max(n, 1) for n in array.shape[1:]))

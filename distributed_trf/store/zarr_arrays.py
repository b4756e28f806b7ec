"""Zarr arrays as this project makes them: checksummed chunks, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.vouched import REMEDY, VouchedStore, digest_files
from distributed_trf.timing import timed

WRITE_ALL: Any = {"write_empty_chunks": True}
"""Chunks of fill values are written too, so that one that is not there is known to be lost."""


def codecs() -> list[Any]:
    """Fast compression, then a checksum: a flipped bit raises instead of reading back as another number."""
    return [ZstdCodec(level=1), Crc32cCodec()]


@timed("write")
def write_group(path: Path, arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]) -> dict[str, str]:
    """Write arrays and attributes as a new zarr group, which appears whole or not at all; digests of its files."""
    with new_folder(path) as folder:
        group = zarr.create_group(folder, attributes=dict(attrs))
        for name, array in arrays.items():
            group.create_array(name, data=array, chunks=_chunks(array), compressors=codecs(), config=WRITE_ALL)
        return digest_files(folder)


def open_group(path: Path, files: Mapping[str, str] | None = None, *, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """Open a zarr group, for reading or (``r+``) for writing into arrays that exist.

    Parameters
    ----------
    path
        Its folder.
    files
        Digest of each of its files, against which they are checked as they are read; None where nothing has any.
    mode
        How.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    try:
        return zarr.open_group(_store(path, files, mode), mode=mode)
    except DamagedError:
        raise
    except Exception as error:  # zarr has many for what is not as it should be
        raise DamagedError(f"{path}: cannot be opened as a zarr group ({error}); {REMEDY}", path) from error


def open_array(
    path: Path, name: str, files: Mapping[str, str] | None = None, *, mode: Literal["r", "r+"] = "r"
) -> zarr.Array[Any]:
    """Open one array of a group, whose own metadata is not read; see ``open_group``.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    try:
        array = zarr.open_array(_store(path, files, mode), path=name, mode=mode)
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"{path}: array {name} cannot be opened ({error}); {REMEDY}", path) from error
    return array.with_config(WRITE_ALL)


def member(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return an array of a group.

    Raises
    ------
    DamagedError
        If it is missing or unreadable, naming the group and the remedy.
    """
    try:
        array = group.get(name)
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(
            f"{_path(group)}: array {name} cannot be opened ({error}); {REMEDY}", _path(group)
        ) from error
    if not isinstance(array, zarr.Array):
        raise DamagedError(f"{_path(group)}: array {name} is missing; {REMEDY}", _path(group))
    return array.with_config(WRITE_ALL)


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
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"{_path(array)}: a chunk cannot be read ({error}); {REMEDY}", _path(array)) from error


def _store(path: Path, files: Mapping[str, str] | None, mode: str) -> LocalStore:
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path.name}")
    read_only = mode == "r"
    return LocalStore(path, read_only=read_only) if files is None else VouchedStore(path, files, read_only=read_only)


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

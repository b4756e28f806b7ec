"""Zarr arrays with checksummed chunks, written whole, and verified as they are read.

Zarr fills a missing chunk, and does not notice a chunk at a wrong path. Here each file is checked, when it is read,
against the digest in the receipt of its writer. A file that no receipt lists does not exist for readers, such as a file
that a killed process left.

Only documented parts of zarr are used. It is loaded where arrays are read or written, as what a study still has to do
can be told without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.checked_files import REMEDY, check_files, digest_files
from distributed_trf.timing import timed

if TYPE_CHECKING:
    import xarray as xr
    import zarr


def open_verified(path: Path, files: Mapping[str, str], **how: Any) -> xr.Dataset:
    """Open a group as a dataset, lazily, after checking every file of it once.

    Parameters
    ----------
    path
        Folder of the group.
    files
        Digest of each file, by its path in the group; each is checked again when it is read.
    **how
        For ``xarray.open_zarr``.

    Raises
    ------
    DamagedError
        If the content of a file is not what was written.
    """
    check_files(path, files)
    import xarray as xr

    from distributed_trf.store.verified_store import VerifiedStore

    return xr.open_zarr(VerifiedStore(path, files), consolidated=False, zarr_format=3, **{"chunks": None, **how})


WRITE_ALL: Any = {"write_empty_chunks": True}
"""Chunks of fill values are written too, so that a missing chunk is known to be lost."""


def codecs() -> list[Any]:
    """Fast compression, then a checksum: a flipped bit raises instead of reading back as another number."""
    from zarr.codecs import Crc32cCodec, ZstdCodec

    return [ZstdCodec(level=1), Crc32cCodec()]


@timed("write")
def write_group(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    attrs: Mapping[str, Any],
    *,
    dims: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, str]:
    """Write arrays and attributes as a new zarr group, whole or not at all; return the digests of its files.

    xarray opens it as a dataset if ``dims`` names the axes of each array; a worker need not load xarray for that.
    """
    import zarr

    with new_folder(path) as folder:
        group = zarr.create_group(folder, attributes=dict(attrs))
        for name, array in arrays.items():
            axes, chunks = dims[name] if dims else None, _chunks(array)
            group.create_array(
                name, data=array, chunks=chunks, compressors=codecs(), dimension_names=axes, config=WRITE_ALL
            )
        return digest_files(folder)


def open_group(path: Path, files: Mapping[str, str] | None = None, *, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """Open a zarr group, for reading or (``r+``) for writing into arrays that exist.

    Parameters
    ----------
    path
        Its folder.
    files
        Digest of each of its files, which are checked when they are read; None reads without a check.
    mode
        ``r`` or ``r+``.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    import zarr

    try:
        return zarr.open_group(_store(path, files, mode), mode=mode)
    except DamagedError:
        raise
    except Exception as error:  # zarr raises many kinds for damaged files
        raise DamagedError(f"{path}: cannot be opened as a zarr group ({error}); {REMEDY}", path) from error


def open_array(
    path: Path, name: str, files: Mapping[str, str] | None = None, *, mode: Literal["r", "r+"] = "r"
) -> zarr.Array[Any]:
    """Open one array of a group without reading the group's metadata; see ``open_group``.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    import zarr

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
    import zarr

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


def _store(path: Path, files: Mapping[str, str] | None, mode: str) -> zarr.storage.LocalStore:
    from zarr.storage import LocalStore

    from distributed_trf.store.verified_store import VerifiedStore

    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path.name}")
    read_only = mode == "r"
    return LocalStore(path, read_only=read_only) if files is None else VerifiedStore(path, files, read_only=read_only)


def _path(node: zarr.Group | zarr.Array[Any]) -> Path:
    """Return the path of a group or array on disk."""
    from zarr.storage import LocalStore

    store = node.store_path.store
    assert isinstance(store, LocalStore)
    return store.root / node.store_path.path


def _chunks(array: np.ndarray) -> tuple[int, ...]:
    """Whole arrays up to 32 MiB, then slabs of the first axis."""
    row = max(array.nbytes // max(array.shape[0], 1), 1)
    rows = max(min(array.shape[0], (32 << 20) // row), 1)
    return (rows, *(max(n, 1) for n in array.shape[1:]))

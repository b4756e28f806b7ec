"""Zarr arrays with checksummed chunks, written whole, and verified as they are read.

Zarr fills a missing chunk, and does not notice a chunk at a wrong path. Here each file is checked, when it is read,
against the digest in the receipt of its writer. A file that no receipt lists does not exist for readers, such as a file
that a killed process left.

Only documented parts of zarr are used. But ``VerifiedStore`` must know every way to read from a store: this was checked
against zarr 3.1.6, and ``tests/architecture/test_internals.py`` fails if a later version adds one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.buffer import default_buffer_prototype
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.fingerprint import digest_bytes, digest_file
from distributed_trf.timing import timed

if TYPE_CHECKING:
    import xarray as xr

REMEDY = "`dtrf repair STUDY` finds all damaged files, and `dtrf run STUDY` then writes them again"


def digest_files(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by its path in it."""
    return {p.relative_to(folder).as_posix(): digest_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Check the files of a folder against their digests.

    Raises
    ------
    DamagedError
        If the content of a file does not match, naming the first such file.
    """
    for key, expected in files.items():
        read_verified(folder / key, expected)


def read_verified(path: Path, expected: str) -> bytes:
    """Read a file, and check it against its digest.

    Raises
    ------
    DamagedError
        If it is missing or does not match.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(
            f"{path}: cannot be read ({error.strerror}), though it was written; {REMEDY}", path
        ) from None
    if digest_bytes(content) not in expected.split():
        raise DamagedError(f"{path}: damaged, its content is not what was written; {REMEDY}", path)
    return content


class VerifiedStore(LocalStore):
    """A group of arrays on disk; every file is checked when it is read.

    Parameters
    ----------
    root
        Folder of the group.
    files
        Digest of each file, by its path in the group.
    """

    def __init__(self, root: Path | str, files: Mapping[str, str], *, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self.files = files

    def with_read_only(self, read_only: bool = False) -> Self:  # noqa: FBT001, FBT002  as zarr has it
        """Return the same store, open for writing or not."""
        return type(self)(self.root, self.files, read_only=read_only)

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        """Read a file.

        Raises
        ------
        DamagedError
            If its content is not what was written.
        """
        if key not in self.files:
            return None
        content = read_verified(self.root / key, self.files[key])
        assert byte_range is None, "parts of chunks are read of shards only"
        return (prototype or default_buffer_prototype()).buffer.from_bytes(content)

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        """Read a file, as ``get_sync`` does."""
        if key not in self.files:
            return None
        return await asyncio.to_thread(self.get_sync, key, prototype=prototype, byte_range=byte_range)

    async def exists(self, key: str) -> bool:
        """Tell whether a file should exist."""
        return key in self.files

    async def list(self) -> AsyncIterator[str]:
        """List the files that should exist."""
        for key in self.files:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the files and folders that should exist in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys(key[len(start) :].split("/")[0] for key in self.files if key.startswith(start)):
            yield name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifiedStore) and (self.root, self.files) == (other.root, other.files)

    __hash__ = None  # type: ignore[assignment]  # digests of files can change


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

    return xr.open_zarr(VerifiedStore(path, files), consolidated=False, zarr_format=3, **{"chunks": None, **how})


WRITE_ALL: Any = {"write_empty_chunks": True}
"""Chunks of fill values are written too, so that a missing chunk is known to be lost."""


def codecs() -> list[Any]:
    """Fast compression, then a checksum: a flipped bit raises instead of reading back as another number."""
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
    return LocalStore(path, read_only=read_only) if files is None else VerifiedStore(path, files, read_only=read_only)


def _path(node: zarr.Group | zarr.Array[Any]) -> Path:
    """Return the path of a group or array on disk."""
    store = node.store_path.store
    assert isinstance(store, LocalStore)
    return store.root / node.store_path.path


def _chunks(array: np.ndarray) -> tuple[int, ...]:
    """Whole arrays up to 32 MiB, then slabs of the first axis."""
    row = max(array.nbytes // max(array.shape[0], 1), 1)
    rows = max(min(array.shape[0], (32 << 20) // row), 1)
    return (rows, *(max(n, 1) for n in array.shape[1:]))

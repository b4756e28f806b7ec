"""Groups of arrays that are read as they were written, or not at all.

Zarr fills a chunk that is not there, and takes one that lies in the wrong place for the right one. Here each file is
held against the digest that the receipt of its writer has of it, as it is read. A file that no receipt vouches for is
not there, such as what a killed process left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import xarray as xr
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import LocalStore

from distributed_trf.errors import DamagedError
from distributed_trf.store.fingerprint import digest_bytes, digest_file

REMEDY = "`dtrf repair STUDY` finds all that is damaged, and `dtrf run STUDY` then makes it anew"


def digest_files(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by its path in it."""
    return {p.relative_to(folder).as_posix(): digest_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Make sure that files of a folder are those that digests are of.

    Raises
    ------
    DamagedError
        If one is not, naming the first.
    """
    for key, expected in files.items():
        read_vouched(folder / key, expected)


def read_vouched(path: Path, expected: str) -> bytes:
    """Read a file that has a digest.

    Raises
    ------
    DamagedError
        If it is not there, or is another.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(
            f"{path}: cannot be read ({error.strerror}), though it was written; {REMEDY}", path
        ) from None
    if digest_bytes(content) not in expected.split():
        raise DamagedError(f"{path}: damaged, it is not what was written here; {REMEDY}", path)
    return content


class VouchedStore(LocalStore):
    """A group of arrays on disk, of which every file is checked as it is read.

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
            If it is not what was written.
        """
        if key not in self.files:
            return None
        content = read_vouched(self.root / key, self.files[key])
        assert byte_range is None, "parts of chunks are read of shards only"
        return (prototype or default_buffer_prototype()).buffer.from_bytes(content)

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        """Read a file, as ``get_sync`` does."""
        if key not in self.files:
            return None
        return await asyncio.to_thread(self.get_sync, key, prototype=prototype, byte_range=byte_range)

    async def exists(self, key: str) -> bool:
        """Tell whether there should be a file."""
        return key in self.files

    async def list(self) -> AsyncIterator[str]:
        """List what there should be."""
        for key in self.files:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List what there should be in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys(key[len(start) :].split("/")[0] for key in self.files if key.startswith(start)):
            yield name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VouchedStore) and (self.root, self.files) == (other.root, other.files)

    __hash__ = None  # type: ignore[assignment]  # digests of files can change


def open_vouched(path: Path, files: Mapping[str, str], **how: Any) -> xr.Dataset:
    """Open a group as a dataset, lazily, after every file of it was read once.

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
        If a file is not what was written.
    """
    check_files(path, files)
    return xr.open_zarr(VouchedStore(path, files), consolidated=False, zarr_format=3, **{"chunks": None, **how})

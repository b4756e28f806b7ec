"""A store of zarr that checks every file when it is read.

It must know every way to read from a store: this was checked against zarr 3.1.6, and
``tests/architecture/test_internals.py`` fails if a later version adds one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

from zarr.abc.buffer import Buffer
from zarr.buffer import default_buffer_prototype
from zarr.storage import LocalStore

from distributed_trf.store.checked_files import read_verified


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

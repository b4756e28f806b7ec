"""Atomic writes: a file or folder appears whole or not at all; a full disk is reported clearly."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed_trf.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk, a used-up quota and a limited file size."""
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of creating a folder that another attempt does not cure."""

REPLACED = ".replaced-"
"""Marks an old folder while a new one replaces it; ``sweep`` restores it if a process was killed in between."""
TEMPORARY = ".partial-"
"""Marks what is being written or removed; ``sweep`` removes what killed processes left."""


@contextmanager
def room_for(path: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Explain an error of a full disk.

    Parameters
    ----------
    path
        What is written, in a folder that exists.
    n_bytes
        Its size before compression; None where it is not known.

    Raises
    ------
    StoreError
        If there is no room for it, naming what is needed and what is free.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        needed = "it" if n_bytes is None else f"the {n_bytes} bytes of it (before compression)"
        raise StoreError(
            f"{path}: no room to write {needed}: {error.strerror}, {shutil.disk_usage(path.parent).free} bytes free; "
            "make room, raise the quota or choose another output folder, and run the same command again: what is done "
            "is kept"
        ) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file (see ``write_text``)."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """Write a text file: to a temporary file on disk, which then replaces ``path`` in one step."""
    with new_file(path) as file:
        file.write_text(text, encoding="utf-8")


def check_folder(path: Path) -> None:
    """Check that a folder is writable, or can be created with its parents; nothing is created.

    Raises
    ------
    StoreError
        If that is not so, with the reason.
    """
    existing = next(parent for parent in (path, *path.absolute().parents) if os.path.lexists(parent))
    if not existing.is_dir():
        raise StoreError(f"{path}: cannot be written to: {existing} is not a folder; choose another output")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StoreError(
            f"{path}: cannot be written to: you have no permission to write in {existing}; choose another output, or "
            "have the permission changed"
        )


def make_folder(path: Path) -> None:
    """Create a folder with its parents, if it does not exist.

    Raises
    ------
    StoreError
        If it cannot be created or written to, with the reason.
    """
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise StoreError(f"{path}: cannot be created: {error.strerror}; choose another output") from error


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write: it replaces ``path`` when the block ends without error, else it is removed."""
    make_folder(path.parent)
    temporary = _temporary(path)
    try:
        with room_for(path):
            yield temporary
            sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill: it replaces ``path`` when the block ends without error, else it is removed."""
    make_folder(path.parent)
    temporary = _temporary(path)
    try:
        with room_for(path):
            temporary.mkdir()
            yield temporary
            sync_folder(temporary)
        replaced = False
        while not replaced:  # again if another process, which writes the same, was quicker
            old = _temporary(path, REPLACED)
            try:
                with suppress(FileNotFoundError):
                    path.rename(old)
                replaced = _rename_folder(temporary, path)
            finally:
                _finish_replacement(old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Bring every file below a folder to disk, so that a power cut after this call loses none of them."""
    for file in path.rglob("*"):
        if file.is_file():
            sync_file(file)


def sync_file(path: Path) -> None:
    """Bring one file to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(root: Path) -> None:
    """Remove what killed processes left behind below ``root``; only for the one process that holds the store's lock."""
    for old in [*root.rglob(f"*{REPLACED}*")]:
        _finish_replacement(old)
    for pattern in (f"*{TEMPORARY}*", "*.partial"):  # ours, and zarr's own
        for left in [*root.rglob(pattern)]:
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _rename_folder(folder: Path, path: Path) -> bool:
    """Rename a folder to ``path``; False if a folder exists there."""
    try:
        folder.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _finish_replacement(old: Path) -> None:
    """Remove a replaced folder, or restore it if nothing has replaced it."""
    path = old.with_name(old.name.partition(REPLACED)[0])
    if path.exists() or (old.exists() and not _rename_folder(old, path)):
        shutil.rmtree(old, ignore_errors=True)


def _temporary(path: Path, mark: str = TEMPORARY) -> Path:
    return path.with_name(f"{path.name}{mark}{uuid.uuid4().hex[:8]}")

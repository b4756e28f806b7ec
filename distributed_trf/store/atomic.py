"""A disk, quota or file size that does not take what is to be written, said in words.

Files and folders that are there whole or not at all.
"""

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


REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of making a folder that are still there at the next attempt."""

REPLACED = ".replaced-"
"""Marks an old folder while a new one takes its place; ``sweep`` puts it back if the new one never did."""
TEMPORARY = ".partial-"
"""Marks what is being written, or being removed; a leftover of a killed process is swept away by ``sweep``."""


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file (see ``write_text``)."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """Write a text file: beside its place, to disk, then into place in one step."""
    with new_file(path) as file:
        file.write_text(text, encoding="utf-8")


def check_folder(path: Path) -> None:
    """Check that a folder can be made, with its parents, or written to where it is there; nothing is made.

    Raises
    ------
    StoreError
        If something stands in the way, with what it is.
    """
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise StoreError(f"{path}: cannot be written to: {there} is no folder; choose another output")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(
            f"{path}: cannot be written to: you may not write in {there}; choose another output, or get the right to"
        )


def make_folder(path: Path) -> None:
    """Make a folder with its parents, if it is not there.

    Raises
    ------
    StoreError
        If it cannot be made or written to, with the reason.
    """
    check_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise StoreError(f"{path}: cannot be made: {error.strerror}; choose another output") from error


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a file to write: it takes the place of ``path`` when the block ends well, and is removed otherwise."""
    make_folder(path.parent)
    beside = _beside(path)
    try:
        with room_for(path):
            yield beside
            sync_file(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill: it takes the place of ``path`` when the block ends well, and is removed otherwise."""
    make_folder(path.parent)
    beside = _beside(path)
    try:
        with room_for(path):
            beside.mkdir()
            yield beside
            sync_folder(beside)
        in_place = False
        while not in_place:  # again if another process, which writes the same, was quicker
            old = _beside(path, REPLACED)
            try:
                with suppress(FileNotFoundError):
                    path.rename(old)
                in_place = _takes_place(beside, path)
            finally:
                _settle(old)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
        _settle(old)
    for pattern in (f"*{TEMPORARY}*", "*.partial"):  # ours, and zarr's own
        for left in [*root.rglob(pattern)]:
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _takes_place(beside: Path, path: Path) -> bool:
    """Move a folder into its place; False if another one is there."""
    try:
        beside.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _settle(old: Path) -> None:
    """Remove a replaced folder, or put it back where nothing has replaced it."""
    path = old.with_name(old.name.partition(REPLACED)[0])
    if path.exists() or (old.exists() and not _takes_place(old, path)):
        shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path, mark: str = TEMPORARY) -> Path:
    return path.with_name(f"{path.name}{mark}{uuid.uuid4().hex[:8]}")

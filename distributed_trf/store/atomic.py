"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY = ".partial-"
"""Marks what is being written, or being removed; a leftover of a killed process is swept away by ``sweep``."""


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file: beside its place, to disk, then into place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    try:
        with beside.open("w") as file:
            json.dump(content, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill: it takes the place of ``path`` when the block ends well, and is removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside, doomed = _beside(path), _beside(path)
    beside.mkdir()
    try:
        yield beside
        sync_folder(beside)
        if path.is_dir():
            path.rename(doomed)
        beside.rename(path)  # at once: removing the old one may take long, and a kill in between would leave neither
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(doomed, ignore_errors=True)


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
    for pattern in (f"*{TEMPORARY}*", "*.partial"):  # ours, and zarr's own
        for left in [*root.rglob(pattern)]:
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")

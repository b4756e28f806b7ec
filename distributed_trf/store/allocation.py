"""Allocated arrays: a driver creates metadata and labels, and workers write the numbers.

Metadata and labels follow from a few settings alone. So damaged ones can be created again without touching the numbers.
A record next to the group holds these settings and a digest of each file.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import TEMPORARY, sync_file
from distributed_trf.store.checked_files import check_files, digest_files
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import read_record, write_record
from distributed_trf.store.study_store import ALLOCATIONS

REMEDY = "`dtrf run STUDY` creates it again"
ROOT = "zarr.json"


@dataclass(frozen=True)
class Allocation:
    """A group of arrays that a driver allocated."""

    about: dict[str, Any]
    """The settings that it follows from, as JSON returns them."""
    files: dict[str, str]
    """Digest of each file, by its path in the group."""
    gathered: dict[str, str] = field(default_factory=dict)
    """Digests of the files that a driver added later, with the results of work items."""


def read_allocation(root: Path, path: Path) -> Allocation:
    """Return the record of a group in the study's folder ``root``.

    Raises
    ------
    DamagedError
        If the record is missing or damaged.
    """
    record = _record(root, path)
    found = read_record(record, root, REMEDY)
    if found is None:
        raise DamagedError(f"{record}: this file is missing, but {path} needs it; {REMEDY}", record)
    before = found.pop("before")
    if before is not None and _matches(path, ROOT, before["files"]):  # killed before the new group replaced the old one
        found = before
    return Allocation(**found)


def allocation_if_any(root: Path, path: Path) -> Allocation | None:
    """Return the record of a group; None if it is missing or damaged."""
    try:
        return read_allocation(root, path)
    except DamagedError:
        return None


def is_intact(path: Path, allocation: Allocation) -> bool:
    """Tell whether all files of an allocated group are undamaged."""
    try:
        check_files(path, allocation.files)
    except DamagedError:
        return False
    return True


def write_allocation(root: Path, path: Path, allocation: Allocation, *, before: Allocation | None = None) -> None:
    """Write the record of a group; ``before`` is the earlier record, until the new group has replaced the old one."""
    old = None if before is None else asdict(before)
    write_record(_record(root, path), root, {**asdict(allocation), "before": old})


def forget_allocation(root: Path, path: Path) -> None:
    """Remove the record of a group, before the group itself is removed."""
    _record(root, path).unlink(missing_ok=True)


def allocate_in_place(root: Path, path: Path, about: dict[str, Any], make: Callable[[Path], None]) -> None:
    """Create a group or repair it; undamaged files, and all that others wrote into it, stay.

    Parameters
    ----------
    root, path
        The study's folder, and the group in it.
    about
        The settings that it follows from.
    make
        Creates the group in a folder that does not exist yet.
    """
    old = allocation_if_any(root, path)
    temporary = path.with_name(f"{path.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")
    try:
        make(temporary)
        files = digest_files(temporary)
        for key in files:
            if not _matches(path, key, files):
                _clear(path / key)
                sync_file(temporary / key)
                (temporary / key).replace(path / key)
        write_allocation(root, path, Allocation(about, files, {} if old is None else old.gathered))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _clear(path: Path) -> None:
    """Remove whatever prevents a file at this path: a folder at the path, or a file where a parent folder must be."""
    for parent in reversed(path.parents):
        if parent.is_file():
            parent.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)


def _matches(path: Path, key: str, files: Mapping[str, str]) -> bool:
    """Tell whether a file of a group has its recorded digest."""
    try:
        return digest_file(path / key) == files.get(key)
    except OSError:
        return False


def _record(root: Path, path: Path) -> Path:
    return (root / ALLOCATIONS / path.relative_to(root)).with_suffix(".json")

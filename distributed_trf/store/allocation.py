"""What a driver makes for workers to write into: the metadata of arrays, and labels.

They follow from a few settings alone, so that what is damaged of them is made again in place, and all numbers stay. A
record beside the group says which settings those are, and holds a digest of each file.
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
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import read_record, write_record
from distributed_trf.store.study_store import LAID
from distributed_trf.store.zarr_store import check_files, digest_files

REMEDY = "`dtrf run STUDY` makes it anew"
ROOT = "zarr.json"


@dataclass(frozen=True)
class Allocation:
    """A group as a driver made it."""

    about: dict[str, Any]
    """What it follows from, as JSON gives it back."""
    files: dict[str, str]
    """Digest of each file, by its path in the group."""
    gathered: dict[str, str] = field(default_factory=dict)
    """Of those that a driver put into it later, out of what items found."""


def read_allocation(root: Path, path: Path) -> Allocation:
    """Return how a group in the study's folder ``root`` was made.

    Raises
    ------
    DamagedError
        If no record says so, or the record is damaged.
    """
    record = _record(root, path)
    found = read_record(record, root, REMEDY)
    if found is None:
        raise DamagedError(f"{record}: not there, though it belongs to {path}; {REMEDY}", record)
    before = found.pop("before")
    if before is not None and _is(path, ROOT, before["files"]):  # a process was killed before the new one was in place
        found = before
    return Allocation(**found)


def allocation_if_any(root: Path, path: Path) -> Allocation | None:
    """Return how a group was made; None if that is not known."""
    try:
        return read_allocation(root, path)
    except DamagedError:
        return None


def is_allocated(root: Path, path: Path, about: Mapping[str, Any]) -> bool:
    """Tell whether a group was made from this, and is as it was made."""
    found = allocation_if_any(root, path)
    return found is not None and found.about == about and is_intact(path, found)


def is_intact(path: Path, laid: Allocation) -> bool:
    """Tell whether a group is as it was made."""
    try:
        check_files(path, laid.files)
    except DamagedError:
        return False
    return True


def write_allocation(root: Path, path: Path, laid: Allocation, *, before: Allocation | None = None) -> None:
    """Say how a group is made; ``before`` is how it was, as long as the new one is not in its place."""
    old = None if before is None else asdict(before)
    write_record(_record(root, path), root, {**asdict(laid), "before": old})


def forget_allocation(root: Path, path: Path) -> None:
    """Remove what is known of a group, before the group itself goes."""
    _record(root, path).unlink(missing_ok=True)


def allocate_in_place(root: Path, path: Path, about: dict[str, Any], make: Callable[[Path], None]) -> None:
    """Make a group so that what of it is as it should be, and what others wrote into it, stays.

    Parameters
    ----------
    root, path
        The study's folder, and the group in it.
    about
        What it follows from.
    make
        Makes it in a folder that does not exist.
    """
    old = allocation_if_any(root, path)
    beside = path.with_name(f"{path.name}{TEMPORARY}{uuid.uuid4().hex[:8]}")
    try:
        make(beside)
        files = digest_files(beside)
        for key in files:
            if not _is(path, key, files):
                _clear(path / key)
                sync_file(beside / key)
                (beside / key).replace(path / key)
        write_allocation(root, path, Allocation(about, files, {} if old is None else old.gathered))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _clear(path: Path) -> None:
    """Make way for a file: no folder in its place, no file in place of a folder above."""
    for above in reversed(path.parents):
        if above.is_file():
            above.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.rmtree(path)


def _is(path: Path, key: str, files: Mapping[str, str]) -> bool:
    """Tell whether a file of a group has the digest that is known of it."""
    try:
        return digest_file(path / key) == files.get(key)
    except OSError:
        return False


def _record(root: Path, path: Path) -> Path:
    return (root / LAID / path.relative_to(root)).with_suffix(".json")

"""Locks on files, which the kernel lets go of when a process ends, however it ends: no clock decides anything.

Claims: which process is at which work item.

A claim is a lock on a small file that names its holder. The kernel lets go of it when the process ends, so that what a
dead process left is no claim, whatever the clocks of machines say; the file then tells who ended at the item.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import room_for
from distributed_trf.store.study_store import StudyStore

NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


def lock(file: IO[str], path: Path, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file; it is free again when the file is closed.

    Parameters
    ----------
    file
        Open for writing; for reading is enough if ``shared``.
    path
        Its path, for messages.
    shared
        Whether others may hold it shared at the same time.
    wait
        Whether to wait until those that hold it let go.

    Returns
    -------
    bool
        False if others hold it.

    Raises
    ------
    StoreError
        If the file system has no such locks, naming the mount option.
    """
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise StoreError(
            f"{path}: the file system has no locks ({error.strerror}), without which two runs could write over each "
            "other; have it mounted with them (Lustre: option flock; NFS: not nolock, and its lock service running), "
            "or choose another output folder"
        ) from error
    return True


@dataclass(frozen=True)
class Holder:
    """Who claimed an item."""

    host: str = "an unknown machine"
    process: int = 0
    since: str = "an unknown time"
    """By the clock of its machine; only told, never compared."""
    digest: str = ""
    """Of what the item depends on, as its process knew it."""
    hung: int = 0
    """How many processes before it were ended for taking too long."""
    stacks: str = field(default="", compare=False)
    """Where the process was when it was ended for taking too long."""

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


@dataclass(frozen=True)
class Claim:
    """What came of claiming an item."""

    file: IO[str] | None
    """Locked and open for writing; None if another process has the item."""
    holder: Holder
    """Who has the item now: this process, or the other one."""
    left: Holder | None = None
    """Whose process ended at the item without finishing it."""


@contextmanager
def claim(store: StudyStore, stage: str, key: str, *, digest: str = "") -> Iterator[Claim]:
    """Claim an item for as long as the block runs, if no other process has it; this does not wait.

    Raises
    ------
    StoreError
        If the disk is full, or its file system has no locks.
    """
    path = store.claims / stage / key
    file = _locked(path)
    if file is None:
        yield Claim(None, _named(path) or Holder())
        return
    with file:
        try:
            left = _parse(file.read())
            hung = left.hung + bool(left.stacks) if left is not None and left.digest == digest else 0
            since = datetime.now().isoformat(" ", "seconds")
            me = Holder(socket.gethostname(), os.getpid(), since, digest, hung)
            with room_for(path):
                file.seek(0)
                file.truncate()
                file.write(json.dumps(asdict(me)) + "\n")
                file.flush()
            yield Claim(file, me, left)
        finally:
            path.unlink(missing_ok=True)


def holders(store: StudyStore) -> dict[tuple[str, str], Holder]:
    """Find the items that processes are at, by stage and key."""
    found = {}
    for path in sorted(store.claims.glob("*/*")):
        if _is_held(path):
            found[path.parent.name, path.name] = _named(path) or Holder()
    return found


def is_claimed(store: StudyStore, stage: str, key: str) -> bool:
    """Tell whether a process is at an item."""
    return _is_held(store.claims / stage / key)


def forget_dead(store: StudyStore) -> None:
    """Remove the files that dead processes left; only for the one process that holds the store's lock."""
    for path in store.claims.glob("*/*"):
        if not _is_held(path):
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Open and lock a file, made where it is missing; None if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tries = 2
    while tries:
        with room_for(path):
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", encoding="utf-8")
        if not lock(file, path):
            # It may be someone who only looks whether it is held, for a moment.
            file.close()
            tries -= 1
            time.sleep(0.02 * tries)
        elif _is_at(file, path):
            return file
        else:  # its holder removed it after this process opened it: the lock is on a file that no one else will find
            file.close()
    return None


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_held(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return not lock(file, path, shared=True)
    except FileNotFoundError:
        return False


def _named(path: Path) -> Holder | None:
    try:
        return _parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None


def _parse(text: str) -> Holder | None:
    """Return who wrote a file, with the stacks that its process left below; None if that cannot be told."""
    first, _, stacks = text.partition("\n")
    try:
        return Holder(**{**json.loads(first), "stacks": stacks})
    except (ValueError, TypeError):
        return None

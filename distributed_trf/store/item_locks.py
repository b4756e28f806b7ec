"""Claims: which process runs which work item.

A claim is a lock on a small file that names its holder. The kernel releases the lock when the process ends, however it
ends, so a dead process holds no claim, and no clock decides anything. The file then names the process that ended while
it ran the item.
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
    """Lock an open file; closing the file releases the lock.

    Parameters
    ----------
    file
        Open for writing; reading is enough if ``shared``.
    path
        Its path, for messages.
    shared
        Whether other processes may hold a shared lock at the same time.
    wait
        Whether to wait until the other holders release it.

    Returns
    -------
    bool
        False if another process holds the lock.

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
            f"{path}: the file system has no locks ({error.strerror}). Without them two runs could overwrite each "
            "other's files. Have it mounted with locks (Lustre: option flock; NFS: not nolock, and its lock service "
            "running), or choose another output folder"
        ) from error
    return True


@dataclass(frozen=True)
class Holder:
    """Who claimed an item."""

    host: str = "an unknown machine"
    process: int = 0
    since: str = "an unknown time"
    """By the clock of its machine; shown in messages, never compared."""
    digest: str = ""
    """Digest of the item's fingerprint in that process."""
    hung: int = 0
    """Number of earlier processes that were ended at this item because they took too long."""
    stacks: str = field(default="", compare=False)
    """Stacks of the process when it was ended because it took too long."""

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


@dataclass(frozen=True)
class Claim:
    """The result of claiming an item."""

    file: IO[str] | None
    """Locked and open for writing; None if another process runs the item."""
    holder: Holder
    """Who runs the item now: this process, or the other one."""
    left: Holder | None = None
    """The process that ended while it ran the item, without finishing it."""


@contextmanager
def claim(store: StudyStore, stage: str, key: str, *, digest: str = "") -> Iterator[Claim]:
    """Claim an item while the block runs, if no other process runs it; this does not wait.

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
    """Return who holds each claimed item, by stage and key."""
    held = {}
    for path in sorted(store.claims.glob("*/*")):
        if _is_held(path):
            held[path.parent.name, path.name] = _named(path) or Holder()
    return held


def is_claimed(store: StudyStore, stage: str, key: str) -> bool:
    """Tell whether a process runs an item."""
    return _is_held(store.claims / stage / key)


def remove_dead_claims(store: StudyStore) -> None:
    """Remove the claim files of dead processes; only for the one process that holds the store's lock."""
    for path in store.claims.glob("*/*"):
        if not _is_held(path):
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str] | None:
    """Open and lock a file, creating it if it is missing; None if another process holds the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tries = 2
    while tries:
        with room_for(path):
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", encoding="utf-8")
        if not lock(file, path):
            # Another process may hold it only for a moment, to test whether it is held.
            file.close()
            tries -= 1
            time.sleep(0.02 * tries)
        elif _is_at(file, path):
            return file
        else:  # its holder removed it after this process opened it: no other process can open this file any more
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
    """Return the holder that a file names, with the stacks below its first line; None if the file is unreadable."""
    first, _, stacks = text.partition("\n")
    try:
        return Holder(**{**json.loads(first), "stacks": stacks})
    except (ValueError, TypeError):
        return None

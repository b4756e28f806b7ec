"""Locks on files, which the kernel lets go of when a process ends, however it ends: no clock decides anything."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

from distributed_trf.errors import StoreError

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

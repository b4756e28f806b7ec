"""A disk, quota or file size that does not take what is to be written, said in words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

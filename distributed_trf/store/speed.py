"""How fast a folder takes and gives back files, and whether it keeps the promises that stores rely on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from distributed_trf.store.atomic import write_text

SIZE = 32 << 20
"""Bytes of the large file."""
FILES = 20
"""Small files, each brought to disk and renamed into place."""
ASK = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"


@dataclass(frozen=True)
class FolderSpeed:
    """What was measured in a folder."""

    write: float
    """Bytes per second, until they are on disk."""
    read: float
    """Bytes per second, past the page cache where the system lets go of it."""
    small_file: float
    """Seconds until a small file is on disk in its place."""
    locks: bool
    """Whether a file that one process holds is refused to another."""


def folder_speed(folder: Path) -> FolderSpeed:
    """Measure in a folder that exists; nothing stays in it.

    Raises
    ------
    OSError
        If it cannot be written to.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dtrf-") as scratch:
        large, small = Path(scratch, "large"), Path(scratch, "small.json")
        content = os.urandom(SIZE)
        start = time.perf_counter()
        with large.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        written = time.perf_counter()
        with large.open("rb") as file:
            with suppress(OSError):  # not every file system forgets when it is told to
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read()
        read = time.perf_counter()
        for _ in range(FILES):
            write_text(small, "receipt")
        placed = time.perf_counter()
        return FolderSpeed(SIZE / (written - start), SIZE / (read - written), (placed - read) / FILES, _locks(small))


def _locks(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other = subprocess.run([sys.executable, "-c", ASK, str(path)], capture_output=True, check=False)
    return other.returncode != 0

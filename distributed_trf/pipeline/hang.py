"""Items that take far too long: their process writes down where it is and ends, so that another one takes them up.

The interpreter's own watchdog does it, which needs no lock of the interpreter: a process that hangs in a library is
ended as well. There is one for the process, so it is set to the item that is due first: while one item is written, the
worker is at the next.
"""

from __future__ import annotations

import faulthandler
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO

_LOCK = Lock()
_DUE: dict[int, float] = {}
"""When the item is due whose stacks go to a file, by the file's descriptor."""


@contextmanager
def limited(seconds: float | None, file: IO[str] | None) -> Iterator[None]:
    """End this process if the block takes longer than some seconds, and leave its stacks in ``file``.

    Without either of them there is no limit.
    """
    if seconds is None or file is None:
        yield
        return
    descriptor = file.fileno()
    with _LOCK:
        _DUE[descriptor] = time.monotonic() + seconds
        _arm()
    try:
        yield
    finally:
        with _LOCK:
            del _DUE[descriptor]
            _arm()


def where(stacks: str) -> str:
    """Say in which file, line and function the item was at that a process was ended for."""
    for thread in stacks.split("\n\n"):
        frames = re.findall(r'File "(.*)", line (\d+) in (\S+)', thread)
        if frames and any(name.endswith("pipeline/execute.py") for name, _, _ in frames):
            name, line, function = frames[0]
            return f"{function} ({name}, line {line})"
    return "an unknown place"


def _arm() -> None:
    faulthandler.cancel_dump_traceback_later()
    if _DUE:
        descriptor, due = min(_DUE.items(), key=lambda entry: entry[1])
        faulthandler.dump_traceback_later(max(due - time.monotonic(), 0.001), exit=True, file=descriptor)

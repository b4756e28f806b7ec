"""The one card that the stand-ins for cupy and torch share: what was asked of it, its memory, its streams.

Results are there at once. What a real card would do later is checked instead: a host buffer that an asynchronous copy
reads must stay as it is until the copy has been waited for, one that it writes holds garbage until then, and an array
that one stream writes may be used by another only after an event.
"""

import atexit
import json
import os
import sys
import threading
import weakref
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np

COUNTS: Counter = Counter()
"""How often: launches, syncs, h2d, d2h, h2d_bytes, ...; what torch does begins with ``torch.``."""
CALLERS: Counter = Counter()
"""The same by (what, the line of the package that asked for it)."""
NOTES: Counter = Counter()
"""What a real card allows, but pays for with a hidden copy."""
FAULTS: list[str] = []
"""Races found where nothing could be raised."""
NAME = "Fake H100"
TOTAL = 80 << 30
HERE = str(Path(__file__).parent)
lock = threading.RLock()


class RaceError(AssertionError):
    """A copy or a stream that a real card may be too late or too early with."""


def caller() -> str:
    """Return the line of the package that is at work, or else the nearest outside the stand-ins."""
    frame, nearest = sys._getframe(1), None
    while frame is not None:
        file = frame.f_code.co_filename
        if "/distributed_trf/" in file and "/site-packages/" not in file and not file.endswith("trf/arrays.py"):
            return f"{file.rpartition('/distributed_trf/')[2]}:{frame.f_lineno}"
        if nearest is None and not file.startswith(HERE) and "/site-packages/" not in file and file[0] != "<":
            nearest = f"{os.path.basename(file)}:{frame.f_lineno}"  # noqa: PTH119
        frame = frame.f_back
    return nearest or "?"


def count(what: str, n: int = 1, *, of: str = "") -> None:
    """Count ``n`` of something, also under ``what:of``."""
    with lock:
        COUNTS[what] += n
        if of:
            COUNTS[f"{what}:{of}"] += n
        if what.rpartition(".")[2] not in ("h2d_bytes", "d2h_bytes"):
            CALLERS[what, caller()] += n


def sync(why: str, prefix: str = "") -> None:
    """The host waits for the current stream, as any look at a value on the card does."""
    count(prefix + "syncs", of=why)
    current().synchronize()


@contextmanager
def counted():
    """Collect what is counted while the block runs: yields a Counter that is filled at its end."""
    before, found = COUNTS.copy(), Counter()
    try:
        yield found
    finally:
        found.update({what: n - before[what] for what, n in COUNTS.items() if n != before[what]})


def by_caller(what: str, n: int = 10) -> str:
    """Return the callers that asked most often for something, one a line."""
    found = Counter({line: k for (name, line), k in CALLERS.items() if name == what})
    return "\n".join(f"{k:8d} {line}" for line, k in found.most_common(n))


# memory ---------------------------------------------------------------------------------------------------------------

limit = int(os.environ.get("FAKE_GPU_MEMORY", TOTAL))
"""Bytes of the card."""


class Pool:
    """What one library has of the card: used by arrays, or kept for the next ones."""

    every: list["Pool"] = []

    def __init__(self, error) -> None:
        self.used = self.kept = self.peak = 0
        self.bound, self.error, self._live = None, error, {}
        Pool.every.append(self)

    def take(self, n: int) -> int:
        """Give ``n`` bytes to an array, from what is kept or what is free; what is kept goes back if it must."""
        with lock:
            new = max(n - self.kept, 0)
            if new > free() or (self.bound is not None and self.used + self.kept + new > self.bound):
                self.kept, new = 0, n
                if new > free() or (self.bound is not None and self.used + new > self.bound):
                    raise self.error(n)
            self.kept -= n - new
            self.used += n
            self.peak = max(self.peak, self.used)
        return 0

    def give(self, n: int, handle: int = 0) -> None:
        """Keep what an array had."""
        with lock:
            self.used -= n
            self.kept += n

    def own(self, thing, key: int, n: int) -> None:
        """Let ``thing`` have ``n`` bytes as long as it lives; several things may share those of one key."""
        with lock:
            entry = self._live.get(key)
            if entry is None:
                self._live[key] = entry = (n, self.take(n), {})
                Block.new(self, key)
            holder = id(thing)
            entry[2][holder] = weakref.ref(thing, lambda _: self._gone(key, holder))

    def owned(self, key: int) -> bool:
        return key in self._live

    def _gone(self, key: int, thing: int) -> None:
        if lock is None:  # the interpreter is on its way out
            return
        with lock:
            entry = self._live[key]
            del entry[2][thing]
            if not entry[2]:
                del self._live[key]
                self.give(*entry[:2])
                Block.gone(self, key)


def free() -> int:
    """Return the bytes that no library has."""
    return limit - sum(pool.used + pool.kept for pool in Pool.every)


def set_memory(n: int) -> None:
    """Give the card ``n`` bytes from now on."""
    global limit
    limit = n


# streams --------------------------------------------------------------------------------------------------------------

_local = threading.local()


class Stream:
    """A queue of work. ``seen[i]`` is how much of stream i must be done before what is queued here next."""

    every: list["Stream"] = []

    def __init__(self, *, non_blocking: bool = False) -> None:
        with lock:
            self.id, self.non_blocking = len(Stream.every), non_blocking
            self.seen: Counter = Counter()
            self.dangling: list[tuple[int, int, str]] = []
            Stream.every.append(self)

    def issue(self) -> int:
        """Queue something and return its number."""
        if len(Stream.every) > 1 and not self.non_blocking:  # the null stream and blocking ones wait for each other
            for other in Stream.every if self.id == 0 else Stream.every[:1]:
                if not other.non_blocking:
                    self.seen |= other.seen
        self.seen[self.id] += 1
        return self.seen[self.id]

    def knows(self, stream: int, number: int) -> bool:
        """Whether work here begins after ``number`` of another stream is done."""
        return max(self.seen[stream], done[stream]) >= number

    def synchronize(self) -> None:
        """The host waits for what is queued here."""
        self.issue()
        finish(self.seen)


done: Counter = Counter()
"""How much of each stream the host knows to be done."""
NULL = Stream()


def current() -> Stream:
    """Return the stream of this thread."""
    return getattr(_local, "stream", NULL)


def use(stream: Stream) -> Stream:
    """Make a stream this thread's, and return the one before."""
    before, _local.stream = current(), stream
    return before


def finish(seen: Counter) -> None:
    """The host has waited: copies that were queued are done."""
    global done
    with lock:
        done |= seen
        for copy in [c for c in pending if done[c.stream] >= c.number]:
            pending.remove(copy)
            copy.finish()
    if FAULTS:
        raise RaceError("; ".join(FAULTS))


def finish_all() -> None:
    """The host waits for the whole card."""
    for stream in Stream.every:
        stream.issue()
        finish(stream.seen)


class Block:
    """Memory of an array once there are several streams: who wrote it, who reads it, and whose it is."""

    every: dict[tuple[int, int], "Block"] = {}

    def __init__(self) -> None:
        self.home = current()
        self.writer = (self.home.id, self.home.seen[self.home.id])
        self.readers: dict[int, int] = {}
        self.freed_safely = False

    @classmethod
    def new(cls, pool: Pool, key: int) -> None:
        if len(Stream.every) > 1:
            cls.every[id(pool), key] = cls()

    @classmethod
    def gone(cls, pool: Pool, key: int) -> None:
        block = cls.every.pop((id(pool), key), None)
        if block is None or block.freed_safely:
            return
        for stream, number in (*block.readers.items(), block.writer):
            if not block.home.knows(stream, number):
                block.home.dangling.append((stream, number, caller()))


def touch(pool: Pool, reads: tuple[int, ...], writes: tuple[int, ...] = ()) -> None:
    """Queue work of the current stream that reads and writes blocks of memory.

    Raises
    ------
    RaceError
        If another stream writes what is read, or reads or writes what is written, and nothing says who is first; or
        if memory that is given out again is still in use.
    """
    if len(Stream.every) == 1:
        return
    with lock:
        stream = current()
        number = stream.issue()
        for other, at, line in stream.dangling:
            if not stream.knows(other, at):
                raise RaceError(f"memory of stream {stream.id} was freed at {line} while stream {other} may use it, "
                                f"and may be given out again at {caller()}; wait for an event first")  # fmt: skip
        stream.dangling.clear()
        for key in reads:
            block = Block.every.get((id(pool), key))
            if block and not stream.knows(*block.writer):
                raise RaceError(f"stream {stream.id} reads what stream {block.writer[0]} may not have written yet, "
                                f"at {caller()}; wait for an event first")  # fmt: skip
            if block:
                block.readers[stream.id] = number
        for key in writes:
            block = Block.every.get((id(pool), key))
            for other, at in (*block.readers.items(), block.writer) if block else ():
                if not stream.knows(other, at):
                    raise RaceError(f"stream {stream.id} writes what stream {other} may still use, at {caller()}; "
                                    "wait for an event first")  # fmt: skip
            if block:
                block.writer, block.readers = (stream.id, number), {}


# asynchronous copies --------------------------------------------------------------------------------------------------

pinned: dict[int, tuple[int, weakref.ref]] = {}
"""Address of each pinned buffer: where it ends, and what owns it."""
pending: list["Copy"] = []
"""Copies that have been queued and not waited for."""


def pin(owner, address: int, n: int) -> None:
    """Count a buffer as pinned as long as its owner lives."""
    count("pinned_buffers")

    def gone(_) -> None:
        pinned.pop(address, None)
        for copy in pending:
            if address <= copy.address < address + max(n, 1) and copy.freed_is_fault:
                FAULTS.append(f"a pinned buffer was freed before its copy, queued at {copy.line}, was waited for")

    pinned[address] = (address + n, weakref.ref(owner, gone))


def is_pinned(address: int) -> bool:
    """Whether an address is in a pinned buffer."""
    return any(start <= address < end for start, (end, _) in pinned.items())


class Copy:
    """A copy between the card and a pinned host buffer, queued in the current stream.

    Parameters
    ----------
    host
        The buffer as a numpy array.
    value
        To the host: what it will hold; until then it holds garbage. From the host: None.
    keeps
        Whether the library itself keeps the buffer alive until the copy is done, as torch does and cupy does not.
    """

    def __init__(self, host: np.ndarray, value: np.ndarray | None = None, *, keeps: bool = False) -> None:
        self.address, self.line = host.__array_interface__["data"][0], caller()
        self.freed_is_fault, self.value = not keeps, value
        self.host = host if keeps else _alias(host)
        self.before = host.copy()
        if value is not None:
            self.host[...] = np.frombuffer(b"\x5a" * host.itemsize, host.dtype)[0]
            self.before = host.copy()
        stream = current()
        self.stream, self.number = stream.id, stream.issue()
        with lock:
            pending.append(self)

    def finish(self) -> None:
        """Look whether the buffer was left alone; fill it."""
        if not is_pinned(self.address) and self.freed_is_fault:
            return  # told when it was freed
        if self.before.tobytes() != self.host.tobytes():
            what = "read before" if self.value is not None else "written to before"
            FAULTS.append(f"the buffer of a copy queued at {self.line} was {what} the copy was waited for")
        if self.value is not None:
            self.host[...] = self.value


def _alias(host: np.ndarray) -> np.ndarray:
    """Return the same numbers without keeping what owns them alive."""

    class Bare:
        __array_interface__ = {**host.__array_interface__}

    return np.asarray(Bare())


if os.environ.get("FAKE_GPU_REPORT"):

    @atexit.register
    def _report() -> None:
        finish_all()
        calls = [[what, line, n] for (what, line), n in CALLERS.items()]
        report = {"counts": COUNTS, "notes": NOTES, "faults": FAULTS, "callers": calls}
        (Path(os.environ["FAKE_GPU_REPORT"]) / f"{os.getpid()}.json").write_text(json.dumps(report))

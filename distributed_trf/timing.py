"""Timing of parts of the work: seconds by name, added to the enclosing recording."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Timings = dict[str, float]
"""Seconds by name."""

_RECORDS: ContextVar[tuple[Timings, list[float]] | None] = ContextVar("distributed_trf_timings", default=None)
"""The recording of this context, and for each open block the seconds of the blocks within it."""


@contextmanager
def recording() -> Iterator[Timings]:
    """Yield the seconds of timed blocks by name; they grow while this block runs.

    Examples
    --------
    >>> with recording() as seconds:
    ...     with timed("load"):
    ...         pass
    >>> list(seconds)
    ['load']
    """
    seconds: Timings = {}
    token = _RECORDS.set((seconds, []))
    try:
        yield seconds
    finally:
        _RECORDS.reset(token)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Add the seconds of a block under a name, or do nothing outside a recording.

    The time of a timed block within it is not counted twice, so all names add up to at most the elapsed time. It also
    works as a decorator.

    Notes
    -----
    A GPU may still work after a call returns, and this does not wait for it. Copying a number to the host waits anyway.
    If a block copies none, ``arrays.wait_for`` belongs at its end, if the block is not run often.
    """
    record = _RECORDS.get()
    if record is None:
        yield
        return
    seconds, within = record
    within.append(0.0)
    start = time.perf_counter()
    try:
        yield
    finally:
        spent = time.perf_counter() - start
        seconds[name] = seconds.get(name, 0.0) + spent - within.pop()
        if within:
            within[-1] += spent


@contextmanager
def side_by_side_timings() -> Iterator[list[Timings]]:
    """Yield a list for what pieces of work recorded that ran side by side while this block ran.

    Each piece is timed as a whole under the name "". The elapsed seconds are shared out as the pieces spent theirs, so
    that all names still add up to at most the elapsed time.
    """
    parts: list[Timings] = []
    start = time.perf_counter()
    try:
        yield parts
    finally:
        elapsed, record = time.perf_counter() - start, _RECORDS.get()
        spent = sum(sum(part.values()) for part in parts)
        if record is not None and spent:
            seconds, within = record
            for part in parts:
                for name in part.keys() - {""}:
                    share = part[name] * elapsed / spent
                    seconds[name] = seconds.get(name, 0.0) + share
                    if within:
                        within[-1] += share


def timed_each(name: str, values: Iterable[T]) -> Iterator[T]:
    """Yield values, and add the seconds of computing them under a name."""
    iterator = iter(values)
    while True:
        with timed(name):
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value

"""Where the time of a piece of work goes: seconds under a name, added to whoever records."""

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
"""What is recorded in this context, and for each block that is open the seconds of those within it."""


@contextmanager
def recording() -> Iterator[Timings]:
    """Yield the seconds that blocks spend under their names, which grow while this block runs.

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
    """Add the seconds of a block under a name, or do nothing where nobody records.

    What a block within it spends under a name of its own is not counted twice, so that all names add up to no more than
    the time that passed. It is also a decorator.

    Notes
    -----
    A GPU works on after a call returns. Nothing is waited for here: what brings a number to the host waits anyway, and
    where nothing does, ``arrays.wait_for`` belongs at the end of the block, if it is left seldom.
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


def timed_each(name: str, values: Iterable[T]) -> Iterator[T]:
    """Yield values, and add the seconds that it takes to make them under a name."""
    iterator = iter(values)
    while True:
        with timed(name):
            try:
                value = next(iterator)
            except StopIteration:
                return
        yield value

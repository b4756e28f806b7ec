"""Writing what a task found while its worker begins the next task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

StepAside = Callable[[], None]
"""Frees the place that a task takes on its worker, such as ``distributed.secede``; the task goes on beside the next."""

_WRITING = Lock()


def stay() -> None:
    """Keep the place: what a plain loop does."""


@contextmanager
def writing_aside(step_aside: StepAside) -> Iterator[None]:
    """Step aside for as long as the block writes.

    One task of a process writes at a time, and the next steps aside only when it may write: no more than two hold what
    they found, one that is being written and one that was just calculated.
    """
    with _WRITING:
        step_aside()
        yield

"""Reading what comes next while what was read is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def read_ahead(values: Iterable[T]) -> Generator[T, None, None]:
    """Yield values that a thread makes, one ahead of the one that was yielded last.

    What making a value raises is raised where it would be yielded, as it is. The thread ends with the iteration, also
    where that is given up, after the value that it is at.
    """
    iterator = iter(values)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(next, iterator, _END)
        while (value := coming.result()) is not _END:
            coming = thread.submit(next, iterator, _END)
            yield value  # type: ignore[misc]  # what is not the end is a T

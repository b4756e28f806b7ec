"""Independent pieces of work side by side, each on a core of its own.

Large products use all cores by themselves, but whatever passes over arrays element by element takes one: where products
and passes alternate, pieces of both go on at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

from array_api_compat import is_numpy_array

from distributed_trf.arrays import Array
from distributed_trf.timing import recording, side_by_side_timings, timed

T = TypeVar("T")
R = TypeVar("R")

_WITHIN: ContextVar[bool] = ContextVar("distributed_trf_within_piece", default=False)


class BlasThreads:
    """How many threads a product takes, for all threads of this process: one, while any of them works side by side."""

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._before = 1
        self._limiter: Any = None

    @cached_property
    def _controller(self) -> Any:
        from threadpoolctl import ThreadpoolController  # looks through all libraries that are loaded

        return ThreadpoolController().select(user_api="blas")

    @property
    def allowed(self) -> int:
        """What a product takes where nobody works side by side."""
        with self._lock:
            return self._before if self._users else self._now()

    @contextmanager
    def one_each(self) -> Iterator[None]:
        """Let every product take one thread while the block runs; what was there before comes back with the last."""
        with self._lock:
            if not self._users:
                self._before = self._now()
                self._limiter = self._controller.limit(limits=1, user_api="blas")
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._limiter.restore_original_limits()

    def _now(self) -> int:
        return min((library.num_threads for library in self._controller.lib_controllers), default=1)


BLAS = BlasThreads()


def cores_for(array: Array) -> int:
    """Return how many pieces of work on such arrays go side by side.

    As many as a product may take threads; one on a GPU, which works on its own, and within a piece.
    """
    return 1 if _WITHIN.get() or not is_numpy_array(array) else BLAS.allowed


def side_by_side(work: Callable[[T], R], items: Iterable[T], cores: int) -> list[R]:
    """Do independent pieces of work, ``cores`` at a time, and return what they return in the order of the items.

    Products within a piece take one thread, so that no number depends on which pieces meet.
    """
    items = list(items)
    if cores < 2 or len(items) < 2:
        return [work(item) for item in items]
    with BLAS.one_each(), side_by_side_timings() as parts, ThreadPoolExecutor(min(cores, len(items))) as pool:
        pieces = [pool.submit(copy_context().run, _piece, work, item) for item in items]
        found = []
        for piece in pieces:
            result, seconds = piece.result()
            found.append(result)
            parts.append(seconds)
    return found


def _piece(work: Callable[[T], R], item: T) -> tuple[R, dict[str, float]]:
    _WITHIN.set(True)
    with recording() as seconds, timed(""):
        result = work(item)
    return result, seconds

"""Who may write in a study's folder: one driver with its workers, or the elements of one job array."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from distributed_trf.errors import StoreBusyError
from distributed_trf.store.item_locks import forget_dead, holders, lock
from distributed_trf.store.study_store import StudyStore

ELEMENT = "element"
"""Claims of this name are not of items but of the elements of a job array, as long as they run."""
PATIENCE = 30.0
"""Seconds for workers of a dead driver to notice and end."""


@contextmanager
def run_lock(store: StudyStore) -> Iterator[None]:
    """Hold the study's folder for one driver; the kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    StoreBusyError
        If another run holds it, naming that run's host, process and start; or if a worker of an earlier run is still
        at an item, and does not end.
    """
    path = store.root / "run.lock"
    with path.open("a+", encoding="utf-8") as file:
        if not lock(file, path):
            file.seek(0)
            raise StoreBusyError(
                f"{store.root}: another run is writing here ({_elements(store) or file.read().strip() or 'unknown'}); "
                "wait for it to end, watch it with dtrf status, or choose another output folder"
            )
        file.truncate(0)
        file.write(
            f"process {os.getpid()} on {socket.gethostname()} since {datetime.now().isoformat(' ', 'seconds')}\n"
        )
        file.flush()
        try:
            wait_for_orphans(store)
            yield
        finally:
            file.truncate(0)


@contextmanager
def element_lock(store: StudyStore) -> Iterator[None]:
    """Share the study's folder with other elements of a job array, against drivers.

    Raises
    ------
    StoreBusyError
        If a driver holds it, naming its host, process and start.
    """
    path = store.root / "run.lock"
    with path.open("a+", encoding="utf-8") as file:
        if not lock(file, path, shared=True):
            file.seek(0)
            raise StoreBusyError(
                f"{store.root}: a run with workers of its own is writing here ({file.read().strip() or 'unknown'}), "
                "which does every item; wait for it to end, watch it with dtrf status, or choose another output folder"
            )
        yield


@contextmanager
def laying(store: StudyStore) -> Iterator[None]:
    """Be the one element that lays what all of them write into; others wait for as long as the block runs."""
    path = store.root / "lay.lock"
    with path.open("a+", encoding="utf-8") as file:
        lock(file, path, wait=True)
        yield


def wait_for_orphans(store: StudyStore) -> None:
    """Wait for the workers of a dead driver to end: what they write late would lie in the way of what follows.

    Raises
    ------
    StoreBusyError
        If one does not, naming what it is at, its host and process.
    """
    end = time.monotonic() + PATIENCE
    while left := {place: who for place, who in holders(store).items() if place[0] != ELEMENT}:
        if time.monotonic() > end:
            named = "; ".join(f"{stage} {key}: {who}" for (stage, key), who in left.items())
            raise StoreBusyError(
                f"{store.root}: the run before has ended, but not all of its workers ({named}); end them (kill, "
                "scancel or qdel on their machine), and run the same command again"
            )
        time.sleep(0.1)
    forget_dead(store)


def _elements(store: StudyStore) -> str:
    """Name the elements of a job array that are at work."""
    named = [f"element {key}, {who}" for (kind, key), who in holders(store).items() if kind == ELEMENT]
    return f"{named[0]}{f' and {len(named) - 1} more' if len(named) > 1 else ''}" if named else ""

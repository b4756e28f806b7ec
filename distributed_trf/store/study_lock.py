"""Locks of a study's folder: one driver with its workers may write there, or the elements of one job array."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from distributed_trf.errors import StoreBusyError
from distributed_trf.store.item_locks import holders, lock, remove_dead_claims
from distributed_trf.store.study_store import StudyStore

ELEMENT = "element"
"""Claims under this name belong to the running elements of a job array, not to items."""
PATIENCE = 30.0
"""Seconds in which the workers of a dead driver notice this and end."""


@contextmanager
def run_lock(store: StudyStore) -> Iterator[None]:
    """Hold the study's folder for one driver; the kernel releases it when the process ends, however it ends.

    Raises
    ------
    StoreBusyError
        If another run holds it, naming that run's host, process and start; or if a worker of an earlier run still runs
        an item, and does not end.
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


def is_running(store: StudyStore) -> bool:
    """Tell whether a run with its own workers goes on in the study's folder."""
    path = store.root / "run.lock"
    if not path.exists():
        return False
    with path.open(encoding="utf-8") as file:
        return not lock(file, path, shared=True)


@contextmanager
def element_lock(store: StudyStore) -> Iterator[None]:
    """Share the study's folder with other elements of a job array, and keep drivers out.

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
                f"{store.root}: a run with its own workers is writing here ({file.read().strip() or 'unknown'}) and "
                "does every item; wait for it to end, watch it with dtrf status, or choose another output folder"
            )
        yield


@contextmanager
def allocation_lock(store: StudyStore) -> Iterator[None]:
    """Let one element allocate the arrays that all elements write into; others wait while the block runs."""
    path = store.root / "lay.lock"
    with path.open("a+", encoding="utf-8") as file:
        lock(file, path, wait=True)
        yield


def wait_for_orphans(store: StudyStore) -> None:
    """Wait for the workers of a dead driver to end: what they write late would disturb the next run.

    Raises
    ------
    StoreBusyError
        If a worker does not end, naming its item, host and process.
    """
    end = time.monotonic() + PATIENCE
    while left := {item: who for item, who in holders(store).items() if item[0] != ELEMENT}:
        if time.monotonic() > end:
            named = "; ".join(f"{stage} {key}: {who}" for (stage, key), who in left.items())
            raise StoreBusyError(
                f"{store.root}: the earlier run has ended, but some of its workers still run ({named}); end them "
                "(kill, scancel or qdel on their machine), and run the same command again"
            )
        time.sleep(0.1)
    remove_dead_claims(store)


def _elements(store: StudyStore) -> str:
    """Name the running elements of a job array."""
    named = [f"element {key}, {who}" for (kind, key), who in holders(store).items() if kind == ELEMENT]
    return f"{named[0]}{f' and {len(named) - 1} more' if len(named) > 1 else ''}" if named else ""

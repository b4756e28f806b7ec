"""One run at a time in a study's folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from distributed_trf.errors import StoreBusyError
from distributed_trf.store.study_store import StudyStore


@contextmanager
def run_lock(store: StudyStore) -> Iterator[None]:
    """Hold the study's folder for one run; the kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    StoreBusyError
        If another run holds it, naming that run's host, process and start.
    """
    path = store.root / "run.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "an unknown process"
            raise StoreBusyError(
                f"{store.root}: another run is writing here ({holder}); wait for it to end, watch it with dtrf status, "
                "or choose another output folder"
            ) from None
        file.truncate(0)
        file.write(
            f"process {os.getpid()} on {socket.gethostname()} since {datetime.now().isoformat(' ', 'seconds')}\n"
        )
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)

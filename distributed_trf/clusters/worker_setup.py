"""What every worker does when it starts: its threads, and what it need not log."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from distributed import Worker, WorkerPlugin

from distributed_trf.clusters.threads import limited_threads


class WorkerSetup(WorkerPlugin):
    """Hold BLAS and torch to some threads for as long as the worker lives."""

    name = "distributed_trf"

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._limits = ExitStack()

    def setup(self, worker: Worker) -> None:
        """Set the limits when the worker starts, or starts again."""
        self._limits.enter_context(limited_threads(self.threads))
        # Profiles of deep call stacks are too deep for it to measure, and it says so each time.
        logging.getLogger("distributed.sizeof").setLevel(logging.ERROR)
        logging.getLogger("distributed.worker").addFilter(is_news)

    def teardown(self, worker: Worker) -> None:
        """Lift the limits again, where the worker goes on working for others."""
        self._limits.close()


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a worker need log something: not that a heartbeat found the scheduler closed, as when a run ends."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and "during heartbeat" in record.getMessage())

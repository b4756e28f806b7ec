"""What every worker does when it starts: its threads, and what it need not log."""

from __future__ import annotations

import logging
from typing import Any

from distributed import Worker, WorkerPlugin


class WorkerSetup(WorkerPlugin):
    """Hold BLAS and torch to some threads for as long as the worker lives.

    Set from inside the worker: environment variables come too late for libraries that are loaded already.
    """

    name = "distributed_trf"

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._limit: Any = None
        self._torch_threads: int | None = None

    def setup(self, worker: Worker) -> None:
        """Set the limits when the worker starts, or starts again."""
        import numpy.linalg  # noqa: F401  its BLAS must be loaded to be limited
        import scipy.linalg  # noqa: F401
        from threadpoolctl import threadpool_limits

        self._limit = threadpool_limits(self.threads)
        # Profiles of deep call stacks are too deep for it to measure, and it says so each time.
        logging.getLogger("distributed.sizeof").setLevel(logging.ERROR)
        logging.getLogger("distributed.worker").addFilter(is_news)
        try:
            import torch
        except ImportError:
            return
        self._torch_threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)

    def teardown(self, worker: Worker) -> None:
        """Lift the limits again, where the worker goes on working for others."""
        if self._limit is not None:
            self._limit.restore_original_limits()
        if self._torch_threads is not None:
            import torch

            torch.set_num_threads(self._torch_threads)


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a worker need log something: not that a heartbeat found the scheduler closed, as when a run ends."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and "during heartbeat" in record.getMessage())

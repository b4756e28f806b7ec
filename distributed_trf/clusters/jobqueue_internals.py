"""What this package uses of ``dask-jobqueue`` beyond its documentation; nothing else touches that.

Checked against dask-jobqueue 0.9.0; ``tests/architecture/test_internals.py`` names what a later version has moved.
Where ``import_jobqueue`` no longer fits, Ctrl-C or the import in a thread breaks; where ``job_script_of`` does, the
script that is shown; where ``Jobs`` or ``refusal`` does, jobs that end are no longer replaced.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from distributed_trf.clusters.dask_internals import correct_state
from distributed_trf.errors import MissingExtraError

CLASSES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
"""By the kind of a recipe."""


def import_jobqueue() -> ModuleType:
    """Import dask-jobqueue and keep the handler of Ctrl-C.

    As it is imported, it sets a handler of its own, which Python allows in the main thread alone: what this thread asks
    for meanwhile is left out, and what others ask for is done.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    set_handler, here = signal.signal, threading.get_ident()

    def of_other_threads(number: int, handler: Any) -> Any:
        return set_handler(number, handler) if threading.get_ident() != here else signal.getsignal(number)

    signal.signal = of_other_threads  # type: ignore[assignment]  # put back below
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingExtraError("dask_jobqueue", "hpc", error) from error
    finally:
        signal.signal = set_handler
    return dask_jobqueue


def cluster_class(kind: str) -> Any:
    """Return the class of dask-jobqueue for a kind of batch system."""
    return getattr(import_jobqueue(), CLASSES[kind])


def job_script_of(kind: str, scheduler: str, name: str, options: Mapping[str, Any]) -> str:
    """Return the script of a job, of a cluster that is never started.

    A cluster writes the same, but starts a scheduler for it.

    Raises
    ------
    TypeError, ValueError
        If dask-jobqueue cannot use the options.
    """
    return str(cluster_class(kind).job_cls(scheduler, name=name, **options).job_script())


class Jobs:
    """The jobs that a ``JobQueueCluster`` is to have, and those that it has submitted; on its event loop.

    What it is to have is its ``worker_spec``, and what it has are its ``workers``, both by name. Such a job has the
    number that the queue gave it as ``job_id``, None if it was refused.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    @property
    def wanted(self) -> list[str]:
        """Names of the jobs that there are to be."""
        return list(self._cluster.worker_spec)

    @property
    def submitted(self) -> dict[str, Any]:
        """Jobs by name, those that were refused included."""
        return dict(self._cluster.workers)

    def add(self) -> None:
        """Want another job, of a new name."""
        self._cluster.worker_spec.update(self._cluster.new_worker_spec())

    def forget(self, name: str) -> None:
        """Want a job no more, and leave it as it is."""
        del self._cluster.worker_spec[name]
        self._cluster.workers.pop(name, None)

    async def submit(self) -> None:
        """Submit what is wanted and was not submitted.

        Raises
        ------
        OSError, RuntimeError, ValueError
            If a job is refused: no command, one that failed, one that named no job.
        """
        await correct_state(self._cluster)


async def end_job(job: Any) -> None:
    """Cancel a job that a cluster has forgotten."""
    from distributed import Status

    await job.close()
    job.status = Status.closed  # as the cluster expects when it closes


def mark_refused(job: Any) -> None:
    """Mark a job that the queue refused, which the cluster would miss when it closes."""
    from distributed import Status

    job.status = Status.failed


def refusal(error: Exception) -> str:
    """Return what a command of the queue said; the error quotes much besides."""
    return str(error).rpartition("stderr:\n")[2].strip()

"""Workers on this machine: on its cores, or one for each GPU."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from distributed_trf.clusters.dask_internals import (
    is_being_started,
    kill_workers,
    new_loop_runner,
    variables_of_nannies,
)
from distributed_trf.clusters.recipe_local import LocalCudaRecipe, LocalRecipe
from distributed_trf.clusters.this_machine import free_address, put_back_variables
from distributed_trf.errors import ConfigError, DeviceError, MissingExtraError, WorkersLostError

logger = logging.getLogger(__name__)

GUARD = 'let it start them below `if __name__ == "__main__":`'
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
PATIENCE = 20.0
"""Seconds for workers to end by themselves."""


@contextmanager
def start_local(recipe: LocalRecipe | LocalCudaRecipe) -> Iterator[Any]:
    """Start the workers of a recipe on this machine and yield a client; they end with the block.

    Every user of the machine can reach a port on its loopback interface, and who may talk to a scheduler may run code
    on its workers. So all of them hold keys made for the run, in memory alone, unless the recipe says ``tls: false``.
    On two cores, starting takes 3-6 s and an empty item 5-8 ms with keys as without (500 items, three times each by
    turns).

    Raises
    ------
    DeviceError
        If GPUs are asked for that are not here; nothing was started then.
    MissingExtraError
        If what GPUs need is not installed.
    WorkersLostError
        If the workers cannot start, as when one ends before it has.
    ConfigError
        If a script is imported by the workers that it starts.
    """
    from distributed import Client, Security

    if is_being_started():  # a worker, which would start workers in turn
        raise ConfigError(f"workers import the script that starts them: {GUARD}")
    security = Security.temporary() if recipe.tls else None
    environment, set_by_nannies = dict(os.environ), variables_of_nannies()
    try:
        with _deaf_loop() as loop, _ended(_cluster(recipe, security, loop)) as cluster, Client(cluster) as client:
            put_back_variables(environment, set_by_nannies)  # which a second cluster would inherit
            yield client
    finally:
        put_back_variables(environment, set_by_nannies)


@contextmanager
def _ended(cluster: Any) -> Iterator[Any]:
    """End a cluster with the block, if need be by force.

    A nanny whose worker was killed while it started, and again, may miss that the next one has started; asked to end
    it, it first waits for that for ever (distributed 2026.7.1).
    """
    try:
        yield cluster
    finally:
        try:
            cluster.close(timeout=PATIENCE)
        except TimeoutError:
            logger.warning("some workers did not end within %g seconds and are killed", PATIENCE)
            kill_workers(cluster, PATIENCE)


@contextmanager
def _deaf_loop() -> Iterator[Any]:
    """Yield a running event loop of which all processes are deaf to the terminal, from their first instruction.

    A terminal sends Ctrl-C, and that it closes, to workers as well, which would die with tracebacks while this process
    puts things in order, and ends them. What a thread blocks is blocked in the processes that it starts.
    """
    resource_tracker.ensure_running()  # by itself it starts with the first process, and unblocks signals in its thread
    runner = new_loop_runner()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield runner.loop
    finally:
        runner.stop()


def _cluster(recipe: LocalRecipe | LocalCudaRecipe, security: Any, loop: Any) -> Any:
    options = {
        "loop": loop,
        "threads_per_worker": 1,
        "memory_limit": recipe.worker_bytes,
        "host": "127.0.0.1",
        "dashboard_address": free_address(recipe.dashboard),
        "protocol": "tls://" if recipe.tls else "tcp://",
        "security": security,
    }
    if isinstance(recipe, LocalRecipe):
        from distributed import LocalCluster

        with _explained():
            return LocalCluster(n_workers=recipe.n_workers, **options)
    visible = recipe.visible
    try:
        from dask_cuda import LocalCUDACluster
        from pynvml import NVMLError
    except ImportError as error:
        raise MissingExtraError("dask_cuda", "cuda12", error) from error
    try:
        with _explained():
            return LocalCUDACluster(
                CUDA_VISIBLE_DEVICES=visible,
                device_memory_limit=0,  # its own spilling would move results of tasks, which hold nothing of the device
                local_directory=tempfile.gettempdir(),
                **options,
            )
    except NVMLError as error:
        raise DeviceError(
            f"the driver tells dask-cuda nothing of the GPUs ({error}), though nvidia-smi lists them; `dtrf doctor "
            "--cluster local_cuda` says what works. In a container its libraries must be there too (libnvidia-ml)"
        ) from error


@contextmanager
def _explained() -> Iterator[None]:
    """Say what it may mean that workers cannot start."""
    try:
        yield
    except RuntimeError as error:
        script = f" If your script starts them, {GUARD}, for workers import it." if _is_imported() else ""
        raise WorkersLostError(
            f"the workers cannot start: {error} One ended before it had started, or was ended, as by the system where "
            f"memory is short; what it logged may be told above, and by dtrf --verbose.{script}"
        ) from error


def _is_imported() -> bool:
    """Tell whether workers would run what starts them once more: it is a script, and has no guard."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if (spec is not None and spec.name.endswith("__main__")) or file is None or not Path(file).is_file():
        return False
    text = Path(file).read_text(encoding="utf-8", errors="replace")
    return re.search(r"""__name__\s*==\s*['"]__main__['"]""", text) is None

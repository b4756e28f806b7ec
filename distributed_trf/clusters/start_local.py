"""Workers on this machine: on its cores, or one for each GPU."""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from distributed_trf.clusters.dask_internals import (
    is_being_started,
    kill_workers,
    new_loop_runner,
    variables_of_nannies,
)
from distributed_trf.clusters.fork_server import deaf_to_the_terminal, forked_workers
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe, LocalRecipe
from distributed_trf.clusters.this_machine import free_address, put_back_variables
from distributed_trf.errors import ConfigError, DeviceError, MissingExtraError, WorkersLostError

logger = logging.getLogger(__name__)

GUARD = 'start them below `if __name__ == "__main__":`'
PATIENCE = 20.0
"""Seconds for workers to end by themselves."""


@contextmanager
def start_local(recipe: LocalRecipe | LocalCudaRecipe, preload: Sequence[str] = ()) -> Iterator[Any]:
    """Start the workers of a recipe on this machine and yield a client; they end with the block.

    Workers on cores are forks of a process that has loaded what they need, and the modules of ``preload``. Those on
    GPUs start anew: CUDA works in no fork of a process that used it.

    Every user of the machine can reach a port on its loopback interface, and whoever can talk to a scheduler can run
    code on its workers. So all of them use TLS keys of the run, kept only in memory, unless the recipe says ``tls:
    false``.
    On two cores, starting takes 3-6 s and an empty item 5-8 ms with keys as without (500 items, three times each,
    alternating).

    Raises
    ------
    DeviceError
        If requested GPUs do not exist here; then nothing is started.
    MissingExtraError
        If a library for GPUs is not installed.
    WorkersLostError
        If the workers cannot start.
    ConfigError
        If the script that starts the workers has no ``__main__`` guard and is imported by them.
    """
    from distributed import Client, Security

    if is_being_started():  # this process is a worker, and would start workers again
        raise ConfigError(f"workers import the script that starts them; {GUARD}")
    with forked_workers(preload) if isinstance(recipe, LocalRecipe) else nullcontext():
        security = Security.temporary() if recipe.tls else None
        environment, set_by_nannies = dict(os.environ), variables_of_nannies()
        try:
            with (
                _loop_without_signals() as loop,
                _ended(_cluster(recipe, security, loop)) as cluster,
                Client(cluster) as client,
            ):
                put_back_variables(environment, set_by_nannies)  # which a second cluster would inherit
                yield client
        finally:
            put_back_variables(environment, set_by_nannies)


@contextmanager
def _ended(cluster: Any) -> Iterator[Any]:
    """Close a cluster with the block, if necessary by force.

    If a worker is killed twice while it starts, its nanny may miss the start of the next one; when it is to close that
    worker, it waits for the start for ever (distributed 2026.7.1).
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
def _loop_without_signals() -> Iterator[Any]:
    """Yield a running event loop, in a thread whose child processes ignore signals from the terminal."""
    runner = new_loop_runner()
    with deaf_to_the_terminal():
        runner.start()
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

        with _start_errors():
            return LocalCluster(n_workers=recipe.n_workers, **options)
    visible = recipe.visible
    try:
        from dask_cuda import LocalCUDACluster
        from pynvml import NVMLError
    except ImportError as error:
        raise MissingExtraError("dask_cuda", "cuda12", error) from error
    try:
        with _start_errors():
            return LocalCUDACluster(
                CUDA_VISIBLE_DEVICES=visible,
                device_memory_limit=0,  # its spilling would move results of tasks, which hold no device memory
                local_directory=tempfile.gettempdir(),
                **options,
            )
    except NVMLError as error:
        raise DeviceError(
            f"dask-cuda cannot query the GPUs ({error}), though nvidia-smi lists them; `dtrf doctor --cluster "
            "local_cuda` shows what works. A container also needs the driver's libraries (libnvidia-ml)"
        ) from error


@contextmanager
def _start_errors() -> Iterator[None]:
    """Explain why workers may not start."""
    try:
        yield
    except RuntimeError as error:
        script = f" If your script starts them, {GUARD}, because workers import it." if _is_imported() else ""
        raise WorkersLostError(
            f"the workers cannot start: {error} A worker ended, or was ended, before it had started, as by the "
            f"system if memory is short. Its log may be above, or is shown by dtrf --verbose.{script}"
        ) from error


def _is_imported() -> bool:
    """Tell whether workers would run the main script again: it has no ``__main__`` guard."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if (spec is not None and spec.name.endswith("__main__")) or file is None or not Path(file).is_file():
        return False
    text = Path(file).read_text(encoding="utf-8", errors="replace")
    return re.search(r"""__name__\s*==\s*['"]__main__['"]""", text) is None

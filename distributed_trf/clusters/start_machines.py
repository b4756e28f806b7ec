"""Workers on other machines: started by ssh with a scheduler in this process, or those of an existing scheduler."""

from __future__ import annotations

import asyncio
import json
import logging
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any

from distributed_trf.clusters.dask_internals import reason, ssh_worker_class
from distributed_trf.clusters.job_script import LOOPBACK, NAME
from distributed_trf.clusters.recipe_machines import ExistingRecipe, SshRecipe
from distributed_trf.clusters.this_machine import check_interface, check_worker_host, free_address
from distributed_trf.clusters.tls import run_keys
from distributed_trf.errors import ConfigError, MissingExtraError, WorkersLostError

REACH = 30.0
"""Seconds within which a host must answer."""


@contextmanager
def start_ssh(recipe: SshRecipe) -> Iterator[Any]:
    """Start the workers of a recipe on its hosts and yield a client; they end with the block.

    Raises
    ------
    ConfigError
        If ssh cannot log in to a host, a host lacks this package, or this machine lacks the interface; then nothing is
        started.
    WorkersLostError
        If a worker does not start in spite of these checks.
    MissingExtraError
        If a library for ssh or TLS is not installed.
    """
    from distributed import Client, Scheduler, SpecCluster

    check_interface(recipe.interface_here)
    with run_keys(recipe.tls_directory) as security:
        _check_hosts(recipe, security.tls_ca_file)
        scheduler = {
            "cls": Scheduler,
            "options": {
                "interface": recipe.interface_here,
                "protocol": "tls://",
                "security": security,
                "dashboard_address": free_address(recipe.dashboard),
            },
        }
        try:
            cluster = SpecCluster(
                worker_specs(recipe, security), scheduler, security=security, name=NAME, silence_logs=logging.WARNING
            )
        except Exception as error:
            hosts = ", ".join(recipe.hosts)
            raise WorkersLostError(
                f"workers could not be started by ssh on {hosts}: {type(error).__name__}: {error}"
            ) from error
        with cluster, Client(cluster) as client:
            yield client


def worker_specs(recipe: SshRecipe, security: Any) -> dict[str, dict[str, Any]]:
    """Return how each worker is started, by its name."""
    # The command line of a worker has the paths of the keys, never the keys.
    paths = {f"tls_worker_{part}": getattr(security, f"tls_worker_{part}") for part in ("cert", "key")}
    options: dict[str, Any] = {
        "nthreads": 1,
        "interface": recipe.interface,
        "protocol": "tls://",
        "security": {"require_encryption": True, "tls_ca_file": security.tls_ca_file, **paths},
        "dashboard_address": LOOPBACK,
        "death_timeout": 60,
    }
    if recipe.memory is not None:
        options["memory_limit"] = int(recipe.memory)
    if recipe.scratch is not None:
        options["local_directory"] = recipe.scratch
    specs, worker_class = {}, ssh_worker_class()
    for host in recipe.hosts:
        for k in recipe.gpus if recipe.device == "cuda" else range(recipe.workers):
            name = f"{NAME}-{host}-{k}"
            gpu = {"env": {"CUDA_VISIBLE_DEVICES": str(k)}} if recipe.device == "cuda" else {}
            specs[name] = {
                "cls": worker_class,
                "options": {
                    "address": host,
                    "connect_options": _login(recipe),
                    "kwargs": {**options, **gpu, "name": name},
                    "remote_python": recipe.interpreter,
                },
            }
    return specs


def _login(recipe: SshRecipe) -> dict[str, Any]:
    """Return asyncssh's options to log in."""
    options: dict[str, Any] = {"port": recipe.port, "connect_timeout": REACH}
    if recipe.user is not None:
        options["username"] = recipe.user
    if recipe.key is not None:
        options["client_keys"] = [str(recipe.key)]
    if recipe.known_hosts is not None:
        options["known_hosts"] = str(recipe.known_hosts)
    return options


def _check_hosts(recipe: SshRecipe, certificate: str) -> None:
    """Log in to each host and check that workers can start there."""
    try:
        import asyncssh
    except ImportError as error:
        raise MissingExtraError("asyncssh", "hpc", error) from error
    here = version("distributed_trf")
    check = f"{check_worker_host.__name__}({recipe.interface!r}, {certificate!r})"
    code = f"from {check_worker_host.__module__} import {check_worker_host.__name__}; {check}"
    command = f"{recipe.interpreter} -c {shlex.quote(code)}"

    async def problem(host: str) -> str | None:
        try:
            async with asyncssh.connect(host, **_login(recipe)) as connection:
                done = await connection.run(command, timeout=4 * REACH)
        except (OSError, asyncssh.Error) as error:
            return f"{host}: ssh cannot log in: {type(error).__name__}: {error}"
        if done.exit_status:
            last = (str(done.stderr).strip().splitlines() or ["no message"])[-1]
            kind, _, message = last.partition(": ")
            if kind.endswith(ConfigError.__name__):
                return f"{host}: {message}"
            return f"{host}: {recipe.interpreter} cannot import this package: {last}; give one that can as `python`"
        if (installed := str(done.stdout).strip()) != here:
            return f"{host}: this package has version {installed} there, but {here} here; install the same version"
        return None

    async def problems() -> list[str]:
        answers = await asyncio.gather(*(problem(host) for host in recipe.hosts))
        return [answer for answer in answers if answer is not None]

    with ThreadPoolExecutor(1) as pool:  # the thread of a notebook already runs a loop
        found = pool.submit(asyncio.run, problems()).result()
    if found:
        raise ConfigError("\n".join(found))


ANSWER = "5 s"
JOIN = 300.0
"""Seconds within which the workers that a recipe waits for must join."""


@contextmanager
def connect(recipe: ExistingRecipe) -> Iterator[Any]:
    """Connect to the scheduler of a recipe and yield a client; scheduler and workers keep running.

    Raises
    ------
    ConfigError
        If no scheduler answers, or it refuses these keys.
    WorkersLostError
        If it has too few workers.
    """
    from distributed import Client

    address = recipe.address or _address(recipe)
    try:
        client = Client(address, security=_security(recipe, address), timeout=ANSWER, set_as_default=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no scheduler can be reached at {address}: {reason(error)}; check the address and `tls`"
        ) from error
    with client:
        try:
            client.wait_for_workers(recipe.workers, timeout=JOIN)
        except TimeoutError:
            joined = len(client.scheduler_info(n_workers=-1)["workers"])
            raise WorkersLostError(
                f"the scheduler at {address} has {joined} workers after {JOIN:g} s, but `workers` is "
                f"{recipe.workers}: start more, or set a lower number"
            ) from None
        try:
            yield client
        finally:
            _leave(client)


def _leave(client: Any) -> None:
    """Remove what was installed on the workers."""
    from distributed_trf.clusters.worker_proof import WorkerProof
    from distributed_trf.clusters.worker_setup import WorkerSetup

    if client.status != "running":  # its scheduler is lost
        return
    for plugin in (WorkerProof, WorkerSetup):
        with suppress(OSError, ValueError):  # the block ended before it was registered
            client.unregister_worker_plugin(plugin.name)


def _address(recipe: ExistingRecipe) -> str:
    """Read the address from the file that the scheduler wrote."""
    assert recipe.scheduler_file is not None
    try:
        return str(json.loads(recipe.scheduler_file.read_text(encoding="utf-8"))["address"])
    except FileNotFoundError:
        raise ConfigError(
            f"scheduler_file = {recipe.scheduler_file}: no such file; start one with: "
            f"dask scheduler --scheduler-file {recipe.scheduler_file}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"scheduler_file = {recipe.scheduler_file}: no address of a scheduler: {error!r}") from error


def _security(recipe: ExistingRecipe, address: str) -> Any:
    from distributed import Security

    if recipe.tls is None:
        if address.startswith("tls://"):
            raise ConfigError(f"the scheduler at {address} needs TLS keys; give them as tls: ca_file, cert and key")
        return None
    for name, path in recipe.tls:
        if not path.is_file():
            raise ConfigError(f"tls.{name} = {path}: no such file")
    return Security(
        require_encryption=True,
        tls_ca_file=str(recipe.tls.ca_file),
        tls_client_cert=str(recipe.tls.cert),
        tls_client_key=str(recipe.tls.key),
    )

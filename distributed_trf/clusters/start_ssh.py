"""Workers on other machines, started by ssh; the scheduler is in this process."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from distributed_trf.clusters.job_script import LOOPBACK, NAME
from distributed_trf.clusters.keys import keys
from distributed_trf.clusters.recipe_machines import SshRecipe
from distributed_trf.clusters.this_machine import check_interface, check_worker_host, free_address
from distributed_trf.errors import ConfigError, MissingExtraError, WorkersLostError

REACH = 30.0
"""Seconds in which a host must answer."""


@contextmanager
def start_ssh(recipe: SshRecipe) -> Iterator[Any]:
    """Start the workers of a recipe on its hosts and yield a client; they end with the block.

    Raises
    ------
    ConfigError
        If a host cannot be logged in to or has not this package, or this machine has not the interface; nothing was
        started then.
    WorkersLostError
        If a worker does not start all the same.
    MissingExtraError
        If what ssh or keys need is not installed.
    """
    from distributed import Client, Scheduler, SpecCluster

    check_interface(recipe.interface_here)
    with keys(recipe.tls_directory) as security:
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
    """Say how each worker, given by its name, is started."""
    from distributed.deploy.ssh import Worker

    # Every worker has the paths of the keys on its command line, never the keys.
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
    specs = {}
    for host in recipe.hosts:
        for k in recipe.gpus if recipe.device == "cuda" else range(recipe.workers):
            name = f"{NAME}-{host}-{k}"
            gpu = {"env": {"CUDA_VISIBLE_DEVICES": str(k)}} if recipe.device == "cuda" else {}
            specs[name] = {
                "cls": Worker,
                "options": {
                    "address": host,
                    "connect_options": _login(recipe),
                    "kwargs": {**options, **gpu, "name": name},
                    "remote_python": recipe.interpreter,
                },
            }
    return specs


def _login(recipe: SshRecipe) -> dict[str, Any]:
    """Return what asyncssh needs to log in."""
    options: dict[str, Any] = {"port": recipe.port, "connect_timeout": REACH}
    if recipe.user is not None:
        options["username"] = recipe.user
    if recipe.key is not None:
        options["client_keys"] = [str(recipe.key)]
    if recipe.known_hosts is not None:
        options["known_hosts"] = str(recipe.known_hosts)
    return options


def _check_hosts(recipe: SshRecipe, certificate: str) -> None:
    """Log in to each host and see whether workers can start there."""
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
            return f"{host}: cannot be logged in to by ssh: {type(error).__name__}: {error}"
        if done.exit_status:
            last = (str(done.stderr).strip().splitlines() or ["no message"])[-1]
            kind, _, told = last.partition(": ")
            if kind.endswith(ConfigError.__name__):
                return f"{host}: {told}"
            return f"{host}: {recipe.interpreter} cannot import this package: {last}; give one that can as `python`"
        if (there := str(done.stdout).strip()) != here:
            return f"{host}: version {there} of this package is installed there, but {here} here"
        return None

    async def problems() -> list[str]:
        found = await asyncio.gather(*(problem(host) for host in recipe.hosts))
        return [p for p in found if p is not None]

    with ThreadPoolExecutor(1) as pool:  # a notebook's thread has a loop that runs already
        found = pool.submit(asyncio.run, problems()).result()
    if found:
        raise ConfigError("\n".join(found))

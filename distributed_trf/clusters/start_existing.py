"""Workers of a scheduler that runs already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distributed_trf.clusters.recipe_machines import ExistingRecipe
from distributed_trf.errors import ConfigError, WorkersLostError

ANSWER = "5 s"
JOIN = 300.0
"""Seconds in which the workers that a recipe waits for must be there."""


@contextmanager
def connect(recipe: ExistingRecipe) -> Iterator[Any]:
    """Connect to the scheduler of a recipe and yield a client; scheduler and workers stay.

    Raises
    ------
    ConfigError
        If no scheduler answers, or it does not take these keys.
    WorkersLostError
        If it has too few workers.
    """
    from distributed import Client

    address = recipe.address or _address(recipe)
    try:
        client = Client(address, security=_security(recipe, address), timeout=ANSWER, set_as_default=True)
    except (OSError, ValueError) as error:
        reason = str(error.__cause__ or error).rpartition(">: ")[2]  # without Dask's objects
        raise ConfigError(f"no scheduler can be reached at {address}: {reason}; check the address and `tls`") from error
    with client:
        try:
            client.wait_for_workers(recipe.workers, timeout=JOIN)
        except TimeoutError:
            there = len(client.scheduler_info(n_workers=-1)["workers"])
            raise WorkersLostError(
                f"the scheduler at {address} has {there} workers after {JOIN:g} s, but `workers` asks for "
                f"{recipe.workers}: start more, or ask for fewer"
            ) from None
        try:
            yield client
        finally:
            _leave(client)


def _leave(client: Any) -> None:
    """Leave the workers to others as they were."""
    from distributed_trf.clusters.worker_proof import WorkerProof
    from distributed_trf.clusters.worker_setup import WorkerSetup

    if client.status != "running":  # its scheduler is lost
        return
    for plugin in (WorkerProof, WorkerSetup):
        with suppress(OSError, ValueError):  # a block that ended before it was registered
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
            raise ConfigError(f"the scheduler at {address} asks for keys; give them as tls: ca_file, cert and key")
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

"""Nothing that has keys talks without them: Dask itself refuses a connection that is not encrypted."""

from __future__ import annotations

import asyncio

import pytest
from distributed import Security
from distributed.comm import connect, listen

from distributed_trf.clusters.recipe_machines import ExistingRecipe, SshRecipe
from distributed_trf.clusters.start_machines import _security, worker_specs
from distributed_trf.clusters.tls import run_keys


@pytest.fixture
def held(tmp_path):
    """Keys in a folder."""
    with run_keys(tmp_path / "keys") as security:
        yield security


def existing(held):
    files = {"ca_file": held.tls_ca_file, "cert": held.tls_client_cert, "key": held.tls_client_key}
    return _security(ExistingRecipe(kind="existing", address="tls://127.0.0.1:1", tls=files), "tls://127.0.0.1:1")


def over_ssh(held):
    (worker,) = worker_specs(SshRecipe(kind="ssh", hosts=["a"], workers=1, interface="lo"), held).values()
    return Security(**worker["options"]["kwargs"]["security"])


OF = {
    "in files": (lambda held: held, ("scheduler", "worker", "client")),
    "in memory": (lambda held: Security.temporary(), ("scheduler", "worker", "client")),
    "of a scheduler that runs": (existing, ("client",)),
    "of workers over ssh": (over_ssh, ("worker",)),
}


@pytest.mark.parametrize("kind", OF)
def test_keys__are_required(held, kind):
    make, roles = OF[kind]
    security = make(held)
    for role in roles:
        with pytest.raises(RuntimeError, match="encryption required"):
            asyncio.run(connect("tcp://127.0.0.1:1", **security.get_connection_args(role)))
        if role != "client":
            with pytest.raises(RuntimeError, match="encryption required"):
                asyncio.run(_listen(security.get_listen_args(role)))


async def _listen(arguments):
    async with listen("tcp://127.0.0.1:0", lambda comm: None, **arguments):
        pytest.fail("it listens")

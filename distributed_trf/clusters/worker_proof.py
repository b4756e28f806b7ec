"""Each worker proves that it can compute on its device before it is given work."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Status, Worker, WorkerPlugin

from distributed_trf.arrays import free_memory, to_device, to_numpy
from distributed_trf.clusters.all_workers import tell_workers
from distributed_trf.errors import DeviceError, WorkersLostError

logger = logging.getLogger(__name__)

TOPIC = "distributed_trf"
"""Of the scheduler's events that concern workers: those that come and go, and what is done about it."""
FAILURES = "distributed_trf_failures"
"""Of failed proofs once more: a client hears each topic by one handler alone."""

SIZE = 256
JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


@dataclass(frozen=True)
class Proof:
    """What a worker computes on, or why it cannot."""

    address: str
    host: str
    job: str | None
    """Number that the batch system gave to its job."""
    device: str
    """``cpu`` or ``cuda``."""
    model: str
    """Of processor or GPU."""
    driver: str | None
    """Version of the GPU's driver."""
    free_bytes: int
    """Of the device's memory."""
    problem: str | None = None
    """Why the worker takes no work; None if it does."""

    def __str__(self) -> str:
        """Name the worker."""
        return f"worker {self.address} on {self.host}" + (f" (job {self.job})" if self.job else "")


def prove(device: str) -> Proof:
    """Allocate on a device, multiply, check the product, and say what the device is."""
    proof = Proof("", socket.gethostname(), _job(), device, "", None, 0)
    try:
        numbers = np.arange(SIZE * SIZE, dtype=np.float64).reshape(SIZE, SIZE) % 7
        there = to_device(numbers, device)
        if not np.array_equal(to_numpy(there @ there), numbers @ numbers):  # whole numbers: exact on any device
            raise DeviceError(f"device {device!r} multiplies wrongly: the product of two known matrices is not theirs")
        if device == "cuda" and find_spec("torch") is not None:
            _prove_torch()
        return replace(proof, model=_model(device), driver=_driver(device), free_bytes=free_memory(there))
    except Exception as error:  # noqa: BLE001  a broken driver may raise anything
        reason = str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"
        return replace(proof, problem=reason)


class WorkerProof(WorkerPlugin):
    """Have a worker prove itself whenever it starts; one that fails takes no work and leaves."""

    name = "distributed_trf_proof"

    def __init__(self, device: str) -> None:
        self.device = device
        self.proof: Proof | None = None

    def setup(self, worker: Worker) -> None:
        """Prove the worker before the scheduler can give it work."""
        self.proof = replace(prove(self.device), address=worker.address)
        if self.proof.problem:
            told = f"{self.proof} takes no work: {self.proof.problem}"
            worker.log_event([TOPIC, FAILURES], {"action": told, "proof": asdict(self.proof)})
            worker.status = Status.paused
            worker.loop.add_callback(worker.close_gracefully, restart=False, reason=self.proof.problem)


@contextmanager
def proven(client: Any, device: str) -> Iterator[None]:
    """Let only workers that prove themselves work while the block runs; one that joins later and fails is logged.

    Raises
    ------
    DeviceError
        If a worker that is there already fails, or the run ends for want of workers after some failed.
    """
    proofs = [replace(p, address=address) for address, p in tell_workers(client, client.run, prove, device).items()]
    failed = [proof for proof in proofs if proof.problem]
    if failed:
        raise DeviceError("\n".join(f"{proof}: {proof.problem}" for proof in failed))

    def note(event: tuple[Any, dict[str, Any]]) -> None:
        failed.append(proof := Proof(**event[1]["proof"]))
        logger.error("%s takes no work: %s", proof, proof.problem)

    client.subscribe_topic(FAILURES, note)
    try:
        tell_workers(client, client.register_plugin, WorkerProof(device))
        yield
    except WorkersLostError as lost:
        if failed:
            raise DeviceError(f"no worker is left that can work; {failed[-1]}: {failed[-1].problem}") from lost
        raise


def describe_workers(client: Any) -> list[Proof]:
    """Say what the workers that are there compute on, as they found it when they started."""
    told = client.run(_proof_of_worker, on_error="ignore")  # one that is leaving says no more
    return [proof for _, proof in sorted(told.items()) if proof is not None]


def _proof_of_worker(dask_worker: Worker) -> Proof | None:
    plugin = dask_worker.plugins.get(WorkerProof.name)
    return plugin.proof if isinstance(plugin, WorkerProof) else None


def _prove_torch() -> None:
    """Make sure that networks can run where the mathematics does."""
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise DeviceError(f"cupy can use the GPU, but torch {torch.__version__} (built for {built}) cannot")
    ones = torch.ones(SIZE, SIZE, device="cuda")
    if not bool((ones @ ones == SIZE).all()):
        raise DeviceError("device 'cuda': torch multiplies wrongly")


def _job() -> str | None:
    return next((os.environ[name] for name in JOB_VARIABLES if name in os.environ), None)


def _model(device: str) -> str:
    if device == "cuda":
        import cupy

        return cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else os.uname().machine


def _driver(device: str) -> str | None:
    if device != "cuda":
        return None
    import cupy

    newest = cupy.cuda.runtime.driverGetVersion()
    told = Path("/proc/driver/nvidia/version")
    found = re.search(r"\d+\.\d+(\.\d+)?", told.read_text(encoding="utf-8")) if told.is_file() else None
    return f"{found[0] if found else 'unknown'} (CUDA {newest // 1000}.{newest % 1000 // 10})"

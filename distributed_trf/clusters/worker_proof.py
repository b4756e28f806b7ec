"""Each worker proves that it can compute on its device before it is given work."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Worker, WorkerPlugin, get_worker

from distributed_trf.arrays import free_memory, to_device
from distributed_trf.clusters.dask_internals import close_worker, plugin_of
from distributed_trf.clusters.device_proof import CONTEXT_BYTES, explain_error, try_libraries
from distributed_trf.clusters.worker_setup import on_all_workers
from distributed_trf.errors import DeviceError, DeviceLostError, WorkersLostError
from distributed_trf.features.device import free_cupy_blocks, free_torch_blocks

logger = logging.getLogger(__name__)

TOPIC = "distributed_trf"
"""Of the scheduler's events that concern workers: those that come and go, and what is done about it."""
FAILURES = "distributed_trf_failures"
"""Of failed proofs once more: a client hears each topic by one handler alone."""

GRACE = 1.0
"""Seconds in which the scheduler hears of what failed: an item of a worker that is gone it would give to another."""
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
    gpu: str | None = None
    """Its GPU, or slice of one, as ``CUDA_VISIBLE_DEVICES`` names it."""
    held_bytes: int = 0
    """What other processes hold of the GPU's memory, about."""

    @property
    def much_is_held(self) -> bool:
        """Whether other processes hold so much of the GPU's memory that it should be said."""
        return self.held_bytes > self.free_bytes // 10

    def __str__(self) -> str:
        """Name the worker."""
        named = [f"job {self.job}"] if self.job else []
        named += [f"GPU {self.gpu}"] if self.gpu else []
        who = f"worker {self.address}" if self.address else "a process"
        return f"{who} on {self.host}" + (f" ({', '.join(named)})" if named else "")


def prove(device: str) -> Proof:
    """Use every library that work on a device needs, and say what the device is, or what is wrong with it."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0] if device != "cpu" else None
    proof = Proof("", socket.gethostname(), _job(), device, "", None, 0, gpu=gpu)
    try:
        free_cupy_blocks(device)
        if problem := next((problem for _, problem in try_libraries(device) if problem), None):
            return replace(proof, problem=problem)
        free_torch_blocks(device)
        free = free_memory(to_device(np.ones(1), device))
        proof = replace(proof, model=_model(device), driver=_driver(device), free_bytes=free)
        return replace(proof, held_bytes=_held(free)) if device != "cpu" else proof
    except Exception as error:  # noqa: BLE001  a broken driver may raise anything
        return replace(proof, problem=explain_error(error))


def prove_apart(gpus: Sequence[str]) -> list[Proof]:
    """Prove GPUs of this machine, each in a process of its own: a process keeps what its CUDA context takes of one."""
    order = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import *; print(json.dumps(asdict(prove('cuda'))))"],
            env=order | {"CUDA_VISIBLE_DEVICES": gpu}, stdout=subprocess.PIPE, text=True,
        )
        for gpu in gpus
    ]  # fmt: skip
    return [_told(process, gpu) for process, gpu in zip(running, gpus, strict=True)]


def _told(process: subprocess.Popen[str], gpu: str) -> Proof:
    said = process.communicate()[0].splitlines()
    if process.returncode == 0 and said:
        return Proof(**json.loads(said[-1]))
    problem = f"the process that tried it ended with exit code {process.returncode}; what it wrote is above"
    return Proof("", socket.gethostname(), _job(), "cuda", "", None, 0, problem, gpu)


def checked(proofs: Iterable[Proof]) -> list[Proof]:
    """Return proofs of which none failed; that others hold a part of a GPU's memory is logged.

    Raises
    ------
    DeviceError
        If one failed, with what is wrong in each case.
    """
    proofs = list(proofs)
    if failed := [f"{proof}: {proof.problem}" for proof in proofs if proof.problem]:
        raise DeviceError("\n".join(failed))
    for proof in proofs:
        if proof.much_is_held:
            held, free = proof.held_bytes / 2**30, proof.free_bytes / 2**30
            logger.warning("%s: other processes hold about %.1f GiB of its GPU's memory; %.1f GiB are free, nvidia-smi "
                           "lists them", proof, held, free)  # fmt: skip
    return proofs


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
            _leave(worker, self.proof, restart=False)


def _leave(worker: Worker, proof: Proof, *, restart: bool) -> None:
    """Have a worker take no more work and go, or let its nanny start it anew; on its event loop."""
    told = f"{proof} takes no work: {proof.problem}"
    worker.log_event([TOPIC, FAILURES], {"action": told, "proof": asdict(proof)})
    close_worker(worker, GRACE, restart=restart, reason=proof.problem)


def check_still_works(device: str, error: str) -> None:
    """Have the worker that this runs on prove itself once more, after an error that its device may be at fault for.

    After an illegal access, a failed launch or the loss of the GPU, whatever a process asks of CUDA fails: no list of
    errors tells that as surely as asking. Only an uncorrectable error of the card's memory may leave others at work.

    Raises
    ------
    DeviceLostError
        If it fails. It takes no more work then, its nanny starts it anew, and it proves itself before it works.
    """
    problem = prove(device).problem or (error if re.search(r"\bECC|ECCUncorrectable", error) else None)
    if problem is None:
        return
    worker = get_worker()
    known = _proof_of_worker(worker) or Proof(worker.address, socket.gethostname(), _job(), device, "", None, 0)
    lost = replace(known, problem=f"{error} (asked again: {problem})")
    worker.loop.add_callback(_leave, worker, lost, restart=True)
    raise DeviceLostError(f"{lost}: {lost.problem}")


@contextmanager
def proven(client: Any, device: str) -> Iterator[None]:
    """Let only workers that prove themselves work while the block runs; one that joins later and fails is logged.

    Raises
    ------
    DeviceError
        If a worker that is there already fails, or the run ends for want of workers after some failed.
    """
    checked(replace(p, address=address) for address, p in on_all_workers(client, client.run, prove, device).items())
    failed: list[Proof] = []

    def note(event: tuple[Any, dict[str, Any]]) -> None:
        failed.append(proof := Proof(**event[1]["proof"]))
        logger.error("%s takes no work: %s", proof, proof.problem)

    client.subscribe_topic(FAILURES, note)
    try:
        on_all_workers(client, client.register_plugin, WorkerProof(device))
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
    plugin = plugin_of(dask_worker, WorkerProof.name)
    return plugin.proof if isinstance(plugin, WorkerProof) else None


def _held(free: int) -> int:
    """Return how many bytes are not free, less what one process takes with nothing in hand."""
    import cupy

    return max(int(cupy.cuda.runtime.memGetInfo()[1]) - free - CONTEXT_BYTES, 0)


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

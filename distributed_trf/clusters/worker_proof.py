"""Each worker proves that it can compute on its device before it gets work."""

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
"""Topic of the scheduler's events about workers: arrivals, losses and replacements."""
FAILURES = "distributed_trf_failures"
"""A separate topic of failed proofs, because a client has only one handler per topic."""

GRACE = 1.0
"""Seconds for the scheduler to learn of a failed item: it would give an item of a closed worker to another one."""
JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


@dataclass(frozen=True)
class Proof:
    """The device of a worker, or the reason why it cannot compute."""

    address: str
    host: str
    job: str | None
    """Number of its job in the batch system."""
    device: str
    """``cpu`` or ``cuda``."""
    model: str
    """Model of the processor or GPU."""
    driver: str | None
    """Version of the GPU's driver."""
    free_bytes: int
    """Free bytes of the device's memory."""
    problem: str | None = None
    """Why the worker takes no work; None if it does."""
    gpu: str | None = None
    """Its GPU, or slice of one, as ``CUDA_VISIBLE_DEVICES`` names it."""
    held_bytes: int = 0
    """Bytes of the GPU's memory that other processes hold, approximately."""

    @property
    def much_is_held(self) -> bool:
        """Whether other processes hold so much of the GPU's memory that users should know."""
        return self.held_bytes > self.free_bytes // 10

    def __str__(self) -> str:
        """Name the worker."""
        named = [f"job {self.job}"] if self.job else []
        named += [f"GPU {self.gpu}"] if self.gpu else []
        who = f"worker {self.address}" if self.address else "a process"
        return f"{who} on {self.host}" + (f" ({', '.join(named)})" if named else "")


def prove(device: str) -> Proof:
    """Test every library that work on a device needs; return a description of the device, or its problem."""
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


def prove_in_processes(gpus: Sequence[str]) -> list[Proof]:
    """Prove GPUs of this machine, each in its own process: a process keeps the memory of its CUDA context."""
    order = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import *; print(json.dumps(asdict(prove('cuda'))))"],
            env=order | {"CUDA_VISIBLE_DEVICES": gpu}, stdout=subprocess.PIPE, text=True,
        )
        for gpu in gpus
    ]  # fmt: skip
    return [_answer(process, gpu) for process, gpu in zip(running, gpus, strict=True)]


def _answer(process: subprocess.Popen[str], gpu: str) -> Proof:
    lines = process.communicate()[0].splitlines()
    if process.returncode == 0 and lines:
        return Proof(**json.loads(lines[-1]))
    problem = f"the process that tested it ended with exit code {process.returncode}; its output is above"
    return Proof("", socket.gethostname(), _job(), "cuda", "", None, 0, problem, gpu)


def checked(proofs: Iterable[Proof]) -> list[Proof]:
    """Return the proofs if none failed; a warning is logged if other processes hold much of a GPU's memory.

    Raises
    ------
    DeviceError
        If one failed, with the problem of each.
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
    """Have a worker prove itself whenever it starts; a worker that fails takes no work and closes."""

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
    """Have a worker take no more work and close, or let its nanny restart it; called on its event loop."""
    message = f"{proof} takes no work: {proof.problem}"
    worker.log_event([TOPIC, FAILURES], {"action": message, "proof": asdict(proof)})
    close_worker(worker, GRACE, restart=restart, reason=proof.problem)


def check_still_works(device: str, error: str) -> None:
    """Have this worker prove itself again, after an error that its device may have caused.

    After an illegal access, a failed launch or the loss of the GPU, every CUDA call of the process fails. Testing this
    is more reliable than a list of errors. Only after an uncorrectable memory error of the card may other calls work.

    Raises
    ------
    DeviceLostError
        If it fails. Then it takes no more work, its nanny restarts it, and it proves itself again before it works.
    """
    problem = prove(device).problem or (error if re.search(r"\bECC|ECCUncorrectable", error) else None)
    if problem is None:
        return
    worker = get_worker()
    proof = _proof_of_worker(worker) or Proof(worker.address, socket.gethostname(), _job(), device, "", None, 0)
    lost = replace(proof, problem=f"{error} (tested again: {problem})")
    worker.loop.add_callback(_leave, worker, lost, restart=True)
    raise DeviceLostError(f"{lost}: {lost.problem}")


@contextmanager
def proven(client: Any, device: str) -> Iterator[None]:
    """Give work only to workers that prove themselves while the block runs; later failures are logged.

    Raises
    ------
    DeviceError
        If a present worker fails, or the run ends without workers after some failed.
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
    """Return the proofs that the present workers made when they started."""
    proofs = client.run(_proof_of_worker, on_error="ignore")  # a closing worker no longer answers
    return [proof for _, proof in sorted(proofs.items()) if proof is not None]


def _proof_of_worker(dask_worker: Worker) -> Proof | None:
    plugin = plugin_of(dask_worker, WorkerProof.name)
    return plugin.proof if isinstance(plugin, WorkerProof) else None


def _held(free: int) -> int:
    """Return the number of bytes that are not free, minus those that an idle process takes."""
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
    file = Path("/proc/driver/nvidia/version")
    found = re.search(r"\d+\.\d+(\.\d+)?", file.read_text(encoding="utf-8")) if file.is_file() else None
    return f"{found[0] if found else 'unknown'} (CUDA {newest // 1000}.{newest % 1000 // 10})"

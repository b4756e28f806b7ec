"""How fast this machine does what work items consist of, measured in about two seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.fft import ifft
from threadpoolctl import threadpool_limits

from distributed_trf.clusters.doctor_site import folder_speed
from distributed_trf.pipeline.costs.operations import EIGH, Cost, Operations

SPAN = 0.2
"""Seconds for which each rate is measured, once at least."""


@dataclass(frozen=True)
class Rates:
    """What is done in a second."""

    operations: Operations
    """Floating-point operations per second, by kind."""
    read: float
    """Bytes per second."""
    write: float
    """Bytes per second, until they are on disk."""
    file: float
    """Seconds that a small file takes until it is on disk in its place."""

    def seconds(self, cost: Cost) -> float:
        """Return how long an item takes."""
        arithmetic = sum(n / rate for n, rate in zip(cost.operations.kinds, self.operations.kinds, strict=True))
        return arithmetic + cost.read / self.read + cost.written / self.write + cost.files * self.file


def measure_rates(folder: Path, threads: int) -> Rates:
    """Measure with some threads, and the disk in a folder, in which nothing stays.

    Where the folder does not exist yet, its nearest parent that does stands for it; one that cannot be written to is
    replaced by the system's folder for temporary files.
    """
    rng = np.random.default_rng(0)
    with threadpool_limits(threads):
        operations = Operations(single=_single(rng), double=_double(rng), eigh=_eigh(rng), transform=_transform(rng))
    while not folder.is_dir():
        folder = folder.parent
    try:
        disk = folder_speed(folder)
    except OSError:
        disk = folder_speed(Path(tempfile.gettempdir()))
    return Rates(operations, disk.read, disk.write, disk.small_file)


def _single(rng: np.random.Generator) -> float:
    """A layer as networks have them: a product in float32, and a pass over what comes out of it."""
    x, w = (rng.standard_normal(shape, dtype=np.float32) for shape in ((1500, 512), (512, 1024)))
    return 2 * 1500 * 512 * 1024 / _time(lambda: np.tanh(x @ w))


def _double(rng: np.random.Generator) -> float:
    x = rng.standard_normal((640, 640))
    return 2 * 640**3 / _time(lambda: x @ x)


def _eigh(rng: np.random.Generator) -> float:
    x = rng.standard_normal((320, 320))
    return EIGH * 320**3 / _time(lambda: np.linalg.eigh(x @ x.T))


def _transform(rng: np.random.Generator) -> float:
    """A filter of a cochleagram: back to time, envelope, compression."""
    n = 1 << 16
    x = rng.standard_normal(n) + 1j
    return 5 * n * np.log2(n) / _time(lambda: np.abs(ifft(x)) ** 0.3)


def _time(function: Callable[[], object]) -> float:
    """Median time of a function, repeated for ``SPAN``; the first call, which warms up, does not count."""
    function()
    times: list[float] = []
    while sum(times) < SPAN:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))

"""What the benchmarks share: simulated sentences, memory that is added, and a line on the machine."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

BINS, LEAD_IN, SFREQ = 50, 7, 20.0
"""Bins of a sentence and before it, and their rate in Hz: those of the published analysis at 50 ms."""


def sentences(xp: Any, rows: int, n_features: int, n_units: int, n_lags: int) -> tuple[list[Any], list[Any]]:
    """Make features with a decaying spectrum, and Poisson counts that follow them at up to three lags.

    Parameters
    ----------
    xp
        numpy or cupy: where the arrays are made.
    rows
        Of the lagged matrix; as many whole sentences as go into them are made.
    n_features, n_units, n_lags
        Sizes of the fit.
    """
    xp.random.seed(0)
    mix = xp.random.standard_normal((n_features, n_features)) * xp.logspace(0, -1.5, n_features)
    readout = xp.random.standard_normal((n_features, n_units)) * xp.random.uniform(0, 0.15, n_units) / n_features**0.5
    X, Y = [], []
    for _ in range(rows // BINS):
        x = xp.maximum(xp.random.standard_normal((LEAD_IN + BINS, n_features)) @ mix, 0)
        drive = sum(x[LEAD_IN - lag : x.shape[0] - lag] @ readout for lag in range(min(3, n_lags)))
        X.append(x)
        Y.append(xp.random.poisson(xp.exp(xp.clip(drive, -3, 2))).astype(xp.float64))
    return X, Y


def added_mib(run: Callable[[], object]) -> float:
    """Measure the peak of this process's resident memory while something runs, less what it has now."""
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return (peak - before) / 2**20


def machine(libraries: Sequence[str]) -> str:
    """Name the processor, the cores that may be used, and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{processor}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {versions}"

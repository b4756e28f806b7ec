"""What a study will need, stage by stage: sizes, memory and time."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from distributed_trf.clusters.device_proof import CONTEXT_BYTES
from distributed_trf.clusters.doctor_site import folder_speed
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.pipeline.costs import EIGH, Cost, Operations
from distributed_trf.pipeline.items import STAGES, Extract, Item
from distributed_trf.pipeline.memory_check import process_bytes
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import modules_of
from distributed_trf.pipeline.work_kind import Execution
from distributed_trf.store.receipts import read_receipt

if TYPE_CHECKING:
    import pandas as pd

LEARNT_FROM = 50
"""Largest number of finished items of a kind whose times are used to predict the others."""


SHOWN = 30
"""Rows of a table that a notebook shows; of more, those in the middle are left out."""


class Plan(list[tuple[Planned, Cost]]):
    """Every work item of a study with its status and what it needs, in the order of a run."""

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of the items: stage, key, state and why, GFLOP, MiB read, written and of memory."""
        import pandas as pd  # the command line does without

        mib = {name: [getattr(c, name) / 2**20 for _, c in self] for name in ("read", "written", "host", "device")}
        columns = {
            "stage": [p.item.stage for p, _ in self],
            "item": [p.item.key for p, _ in self],
            "state": [str(p.state) for p, _ in self],
            "reason": [p.reason for p, _ in self],
            "work, GFLOP": [c.flops / 1e9 for _, c in self],
            "read, MiB": mib["read"],
            "written, MiB": mib["written"],
            "memory, MiB": mib["host"],
            "of a GPU, MiB": mib["device"],
        }
        return pd.DataFrame(columns)

    def _repr_html_(self) -> str:
        """Show the table in a notebook, without reasons, which are long."""
        table = self.to_dataframe().drop(columns="reason")
        return str(table.to_html(index=False, max_rows=SHOWN, float_format="{:.3g}".format))


@dataclass(frozen=True)
class StageForecast:
    """What is to be done in a stage, and what it needs."""

    stage: str
    items: int
    todo: int
    read: int
    """Bytes."""
    written: int
    """Bytes, before compression."""
    files: int
    flops: float
    host: int
    """Peak memory of a worker, bytes; 0 if nothing is to be done."""
    device: int
    """Peak memory of a GPU, bytes; 0 where the CPU calculates."""
    seconds: float
    """Time on all workers of the recipe, from this machine's rates."""


class Forecast:
    """What a study will need.

    Parameters
    ----------
    context
        The study.
    planned
        All items of the study, and what each needs on the recipe's device.
    recipe
        Where workers come from.
    """

    def __init__(self, context: Context, planned: Sequence[tuple[Planned, Cost]], recipe: Recipe) -> None:
        self.context, self.planned, self._recipe = context, planned, recipe

    @cached_property
    def rates(self) -> Rates:
        """Rates of this machine, measured once."""
        return measure_rates(self.context.store.root, self._recipe.threads)

    @cached_property
    def learnt(self) -> dict[tuple[str, str], tuple[int, float]]:
        """By kind of item: number of finished items with known times, and ratio of their time to the predicted time."""
        done: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for p, cost in self.planned:
            if p.state is State.DONE and len(done[_kind(p.item)]) < LEARNT_FROM:
                receipt = read_receipt(self.context.store, p.item.stage, p.item.key)
                execution = None if receipt is None else Execution.of(receipt)
                if execution is not None and execution.device == self._recipe.device:
                    done[_kind(p.item)].append((execution.seconds, self.rates.seconds(cost)))
        return {
            kind: (len(pairs), sum(took for took, _ in pairs) / sum(predicted for _, predicted in pairs))
            for kind, pairs in done.items()
            if pairs
        }

    def stages(self) -> list[StageForecast]:
        """Return the stages of the study, in the order they run."""
        stages = [(stage, [(p, c) for p, c in self.planned if p.item.stage == stage]) for stage in STAGES]
        return [self._stage(stage, planned) for stage, planned in stages if planned]

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table of the stages: items, those to do, GiB read, written and of memory, files, GFLOP, seconds."""
        import pandas as pd  # the command line does without

        stages = self.stages()
        gib = {name: [getattr(s, name) / 2**30 for s in stages] for name in ("read", "written", "host", "device")}
        columns = {
            "stage": [s.stage for s in stages],
            "items": [s.items for s in stages],
            "to do": [s.todo for s in stages],
            "read, GiB": gib["read"],
            "written, GiB": gib["written"],
            "files": [s.files for s in stages],
            "work, GFLOP": [s.flops / 1e9 for s in stages],
            "memory of a worker, GiB": gib["host"],
            "of a GPU, GiB": gib["device"],
            "time, s": [s.seconds for s in stages],
        }
        return pd.DataFrame(columns)

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return str(self.to_dataframe().to_html(index=False, float_format="{:.3g}".format))

    @cached_property
    def _modules(self) -> list[str]:
        """What workers have loaded by the end of the run."""
        return modules_of((p.item for p, _ in self.planned if p.state is not State.DONE), self.context)

    def seconds(self, item: Item, cost: Cost) -> float:
        """Return how long an item takes on a worker that is as fast as this machine."""
        return self.rates.seconds(cost) * self.learnt.get(_kind(item), (0, 1.0))[1]

    def _stage(self, stage: str, planned: Sequence[tuple[Planned, Cost]]) -> StageForecast:
        todo = [(p.item, c) for p, c in planned if p.state is not State.DONE]
        times = [self.seconds(item, c) for item, c in todo]
        process = process_bytes(self._modules, self._recipe.device)
        device = max((c.device for _, c in todo), default=0)
        return StageForecast(
            stage=stage,
            items=len(planned),
            todo=len(todo),
            read=sum(c.read for _, c in todo),
            written=sum(c.written for _, c in todo),
            files=sum(c.files for _, c in todo),
            flops=sum(c.flops for _, c in todo),
            host=process + max(c.host for _, c in todo) if todo else 0,
            device=CONTEXT_BYTES + device if device else 0,
            # Stages follow one another, and each lasts as long as its longest item at least.
            seconds=max(sum(times) / self._recipe.n_workers, max(times)) if todo else 0.0,
        )


def _kind(item: Item) -> tuple[str, str]:
    """Return the kind of an item whose rate is learnt: each network runs at its own rate."""
    return (item.stage, item.network if isinstance(item, Extract) else type(item).__name__)


SPAN = 0.2
"""Seconds for which each rate is measured; at least one measurement is made."""


@dataclass(frozen=True)
class Rates:
    """Rates of a machine."""

    operations: Operations
    """Floating-point operations per second, by kind."""
    read: float
    """Bytes per second."""
    write: float
    """Bytes per second, flushed to disk."""
    file: float
    """Seconds to write a small file, flushed to disk."""

    def seconds(self, cost: Cost) -> float:
        """Return how long an item takes."""
        arithmetic = sum(n / rate for n, rate in zip(cost.operations.kinds, self.operations.kinds, strict=True))
        return arithmetic + cost.read / self.read + cost.written / self.write + cost.files * self.file


def measure_rates(folder: Path, threads: int) -> Rates:
    """Measure the rates of this machine with some threads, and of the disk that holds a folder; no file remains.

    If the folder does not exist, its nearest existing parent is used; if that is not writable, the system's folder for
    temporary files.
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
    """A typical network layer: a product in float32, and a nonlinearity."""
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
    return 5 * n * np.log2(n) / _time(lambda: np.abs(scipy.fft.ifft(x)) ** 0.3)


def _time(function: Callable[[], object]) -> float:
    """Median time of a function, repeated for ``SPAN``; the first call, which warms up, does not count."""
    function()
    times: list[float] = []
    while sum(times) < SPAN:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))

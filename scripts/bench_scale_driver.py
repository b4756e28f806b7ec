"""What the driver and the scheduler themselves cost: empty items, a finished study, lost workers."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf import Study, simulate, start_cluster
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import load_table
from distributed_trf.pipeline.allocate import allocate_features, allocate_results
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.events import ItemEnded, RunStarted
from distributed_trf.pipeline.execute import Task
from distributed_trf.pipeline.items import EXTRACT, FIT, READ, Extract, Item, ReadSession, ReadSounds
from distributed_trf.pipeline.run_record import RunSettings, new_run, write_run_settings
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import items
from distributed_trf.store.receipts import SPIKES, Receipt, write_receipt
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import write_group

NETWORKS = ("whisper_tiny", "whisper_base", "wav2vec2", "speech2text", "wav2letter", "deepspeech2",
            "mel_whisper", "mel_speech2text", "mel_librosa", "mel_deepspeech2")  # fmt: skip


@dataclass
class Marks:
    """Of a run of empty items, at some numbers of them: seconds since its start, and memory in MiB."""

    seconds: dict[int, float] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)
    cpu: float = 0.0
    """Seconds that driver and scheduler, which are one process, computed for each item."""


def empty_items(scratch: Path, numbers: Sequence[int]) -> Marks:
    """Drive items whose receipts are there, so that workers return at once."""
    study = settings(scratch, sessions=1, sentences=16, networks=["whisper_tiny"])
    context, store = open_context(study), StudyStore.create(study.output)
    empty = [Extract("timit", "whisper_tiny", "reset", k) for k in range(max(numbers))]
    fingerprint = {"empty": "0"}
    _write(store, ((item, Receipt(fingerprint, {})) for item in empty))
    run = new_run(store.runs)
    write_run_settings(run, RunSettings(study=study, tables=context.tables))
    marks = Marks()
    with start_cluster("local", workers=2, dashboard="127.0.0.1:0") as client:
        start, computed = time.perf_counter(), time.process_time()
        tasks = [Task(item, fingerprint, run, "cpu") for item in empty]
        for k, outcome in enumerate(run_on(client, tasks, attempts=3), start=1):
            assert outcome.ok
            if k in numbers:
                marks.seconds[k], marks.memory[k] = time.perf_counter() - start, _memory()
        marks.cpu = (time.process_time() - computed) / len(empty)
    return marks


def finished_study(scratch: Path, *, sentences: int, sessions: int) -> tuple[int, float]:
    """Run a study again of which everything is done; number of items, and seconds."""
    study = settings(scratch, sessions=sessions, sentences=sentences, networks=NETWORKS, batch=1, widths=[20, 50, 100])
    context, store = open_context(study), StudyStore.create(study.output)
    count = 0
    for stage in (READ, EXTRACT, FIT):
        if stage == EXTRACT:
            allocate_features(context)
        if stage == FIT:
            allocate_results(context, [])
        dependencies = Dependencies(context)
        done = [(item, Receipt(dependencies.of(item), _details(context, item))) for item in items(context, stage)]
        _write(store, done)
        count += len(done)
    start = time.perf_counter()
    report = Study(study).run(recipe=None)
    assert report.folder is None, "everything was done"
    return count, time.perf_counter() - start


def on_workers(scratch: Path, numbers: Sequence[int], *, network: str, sentences: int) -> dict[int, dict[str, float]]:
    """Run a study on some numbers of workers; seconds of each stage, without starting workers."""
    found = {}
    for n in numbers:
        study = settings(scratch / str(n), sessions=2, sentences=sentences, networks=[network], batch=2)
        report = Study(study).run(_recipe(n))
        assert report.ok
        found[n] = dict(report.seconds)
    return found


@dataclass
class Kills:
    """A run in which workers were killed, beside one in which none was."""

    quiet: float
    """Seconds."""
    disturbed: float
    starting: float
    """Seconds of the killed workers that had ended no item, since they started."""
    working: float
    """Seconds of the other killed workers since they last ended an item."""
    killed: int

    @property
    def lost(self) -> float:
        """Seconds of work that died with the workers."""
        return self.starting + self.working


def killed_workers(scratch: Path, *, kills: int, seed: int, network: str, sentences: int) -> Kills:
    """Kill random workers at random times while a study runs, and tell what that costs."""

    def run(name: str, killer: Killer) -> tuple[float, float]:
        study = settings(scratch / name, sessions=2, sentences=sentences, networks=[network], batch=2)
        with killer:
            start = time.perf_counter()
            report = Study(study).run(_recipe(2), watcher=killer)
            took = time.perf_counter() - start
        assert report.ok, report.failed
        return took, sum(report.seconds.values())

    quiet, stages = run("quiet", Killer(0, seed, spread=1.0))
    killer = Killer(kills, seed, spread=stages / (kills + 1))
    disturbed, _ = run("disturbed", killer)
    assert killer.killed, "no worker was found, so none was killed"
    return Kills(quiet, disturbed, killer.starting, killer.working, killer.killed)


class Killer(threading.Thread):
    """Watches a run and kills its workers, one at a time, once they are there."""

    def __init__(self, kills: int, seed: int, spread: float) -> None:
        super().__init__(daemon=True)
        self._random, self._kills, self._spread = random.Random(seed), kills, spread
        self._begun, self._over, self._ended = threading.Event(), threading.Event(), dict[int, float]()
        self.starting, self.working, self.killed = 0.0, 0.0, 0

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._begun.set()
        self.join()

    def __call__(self, event: Any) -> None:
        """Hear of the run: that its workers are there, and when a process last ended an item."""
        if isinstance(event, RunStarted):
            self._begun.set()
        if isinstance(event, ItemEnded) and event.outcome.ok:
            self._ended[event.outcome.execution.process] = time.time()

    def run(self) -> None:
        """Kill until enough have died or the run is over."""
        import psutil

        self._begun.wait()
        while self.killed < self._kills and not self._over.wait(self._spread * self._random.uniform(0.5, 1.5)):
            below = {p.pid: p for p in psutil.Process().children(recursive=True)}
            forked = {pid for pid, p in below.items() if "multiprocessing.forkserver" in " ".join(_command(p))}
            workers = [below[pid] for pid in forked if _parent(below[pid]) in forked]  # not the server itself
            if workers:
                victim = self._random.choice(workers)
                ended = self._ended.get(victim.pid)
                os.kill(victim.pid, signal.SIGKILL)
                self.killed += 1
                if ended is None:
                    self.starting += time.time() - victim.create_time()
                else:
                    self.working += time.time() - ended


def settings(
    folder: Path, *, sessions: int, sentences: int, networks: Sequence[str], batch: int = 16, widths: Any = (50,)
) -> StudySettings:
    """Simulate recordings and return a study of them."""
    simulate(folder / "recordings", sessions=sessions, channels=4, sentences=sentences)
    return StudySettings.model_validate(
        {
            "name": "bench",
            "recordings": {"format": "ucsf", "path": folder / "recordings"},
            "output": folder / "study",
            "stimuli": ["timit"],
            "bin_widths": list(widths),
            "networks": [
                {"name": name} if load_table(name).is_fixed else {"name": name, "weights": ["reset"]}
                for name in networks
            ],
            "reliability": None,
            "extraction": {"batch": batch},
        }
    )


def _details(context: Context, item: Item) -> dict[str, Any]:
    """What later items look up in a receipt; the groups that it vouches for are made, empty."""
    study, store = context.study, context.store
    if isinstance(item, ReadSounds):
        write_group(store.sounds(item.stimuli), {}, {})
        stimuli = context.stimuli[item.stimuli]
        ids, n_samples = [s.id for s in stimuli], [round(16_000 * s.duration) for s in stimuli]
        return {"ids": ids, "digests": ["0"] * len(ids), "n_samples": n_samples, "sfreq": 16_000}
    if isinstance(item, ReadSession):
        for width in study.bin_widths:
            write_group(store.responses(item.stimuli, width, item.session), {}, {})
        write_receipt(store, SPIKES, item.key, Receipt({}, {}))
        return {"digests": {f"{width:g}": "0" for width in study.bin_widths}, "notes": [], "doubts": [], "further": 0}
    if isinstance(item, Extract):
        return {"digests": {str(layer.id): "0" for layer in context.tables[item.network].layers}}
    return {}


def _write(store: StudyStore, done: Iterator[tuple[Item, Receipt]] | Sequence[tuple[Item, Receipt]]) -> None:
    """Write receipts, many at a time: each waits for the disk."""
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda pair: write_receipt(store, pair[0].stage, pair[0].key, pair[1]), done))


def _recipe(workers: int) -> Any:
    from distributed_trf.clusters.recipe import load_recipe

    return load_recipe("local", workers=workers, dashboard="127.0.0.1:0")


def _memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) >> 10


def products_side_by_side(seconds: float = 2.0) -> float:
    """Return how much more two processes multiply than one, on one thread each: what this machine allows."""
    with get_context("spawn").Pool(2) as pool:
        pool.map(_multiply, [0.1, 0.1])  # both are there
        (alone,) = pool.map(_multiply, [seconds])
        return sum(pool.map(_multiply, [seconds, seconds], chunksize=1)) / alone


def _multiply(seconds: float) -> int:
    """Count the products of large matrices that are made in a time."""
    from threadpoolctl import threadpool_limits

    a = np.random.default_rng(0).normal(size=(768, 768)).astype(np.float32)
    end, n = time.perf_counter() + seconds, 0
    with threadpool_limits(1):
        while time.perf_counter() < end:
            a @ a
            n += 1
    return n


def _parent(process: Any) -> int | None:
    import psutil

    try:
        return process.ppid()
    except psutil.Error:  # it has ended
        return None


def _command(process: Any) -> list[str]:
    import psutil

    try:
        return process.cmdline()
    except psutil.Error:
        return []

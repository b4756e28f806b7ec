"""A study of seconds, undisturbed once, and the one demand: the same numbers, or a report of what is missing.

``DTRF_FAULT_SEED`` gives the random kills another seed than those listed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import psutil
import pytest
import yaml

from distributed_trf import Study
from distributed_trf.pipeline.items import Fit
from distributed_trf.store.item_locks import holders
from distributed_trf.store.results import read_fit
from distributed_trf.store.study_store import StudyStore
from tests.stored import contents

DTRF = [sys.executable, "-m", "distributed_trf"]
STUDY = {
    "name": "faults",
    "recordings": {"format": "ucsf", "path": "recordings"},
    "output": "study",
    "networks": [{"name": "mel_deepspeech2"}, {"name": "mel_librosa"}],  # of hundredths of a second, without torch
    "bin_widths": [50, 100, 200],
    "ridge": {"alphas": {"min": 1e-5, "max": 1e15, "num": 21}},
    "reliability": {"draws": 200, "shifts": 49},
    "extraction": {"batch": 1},
}
ITEMS = {"read": 3, "assess": 6, "extract": 48, "fit": 6}
"""Work items by stage."""


class Bench:
    """A working directory with a study in it, and what an undisturbed run makes of it."""

    def __init__(self, root, undisturbed=None):
        self.root, self.undisturbed = root, undisturbed
        self.folder = root / "study"
        self.write_study()

    def write_study(self, **changes):
        (self.root / "study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}))

    def write_recipe(self, name, **fields):
        (self.root / f"{name}.yaml").write_text(yaml.safe_dump(fields))

    def start(self, *options, before=()):
        """Start ``dtrf run`` in another process."""
        command = [*before, *DTRF, "run", "study.yaml", *options]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def start_until(self, stage, n, *options, before=()):
        """Start ``dtrf run``, and return once a stage has some receipts."""
        process = self.start(*options, before=before)
        wait_for(lambda: len(self.receipts(stage)) >= n, process)
        return process

    def run_here(self):
        """Do what is left in this process, as the one element of an array."""
        return self.study.run("local", item="1/1")

    @property
    def study(self):
        return Study.load(self.root / "study.yaml")

    def states(self):
        return {f"{p.item.stage} {p.item.key}": p.state for p in self.study.status()}

    def receipts(self, stage="*"):
        """Time of writing of the receipt of every item."""
        files = self.folder.glob(f"receipts/{stage}/*.json")
        return {f"{f.parent.name}/{f.name}": f.stat().st_mtime_ns for f in files if f.parent.name != "spikes"}

    def assert_never_wrong(self):
        """What is done has the numbers of an undisturbed run; what is not has the same, or none; the rest is whole."""
        for p in self.study.status():
            if isinstance(p.item, Fit) and (self.folder / "results.zarr/zarr.json").exists():
                found = read_fit(self.folder / "results.zarr", p.item.cell)
                right = read_fit(self.undisturbed / "results.zarr", p.item.cell)
                for name, column in found.items():
                    missing = np.isnan(column).all() and p.state != "done"
                    assert missing or np.array_equal(column, right[name], equal_nan=True), f"{p.item.key}: {name}"

    def assert_undisturbed(self):
        """Every item is done, every byte of every number is that of an undisturbed run, and nothing else is left.

        The next run finds nothing to do; it sweeps away what killed processes were writing.
        """
        assert self.study.run(None).folder is None
        assert set(self.states().values()) == {"done"}
        self.assert_never_wrong()
        found, right = contents(self.folder), contents(self.undisturbed)
        assert sorted(found) == sorted(right)
        assert [name for name in right if found[name] != right[name]] == []
        assert [f for f in self.folder.rglob("*") if "partial" in f.name or "replaced" in f.name] == []
        assert holders(StudyStore.open(self.folder)) == {}


@pytest.fixture(scope="session")
def undisturbed(recordings, made_once):
    """The folder of the study, done by one process that nobody disturbs, as the one element of an array."""

    def fill(root):
        lay_out(root, recordings)
        Bench(root)
        subprocess.run([*DTRF, "run", "study.yaml", "--item", "1/1"], cwd=root, check=True, capture_output=True)
        assert len([f for f in contents(root / "study") if f.startswith("features")]) == 2 * 24

    return made_once("undisturbed", fill) / "study"


@pytest.fixture
def bench(tmp_path, recordings, undisturbed, monkeypatch):
    lay_out(tmp_path, recordings)
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path, undisturbed)


@pytest.fixture
def done(bench):
    """A bench whose study is done."""
    shutil.copytree(bench.undisturbed, bench.folder)
    return bench


def lay_out(root, recordings):
    shutil.copytree(recordings, root / "recordings")  # with the times of change, which fingerprints know


def wait_for(condition, process=None, *, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.01)


def ends(process, *, seconds=400):
    """Wait for a process; its exit code and what it said."""
    said = process.communicate(timeout=seconds)[0]
    return process.returncode, said


def workers_of(process):
    """Processes of the workers below a driver, which are forks of its server, or a nanny, which starts each anew."""
    below = [(p, " ".join(p.cmdline())) for p in psutil.Process(process.pid).children(recursive=True)]
    servers = {p.pid for p, command in below if "multiprocessing.forkserver" in command and p.ppid() == process.pid}
    return [p for p, command in below if p.ppid() in servers or "spawn_main" in command]


@contextmanager
def scheduler_and_workers(root, n):
    """A scheduler and workers, each below its nanny, as programs of their own; ``existing.yaml`` is their recipe."""
    file, common = root / "scheduler.json", ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
    common += ["--scheduler-file", str(file)]
    started = []

    def begin(name, *options):
        command = [sys.executable, "-m", "dask", name, *common, *options]
        with (root / f"{name}.log").open("a") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log))
        return started[-1]

    try:
        scheduler = begin("scheduler", "--port", "0")
        wait_for(file.exists)
        nannies = [begin("worker", "--nthreads", "1", "--local-directory", str(root / "scratch")) for _ in range(n)]
        (root / "existing.yaml").write_text(
            yaml.safe_dump({"kind": "existing", "scheduler_file": str(file), "workers": n})
        )
        yield scheduler, nannies
    finally:
        for process in reversed(started):
            below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            for one in (*below, process):
                one.kill()
            process.wait()


def as_root():
    return os.geteuid() == 0

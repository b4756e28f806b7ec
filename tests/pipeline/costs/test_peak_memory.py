"""What is planned of memory is what real workers take, within a quarter, for every kind of work."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from distributed_trf.clusters.dask_settings import ENVIRONMENT
from distributed_trf.clusters.fork_server import OF_EVERY_WORKER
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import load_table
from distributed_trf.pipeline.allocate import allocate_features, allocate_results
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.execute import Task, execute
from distributed_trf.pipeline.items import (
    Assess,
    Extract,
    Fit,
    FitLowpass,
    FitTogether,
    ReadSession,
    ReadSounds,
    bins_part,
    layer_part,
)
from distributed_trf.pipeline.memory_check import process_bytes
from distributed_trf.pipeline.run import OF_EVERY_ITEM
from distributed_trf.pipeline.run_record import RunSettings, new_run, write_run_settings
from distributed_trf.pipeline.work import cost, modules_of
from distributed_trf.recordings.simulation.simulate import simulate
from distributed_trf.store.feature_arrays import write_batch
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.receipts import Receipt, write_receipt
from distributed_trf.store.study_store import StudyStore

pytestmark = pytest.mark.slow

WORKER = """
import pickle, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
from threadpoolctl import threadpool_limits
from distributed_trf.pipeline.execute import execute
with threadpool_limits(1):
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    outcomes = [execute(task) for task in pickle.load(sys.stdin.buffer)]
assert all(o.ok for o in outcomes), outcomes
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
"""Its own peak: ru_maxrss would count what the parent had before it became another program."""


def peak_of(tasks, *modules):
    """Bytes that a fresh process with some modules takes at most to do tasks, allocating as a worker does."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *OF_EVERY_WORKER, *OF_EVERY_ITEM, *modules],
        input=pickle.dumps(tasks),
        capture_output=True,
        env={**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return 1024 * int(done.stdout)


class Bench:
    """A study of networks whose features are made up, ready for any item."""

    def __init__(self, folder, sentences, channels, widths=(), networks=(), **changes):
        self.folder = folder
        simulate(folder / "recordings", sessions=1, channels=channels, sentences=sentences, seed=1)
        (folder / "configs/networks").mkdir(parents=True)
        os.chdir(folder)
        self.made_up = [self._table(width) for width in widths]
        self.study = StudySettings.model_validate(
            {
                "name": "bench",
                "recordings": {"format": "ucsf", "path": folder / "recordings"},
                "output": folder / "study",
                "stimuli": ["timit"],
                "networks": [*({"name": n} for n in self.made_up), *networks],
                "reliability": None,
                **changes,
            }
        )
        self.store = StudyStore.create(self.study.output)
        self.context = open_context(self.study)
        self.session = self.context.recordings.sessions[0].name
        self.run = new_run(self.store.runs)
        write_run_settings(self.run, RunSettings(study=self.study, tables=self.context.tables))

    def _table(self, width):
        """A spectrogram of some width, which may be two layers."""
        table = load_table("mel_librosa").model_dump() | {"name": f"wide{width}"}
        table["layers"] = [{**table["layers"][0], "id": k, "width": width} for k in (0, 1)]
        Path("configs/networks", f"wide{width}.yaml").write_text(yaml.safe_dump(table))
        return table["name"]

    def task(self, item):
        network = self.context.tables.get(getattr(item, "network", None))
        parts = [bins_part(width) for width in self.study.bin_widths] if isinstance(item, ReadSession) else []
        parts += [layer_part(layer.id) for layer in network.layers] if isinstance(item, Extract) else []
        fingerprint = dict.fromkeys(("recording files", "recording format", "stimuli", "versions", *parts), "")
        return Task(item, fingerprint, self.run, "cpu")

    def ready(self, *items):
        """Do what comes before, here."""
        for item in items:
            assert execute(self.task(item)).ok
        allocate_features(self.context)
        rng = np.random.default_rng(0)
        for name in self.made_up:
            path = self.store.features("timit", name, "fixed")
            layout = NetworkFeatures(path).layout
            for batch, (first, last) in enumerate(layout.batch_borders):
                made = {
                    layer.id: [
                        rng.standard_normal((layer.frames[k], layer.width), dtype=np.float32)
                        for k in range(first, last)
                    ]
                    for layer in layout.layers
                }
                files = {self.store.name(path): write_batch(path, batch, made)}
                key = Extract("timit", name, "fixed", batch).key
                write_receipt(self.store, "extract", key, Receipt({}, {"files": files}))
        allocate_results(self.context, [])

    def check(self, *items):
        modules = modules_of(items, self.context)
        found = peak_of([self.task(item) for item in items], *modules)
        planned = process_bytes(modules, "cpu") + max(cost(self.context, item).host for item in items)
        print(
            f"{items[0].stage} {items[0].key}: found {found >> 20} MiB, planned {planned >> 20}: {found / planned:.2f}"
        )
        assert 0.75 < found / planned < 1.25
        return found


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda **options: Bench(tmp_path, **options)


def test_reading__takes_what_is_planned(bench):
    b = bench(sentences=250, channels=150, widths=[8])
    b.check(ReadSession("timit", b.session))
    b.check(ReadSounds("timit"))


def test_assessing__takes_what_is_planned(bench):
    b = bench(sentences=24, channels=64, widths=[8], reliability={"draws": 40_000, "shifts": 99}, ridge={"n_folds": 2})
    b.ready(ReadSession("timit", b.session), ReadSounds("timit"))
    b.check(Assess("timit", 50.0, b.session))


@pytest.mark.parametrize(("network", "batch"), [("whisper_tiny", 8), ("cochleagram", 4)])
def test_extraction__takes_what_is_planned(bench, network, batch):
    weights = {} if load_table(network).is_fixed else {"weights": ["reset"]}
    b = bench(sentences=16, channels=2, networks=[{"name": network, **weights}], extraction={"batch": batch})
    b.ready(ReadSounds("timit"), ReadSession("timit", b.session))
    b.check(*(Extract("timit", network, "reset" if weights else "fixed", k) for k in (0, 1)))


@pytest.mark.parametrize(("solver", "width", "units", "sentences", "test"), [
    ("eigh", 240, 60, 60, {"set": "test"}), ("dual", 1500, 20, 60, {"set": "test"}),
    ("eigh", 160, 60, 60, {"folds": 5}),
])  # fmt: skip
def test_fits__take_what_is_planned(bench, solver, width, units, sentences, test):
    changes = {"ridge": {"solver": solver}, "extraction": {"batch": 16}, "test": test}
    b = bench(sentences=sentences, channels=units, widths=[width], **changes)
    b.ready(ReadSounds("timit"), ReadSession("timit", b.session))
    fit = Fit("timit", f"wide{width}", "fixed", 0, 50.0)
    found = b.check(fit)
    # Beside the process, which is larger, half or twice as much for the fit alone would go unseen.
    beside = (found - peak_of([])) / cost(b.context, fit).host
    print(f"beside the process: {beside:.2f}")
    assert 0.7 < beside < 1.4


def test_analyses__take_what_is_planned(bench):
    settings = {
        "together": [{"network": "wide120", "layers": [0, 1], "candidates": 3}],
        "lowpass": [{"network": "wide120", "layer": 0, "weights": "fixed", "lowpass_bins": [100.0]}],
    }
    b = bench(sentences=60, channels=40, widths=[120], ridge={"solver": "eigh"}, extraction={"batch": 16}, **settings)
    b.ready(ReadSounds("timit"), ReadSession("timit", b.session))
    b.check(FitTogether("timit", "wide120", "fixed", 50.0))
    b.check(FitLowpass("timit", "wide120", "fixed", 0, 50.0, 100.0))

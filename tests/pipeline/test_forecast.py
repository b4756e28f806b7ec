"""What a plan says of files, bytes, time, and of what does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from distributed_trf import Study
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.clusters.worker_proof import Proof
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.costs import Cost, Operations
from distributed_trf.pipeline.forecast import Rates, measure_rates
from distributed_trf.pipeline.items import Assess
from distributed_trf.pipeline.memory_check import check_devices, check_memory, process_bytes
from distributed_trf.pipeline.status import survey_all
from distributed_trf.pipeline.work import cost
from tests.small_recordings import write_repeats

FAKE_GPU = Path(__file__).parents[1] / "fake_gpu"
NETWORKS = [{"name": "small_whisper", "weights": ["reset"]}, {"name": "mel_whisper"}]
RATES = Rates(Operations(single=10.0, double=20.0, eigh=5.0, transform=2.0), read=100.0, write=50.0, file=0.5)


def test_rates__add_up():
    cost = Cost(200, 100, 2, host=0, operations=Operations(single=10, double=20, eigh=10, transform=2))
    assert RATES.seconds(cost) == 1 + 1 + 2 + 1 + 2 + 2 + 1


def test_rates__of_this_machine_are_positive_and_leave_nothing(tmp_path):
    rates = measure_rates(tmp_path / "not/there/yet", threads=1)
    assert rates.operations.double > 1e8
    assert rates.operations.eigh < rates.operations.double  # what a decomposition is slower by
    assert min(rates.read, rates.write, rates.file) > 0
    assert not list(tmp_path.iterdir())


def test_plan__counts_the_files_and_bytes_that_a_run_writes(write_study):
    study = Study.load(write_study())
    planned = study.plan()
    table = planned.to_dataframe()
    assert table["item"].tolist() == [p.item.key for p, _ in planned]
    mib = {"read": "read, MiB", "written": "written, MiB", "host": "memory, MiB", "device": "of a GPU, MiB"}
    for k, (p, needs) in enumerate(planned):
        row = table.loc[k]
        assert (row["stage"], row["state"], row["reason"]) == (p.item.stage, p.state, p.reason)
        assert row["work, GFLOP"] == needs.flops / 1e9
        assert [row[column] * 2**20 for column in mib.values()] == [getattr(needs, name) for name in mib]
    assert "<td>waiting</td>" in planned._repr_html_()
    assert "reason" not in planned._repr_html_()
    assert study.run(recipe=None).ok
    written = [f for f in study.output.rglob("*") if f.is_file()]
    by_driver = [f for f in written if {"results.zarr", "runs", "store.json", "run.lock"} & {*f.parts}]
    claims = [f for f in written if "claims" in f.parts]
    layouts = [f for f in written if "features" in f.parts and f.name == "zarr.json"]
    fits = [f for f in written if "results.zarr" in f.parts and "c" in f.parts and f.parent.parent.name != "c"]
    others = len(written) - len(by_driver) - len(claims) - len(layouts)
    expected = sum(cost.files for p, cost in planned if p.item.stage != "fit")
    assert others - len([f for f in written if f.parts[-2:-1] == ("fit",)]) == pytest.approx(expected, rel=0.1)
    assert fits


def test_plan__takes_work_in_proportion_to_the_batches(write_study):
    """Calls are counted, as times vary: four times the batches take four times the calls and not sixteen."""
    study = Study.load(write_study(networks=[{"name": "mel_whisper"}], extraction={"batch": 1})).settings

    def calls(n):
        context = open_context(study)
        of_set = context.stimuli["timit"]
        ten = [*[s for s in of_set if s.is_test][:2], *[s for s in of_set if not s.is_test][:8]]
        some = [replace(s, id=f"{s.id}-{k}") for k in range(n) for s in ten]
        context.recordings.__dict__["stimuli"] = lambda _: tuple(some)
        for known in ("stimuli", "evaluations", "training_trials"):
            context.__dict__.pop(known, None)
        counted = Counter()
        sys.setprofile(lambda _frame, event, _arg: counted.update([event]))
        try:
            planned = [(p, cost(context, p.item)) for p in survey_all(context)]
        finally:
            sys.setprofile(None)
        assert len(planned) > 10 * n
        return counted["call"]

    calls(1)  # what is loaded at the first use
    few, many = calls(5), calls(20)
    assert many < 4.2 * few


def test_forecast__learns_from_items_that_are_done(write_study):
    path = write_study()
    study, recipe = Study.load(path), load_recipe("local", workers=2)
    before = {s.stage: s for s in study.forecast(recipe).stages()}
    assert all(s.todo == s.items and s.seconds > 0 and s.host > 2**27 for s in before.values())
    assert study.run(recipe=None).ok
    receipt = next((study.output / "receipts/extract").glob("*librosa*0002.json"))
    receipt.unlink()
    forecast = study.forecast(recipe)
    assert {s.stage: s.todo for s in forecast.stages()} == {"read": 0, "assess": 0, "extract": 1, "fit": 1}
    table = forecast.to_dataframe().set_index("stage")
    assert table["to do"].to_dict() == {"read": 0, "assess": 0, "extract": 1, "fit": 1}
    assert table.loc["fit", "read, GiB"] == next(s.read for s in forecast.stages() if s.stage == "fit") / 2**30
    assert "<td>extract</td>" in forecast._repr_html_()
    assert forecast.learnt["extract", "mel_librosa"][0] == 2
    (item, cost), *_ = [(p.item, c) for p, c in forecast.planned if p.state == "pending"]
    factor = forecast.learnt["extract", "mel_librosa"][1]
    assert forecast.seconds(item, cost) == pytest.approx(factor * forecast.rates.seconds(cost))


def test_a_gpu__takes_from_the_host_what_it_calculates(write_study):
    study = Study.load(write_study(networks=NETWORKS))
    for (p, here), (_, there) in zip(study.plan(), study.plan("cuda"), strict=True):
        on_gpu = p.item.stage in ("extract", "fit") and "mel" not in p.item.key
        assert (here.device, there.device > 0) == (0, on_gpu or p.item.stage == "fit")
        assert there.host <= here.host
        assert there.flops > 0 or here.flops == 0
    assert process_bytes([], "cuda") > process_bytes([], "cpu") > 2**26


def test_what_does_not_fit__is_named_with_the_remedy(write_study):
    context = open_context(Study.load(write_study(networks=NETWORKS, extraction={"batch": 24})).settings)
    planned = survey_all(context)
    check_memory(context, planned, load_recipe("local", memory="4GiB"))
    with pytest.raises(ConfigError) as raised:
        check_memory(context, planned, load_recipe("local", memory="512MiB"))
    message = str(raised.value)
    assert "items do not fit a worker, which has 0.5 GiB: extract timit-small_whisper-reset-0000 about 0." in message
    assert message.count(" about ") == 3
    assert "a smaller `extraction.batch`" in message


def test_what_a_gpu_cannot_hold__is_refused_by_what_is_free_and_what_fits_is_named(write_study):
    context = open_context(Study.load(write_study(networks=NETWORKS)).settings)
    planned = survey_all(context)
    most = {stage: max(cost(context, p.item, "cuda").device for p in planned if p.item.stage == stage) for stage in
            ("extract", "fit")}  # fmt: skip
    proof = Proof("tcp://a:1", "node7", None, "cuda", "H100", "580", max(most.values()), gpu="2")
    check_devices(context, planned, [proof])
    check_devices(context, planned, [])
    assert most["fit"] > most["extract"]
    with pytest.raises(ConfigError) as raised:
        check_devices(context, planned, [proof, replace(proof, free_bytes=most["fit"] - 1, held_bytes=40 << 30)])
    for said in (
        "items do not fit the H100 of worker tcp://a:1 on node7 (GPU 2), where 0.0 GiB are free; other processes hold "
        "about 40.0 GiB, see nvidia-smi: fit timit-",
        "what fits instead: `ridge.precision: float32` or `ridge.solver: dual`",
    ):
        assert said in str(raised.value)
    with pytest.raises(ConfigError, match="choose a smaller `ridge.unit_block`, fewer lags"):
        check_devices(context, planned, [replace(proof, free_bytes=1)])
    check_memory(context, planned, load_recipe("slurm_gpu", device_memory="80 GiB"))
    with pytest.raises(ConfigError, match=r"a GPU, which has 1.0 GiB \(`device_memory` in the recipe\): fit"):
        check_memory(context, planned, load_recipe("slurm_gpu", device_memory="1 GiB"))


def test_dtrf_plan_on_this_machines_gpu__refuses_by_what_is_free_of_it(write_study):
    write_study(networks=[{"name": "mel_librosa"}])
    environment = os.environ | {
        "PYTHONPATH": str(FAKE_GPU / "path"),
        "PATH": f"{FAKE_GPU / 'bin'}:{os.environ['PATH']}",
        "FAKE_GPU_MEMORY": str(1 << 20),
    }
    command = [sys.executable, "-m", "distributed_trf", "plan", "study.yaml", "--cluster", "local_cuda"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2, done.stderr
    assert "items do not fit the Fake H100 of a process on" in done.stderr
    assert "1 workers of" in done.stdout


def test_dtrf_plan__refuses_with_2_after_the_table(write_study, workplace):
    write_study()
    Path("tight.yaml").write_text("kind: local\nworkers: 1\nmemory: 100MiB\n")
    command = [sys.executable, "-m", "distributed_trf", "plan", "study.yaml", "--cluster", "tight.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "do not fit a worker, which has 0.1 GiB" in done.stderr
    assert "times are from rates of this machine, measured now" in " ".join(done.stdout.split())
    assert max(len(line) for line in done.stdout.splitlines()[:6]) <= 80


def test_reliability__costs_nothing_where_nothing_was_repeated(tmp_path):
    """With folds it is measured on all repeats: one session has each training sound once, and the test sounds twice."""
    write_repeats(tmp_path / "mine")
    recordings = {"format": "generic", "path": tmp_path / "mine"}
    study = {
        "recordings": recordings,
        "stimuli": ["tones"],
        "networks": [{"name": "mel_librosa"}],
        "test": {"folds": 4},
    }
    settings = StudySettings(name="repeats", output=tmp_path / "study", **study)
    trials = tmp_path / "mine/sessions/once/trials.csv"
    lines = trials.read_text().splitlines()
    for kept, repeated in ((lines, ["t1", "t2"]), (lines[:-2], [])):
        trials.write_text("\n".join(kept) + "\n")
        context = open_context(settings)
        assert [s.id for s in context.repeated("tones", context.session("once"))] == repeated
        needed = cost(context, Assess("tones", 50.0, "once"), "cpu")
        assert (needed.host > 0, needed.operations.flops > 0) == (bool(repeated), bool(repeated))

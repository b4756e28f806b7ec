"""The benchmark of scale runs, and its simulation counts what it should."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

NOTHING = {"item": 0.0, "survey": 0.0, "memory": 0.0}


@pytest.fixture
def simulation():
    return importlib.import_module("bench_scale_simulation")


@pytest.fixture
def work(simulation):
    return lambda stage, *seconds: simulation.Work(stage, list(seconds), moved=0.0, files=0)


def test_simulation__stages_wait_for_one_another(simulation, work):
    stages = [work("extract", 10, 10, 10), work("fit", 4, 4)]
    found = simulation.simulated(stages, 2, simulation.Driver(**NOTHING))
    assert found.seconds == 20 + 4
    assert found.busy == pytest.approx(38 / 48)
    assert simulation.simulated(stages, 3, simulation.Driver(**NOTHING)).seconds == 10 + 4


def test_simulation__a_scheduler_serves_one_item_at_a_time(simulation, work):
    driver = simulation.Driver(**{**NOTHING, "item": 0.1})
    found = simulation.simulated([work("fit", *[0.1] * 1000)], 64, driver)
    assert found.seconds == pytest.approx(1000 * 0.1 + 0.1)
    assert found.breaks == "the scheduler's time for each item"


def test_simulation__names_what_bounds_a_study(simulation, work):
    driver = simulation.Driver(**NOTHING)
    assert simulation.simulated([work("fit", *[5] * 100)], 2, driver).breaks == "the workers' arithmetic and disks"
    assert simulation.simulated([work("fit", 50, 1, 1)], 64, driver).breaks == "the longest item of each stage"
    files = [simulation.Work("fit", [1.0], moved=0.0, files=10**9)]
    assert simulation.simulated(files, 1, driver).breaks == "the number of files"
    survey = simulation.Driver(**{**NOTHING, "survey": 10.0})
    found = simulation.simulated([work("fit", 1, 1)], 2, survey)
    assert (found.seconds, found.breaks) == (21, "the driver's look at every item")


def test_simulation__a_larger_study_has_as_many_times_the_items(simulation, work):
    (stage,) = simulation.repeated([work("fit", 1, 2)], 3)
    assert sorted(stage.seconds) == [1, 1, 1, 2, 2, 2]


COUNTS = {
    "cholesky": {"launches": 1e6, "waits": 1e5, "copies": 1e5},
    "eigh": {"launches": 2e6, "waits": 0, "copies": 0},
    "1 sounds": {"launches": 100, "waits": 0, "copies": 10, "layers": 5},
    "9 sounds": {"launches": 180, "waits": 0, "copies": 90, "layers": 5},
}


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[2] / "scripts")
        simulation = importlib.import_module("bench_scale_simulation")
        return simulation.published_study(tmp_path_factory.mktemp("published"), sentences=16, calls=45)


def test_published_study__has_the_published_size(simulation, paper):
    assert sum(len(s.channels) for s in paper.recordings.sessions) == 1718
    stages = {w.stage: w for w in simulation.work_of(paper, COUNTS)}
    assert len(stages["read"].seconds) == 2 * (1 + 41)
    assert len(stages["fit"].seconds) == 2 * (2 * (70 + 21) + 3 * 7 + 6)
    for stage in stages.values():
        assert sum(stage.parts.values()) == pytest.approx(sum(stage.seconds))


def test_study_of__holds_the_fits_of_its_networks_alone(simulation, paper):
    work = {w.stage: w for w in simulation.work_of(simulation.study_of(paper, simulation.FIG_3), COUNTS)}
    assert list(work) == ["read", "extract", "fit"]
    assert len(work["fit"].seconds) == 2 * 2 * 70


def test_parts_of__count_what_a_fit_asks_of_a_device(simulation, paper):
    study = simulation.study_of(paper, ["whisper_tiny"])
    item = next(iter(simulation.items(study, "fit")))
    needs = simulation.cost(study, item, "cuda")
    cholesky, eigh = (
        simulation.parts_of(study, item, replace(needs, operations=replace(needs.operations, eigh=n)), COUNTS)
        for n in (0.0, 2e12)
    )
    moved = needs.read / 25e9
    assert cholesky["launches, waits and copies"] == pytest.approx(1e6 * 5e-6 + 1e5 * 20e-6 + 1e5 * 10e-6 + moved)
    assert eigh["launches, waits and copies"] == pytest.approx(2e6 * 5e-6 + moved)
    assert (cholesky["eigenvectors"], eigh["eigenvectors"]) == (0.0, 1.0)
    assert cholesky["products in float64"] == needs.operations.double / 25e12
    assert cholesky["reading"] == 0.0, "while it calculates"
    slow = simulation.parts_of(study, item, replace(needs, read=int(1e12)), COUNTS)
    assert sum(slow.values()) - slow["writing"] == pytest.approx(1000.0)


def test_parts_of__read_weights_once_and_write_while_they_hear(simulation, paper):
    study = simulation.study_of(paper, ["whisper_tiny"])
    extractions = list(simulation.items(study, "extract"))
    trained, reset = (next(i for i in extractions if i.weights == kind) for kind in ("trained", "reset"))
    needs = simulation.cost(study, trained, "cuda")
    parts = simulation.parts_of(study, trained, needs, COUNTS)
    other = simulation.parts_of(study, reset, simulation.cost(study, reset, "cuda"), COUNTS)
    assert parts["reading"] == other["reading"]
    asked = 6 / 5 * ((100 + 10 * 15) * 5e-6 + (10 + 10 * 15) * 10e-6)  # six layers of sixteen sounds
    assert parts["launches, waits and copies"] == pytest.approx(asked + needs.written / 25e9)
    written = needs.written / 5e8 + needs.files * 2e-3
    assert sum(parts.values()) == pytest.approx(max(written, sum(parts.values()) - parts["writing"]))


def test_begun__workers_start_and_build_before_they_hear(simulation, work):
    stages = simulation.begun([work("read", 1), work("extract", 10, 10), work("fit", 4)], 3, 2)
    assert simulation.simulated(stages, 2, simulation.Driver(**NOTHING)).seconds == 1 + (30 + 3 * 4) + 10 + 4
    named = simulation.bounds(stages, 2, simulation.Driver(**NOTHING))
    assert named == "starting workers 30 s, building networks 12 s, the driver 0 s"


@pytest.mark.slow
def test_bench_scale__runs_whole(tables):
    text = tables("bench_scale", "--quick")
    assert text.count("\n|---|") == 6
    assert "| 2 | " in text
    assert "| 10 times |" in text

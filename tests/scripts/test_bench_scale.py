"""The benchmark of scale runs, and its simulation counts what it should."""

from __future__ import annotations

import importlib

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


def test_published_study__has_the_published_size(simulation, tmp_path):
    context = simulation.published_study(tmp_path, sentences=16, calls=45)
    assert sum(len(s.channels) for s in context.recordings.sessions) == 1718
    rates = importlib.import_module("distributed_trf.pipeline.costs.rates").measure_rates(tmp_path, 1)
    stages = {w.stage: len(w.seconds) for w in simulation.work_of(context, rates)}
    assert stages["read"] == 2 * (1 + 41)
    assert stages["fit"] == 2 * (2 * (70 + 21) + 3 * 7 + 6)


@pytest.mark.slow
def test_bench_scale__runs_whole(tables):
    text = tables("bench_scale", "--quick")
    assert text.count("\n|---|") == 4
    assert "| 2 | " in text
    assert "| 10 times |" in text

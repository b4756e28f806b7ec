"""Workers of this machine have loaded what a run's items need before they get the first."""

from __future__ import annotations

import sys

import pytest

from distributed_trf import Study, start_cluster
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.pipeline.prepare import prepare, tasks
from distributed_trf.pipeline.run import OF_EVERY_ITEM, modules_for
from distributed_trf.pipeline.run_record import new_run
from distributed_trf.pipeline.status import survey_all
from distributed_trf.store.study_store import StudyStore

SLOW = {"numpy", "scipy.linalg", "scipy.stats", "scipy.signal", "zarr", "xarray", "dask.array", "pandas", "pydantic"}
SLOW |= {"torch", "transformers"}
MEL, WHISPER = {"name": "mel_librosa"}, {"name": "small_whisper", "weights": ["reset"], "layers": [0]}


LOW = [{"network": "mel_librosa", "layer": 0, "weights": "fixed", "lowpass_bins": [100.0]}]


def context_of(write_study, **changes):
    write_study(**changes)
    return open_context(Study.load("study.yaml").settings)


@pytest.mark.parametrize(
    ("networks", "reliability", "expected"),
    [
        ([MEL], None, ["scipy.signal"]),
        ([{"name": "mel_speech2text"}], None, ["scipy.signal"]),
        ([MEL], {"draws": 500, "shifts": 99}, ["scipy.stats", "scipy.signal"]),
        ([MEL, WHISPER], None, ["scipy.signal", "torch", "transformers.modeling_utils"]),
    ],
)
def test_modules__are_those_of_the_items_that_are_to_be_done(write_study, networks, reliability, expected):
    context = context_of(write_study, networks=networks, reliability=reliability)
    assert modules_for(context, survey_all(context)) == [*OF_EVERY_ITEM, *expected]
    assert modules_for(context, []) == [*OF_EVERY_ITEM]


def test_modules__of_analyses_are_those_that_store_them(write_study):
    context = context_of(write_study, networks=[MEL], reliability=None, lowpass=LOW)
    assert modules_for(context, survey_all(context)) == [*OF_EVERY_ITEM, "scipy.signal", "xarray", "dask.array"]


def loaded():
    return set(sys.modules)


def test_items__load_nothing_that_takes_long(write_study):
    context = context_of(write_study, networks=[MEL], lowpass=LOW)
    StudyStore.create(context.study.output)
    modules, folder = modules_for(context, survey_all(context)), new_run(context.store.runs)
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0", preload=modules) as client:
        (before,) = client.run(loaded).values()
        for stage in ("read", "assess", "extract", "fit", "analyse"):
            to_do = tasks(context, prepare(context, stage, []), device="cpu", run=folder, limit=None)
            outcomes = list(run_on(client, to_do, attempts=1))
            assert outcomes
            assert all(outcome.ok for outcome in outcomes)
        (after,) = client.run(loaded).values()
    assert (after - before) & SLOW == set()

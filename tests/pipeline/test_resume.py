"""What is done again when something changed, and what is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import WhisperConfig, WhisperForConditionalGeneration

from distributed_trf import Study, open_features, open_results
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.features.table import load_table
from distributed_trf.pipeline.stages import extract
from distributed_trf.pipeline.status import State
from distributed_trf.store import fingerprint
from tests.conftest import SMALL_WHISPER

MEL = [{"name": "mel_librosa"}]
BOTH = [{"name": "small_whisper", "weights": ["reset"], "layers": [0, 2]}, *MEL]


def run(**changes):
    """Run study.yaml in this process; how many items of each stage were done."""
    return Study.load("study.yaml").run(recipe=None).done


def states():
    return {f"{p.item.stage} {p.item.key}": (p.state, p.reason) for p in Study.load("study.yaml").status()}


def receipts(folder="study"):
    return {p.name: json.loads(p.read_text())["details"] for p in sorted(Path(folder).glob("receipts/*/*.json"))}


def test_second_run__does_nothing_and_says_so(write_study):
    write_study(networks=MEL)
    assert run() == {"read": 3, "assess": 2, "extract": 3, "fit": 1}
    before = receipts()
    report = Study.load("study.yaml").run(recipe=None)
    assert (report.done, report.skipped, report.folder) == ({}, {"read": 3, "assess": 2, "extract": 3, "fit": 1}, None)
    assert receipts() == before


@pytest.mark.parametrize(
    ("changes", "redone", "reason"),
    [
        ({"ridge": {"n_folds": 4}}, {"read": 0, "assess": 0, "extract": 0, "fit": 1}, "changed: ridge"),
        ({"lags": {"tmax": 0.1}}, {"read": 0, "assess": 0, "extract": 0, "fit": 1}, "changed: lags"),
        ({"lags": {"lead_in": 0.25}}, {"read": 0, "assess": 0, "extract": 3, "fit": 1}, "waits for extract"),
        ({"extraction": {"batch": 12}}, {"read": 0, "assess": 0, "extract": 2, "fit": 1}, "waits for extract"),
        ({"ridge": {"unit_block": 2}}, {"read": 0, "assess": 0, "extract": 0, "fit": 0}, ""),
        ({"name": "renamed"}, {"read": 0, "assess": 0, "extract": 0, "fit": 0}, ""),
    ],
)
def test_changed_setting__redoes_exactly_what_depends_on_it(studied, write_study, changes, redone, reason):
    studied(networks=MEL, ridge={})
    write_study(networks=MEL, **{"ridge": {}, **changes})
    assert states()["fit timit-mel_librosa-fixed-00-50ms"][1].startswith(reason)
    assert run() == (redone if any(redone.values()) else {})


@pytest.mark.parametrize(
    ("extraction", "changed"),
    [
        ({"dtype": "float16"}, "dtype"),
        ({"keep": "native"}, "keep"),
        ({"batch": 9}, "batch"),
        ({"store": "float16"}, "store"),
    ],
)
def test_changed_extraction__is_seen_by_what_it_changes(studied, write_study, extraction, changed):
    networks = [{"name": "small_whisper", "weights": ["reset"], "layers": [0]}]
    studied(networks=networks, reliability=None)
    write_study(networks=networks, reliability=None, extraction={"batch": 8, **extraction})
    state, reason = states()["extract timit-small_whisper-reset-0000"]
    assert state == State.STALE
    assert changed in reason.removeprefix("changed: ").split(", ")


def newer(library, part):
    """Versions of libraries as they are, but for one whose ``part`` (0, 1, 2) is one more."""
    found = fingerprint._version

    def version(name):
        parts = found(name).split(".")[:3]
        return ".".join(str(int(p) + 1) if (name, k) == (library, part) else p for k, p in enumerate(parts))

    return version


@pytest.mark.parametrize("library", ["numpy", "scipy"])
def test_newer_library_of_mathematics__makes_assessments_and_fits_stale(studied, monkeypatch, library):
    """A bug-fix release does not."""
    studied(networks=MEL)
    as_made = extract.versions(load_table("mel_librosa"), "fixed")
    monkeypatch.setattr(extract, "versions", lambda *_: as_made)  # or fits would wait for extractions
    for part, stale in ((2, set()), (1, {"assess", "fit"})):
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint, "_version", newer(library, part))
            assert {k.split()[0] for k, why in states().items() if why == (State.STALE, "changed: versions")} == stale
            assert {k.split()[0] for k, (state, _) in states().items() if state != State.DONE} == stale


@pytest.mark.parametrize("library", ["torch", "transformers", "scipy"])
def test_newer_library_of_a_network__makes_its_extractions_stale(studied, monkeypatch, library):
    networks = [{"name": "small_whisper", "weights": ["reset"], "layers": [0]}]
    studied(networks=networks, reliability=None)
    monkeypatch.setattr(fingerprint, "_version", newer(library, 1))
    assert states()["extract timit-small_whisper-reset-0000"] == (State.STALE, "changed: versions")


def test_added_network__leaves_the_other_fits_alone(studied, write_study):
    studied(networks=MEL)
    mel = open_results("study").r.sel(network="mel_librosa", weights="fixed", layer=0).values
    write_study(networks=BOTH)
    assert run() == {"read": 0, "assess": 0, "extract": 3, "fit": 2}
    ds = open_results("study")
    np.testing.assert_array_equal(ds.r.sel(network="mel_librosa", weights="fixed", layer=0).values, mel)
    assert ds.r.sel(network="small_whisper", weights="reset", layer=2).notnull().all()
    assert ds.r.sel(network="small_whisper", weights="fixed").isnull().all()


def test_another_layer__does_not_refit_those_that_came_out_the_same(studied, write_study):
    studied(networks=BOTH)
    write_study(networks=[{**BOTH[0], "layers": [0, 1, 2]}, *MEL])
    assert run() == {"read": 0, "assess": 0, "extract": 3, "fit": 1}
    assert open_results("study").r.sel(network="small_whisper", weights="reset").notnull().all()


def test_other_seed__refits_the_untrained_network_only(studied, write_study):
    studied(networks=BOTH)
    write_study(networks=[{**BOTH[0], "weights": ["reset-1"]}, *MEL])
    assert run() == {"read": 0, "assess": 0, "extract": 3, "fit": 2}


def test_touched_recording__is_read_again_and_nothing_else(studied, workplace):
    studied(networks=MEL)
    file = min((workplace / "recordings/sessions").rglob("*MUspk*"))
    file.touch()
    assert run() == {"read": 1, "assess": 0, "extract": 0, "fit": 0}


def test_replaced_recording__refits(studied, workplace):
    studied(networks=MEL)
    before = open_results("study").r.load()
    files = sorted(min((workplace / "recordings/sessions").iterdir()).glob("*MUspk*"))
    files[0].write_bytes(files[1].read_bytes())
    assert run() == {"read": 1, "assess": 1, "extract": 0, "fit": 1}
    after = open_results("study").r.load()
    assert after.values.ravel()[0] == after.values.ravel()[1] != before.values.ravel()[0]


def test_removed_session__drops_its_units(studied, workplace):
    studied(networks=MEL)
    metadata = workplace / "recordings/sessions_metadata.yml"
    content = yaml.safe_load(metadata.read_text())
    session = sorted(p.name for p in (workplace / "recordings/sessions").iterdir())[0]
    content["bad_sessions"].append(int(session))
    metadata.write_text(yaml.safe_dump(content))
    assert run() == {"read": 0, "assess": 0, "extract": 0, "fit": 1}
    ds = open_results("study")
    assert session not in ds.session.values
    assert ds.sizes["unit"] == 3
    assert ds.r.notnull().all()


@pytest.mark.parametrize("gone", ["results.zarr", "features/timit/mel_librosa/fixed.zarr", "counts", "sounds"])
def test_deleted_store__is_made_again_with_the_same_numbers(studied, gone):
    studied(networks=MEL)
    before = open_results("study").load()
    shutil.rmtree(f"study/{gone}")
    assert State.STALE in {state for state, _ in states().values()}
    run()
    after = open_results("study").load()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    stored = open_features("study")["timit", "mel_librosa", "fixed"]
    assert [stimulus for stimulus, _ in stored.iterate(0)] == list(stored.layout.stimuli)  # none is missing


def test_workers__give_the_numbers_of_a_plain_loop(write_study):
    """And leave a record of the run."""
    networks = [{"name": "small_whisper", "weights": ["reset"]}, *MEL]
    write_study(networks=networks, output="here")
    Study.load("study.yaml").run(recipe=None)
    write_study(networks=networks, output="there")
    report = Study.load("study.yaml").run(load_recipe("local", workers=1))  # each of which would load torch
    assert report.ok
    alone, on_worker = open_results("here").load(), open_results("there").load()
    for name in alone:
        np.testing.assert_allclose(on_worker[name], alone[name], rtol=1e-9, atol=1e-12)
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["state"] == "finished"
    assert set(manifest["seconds"]) == {"read", "assess", "extract", "fit"}
    assert {(w["device"], w["problem"]) for w in manifest["workers"]} == {("cpu", None)}
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["study"]["name"] == "small"
    assert (report.folder / "performance.html").stat().st_size > 10_000


def test_trained_weights__come_from_a_folder_and_other_ones_there_refit(write_study, workplace):
    def save(seed):
        torch.manual_seed(seed)
        WhisperForConditionalGeneration(WhisperConfig(**SMALL_WHISPER["config"])).save_pretrained(workplace / "weights")

    save(0)
    write_study(networks=[{"name": "small_whisper", "weights": ["trained"], "source": "weights"}])
    assert run() == {"read": 3, "assess": 2, "extract": 3, "fit": 4}
    assert Study.load("study.yaml").run(recipe=None).done == {}
    before = open_results("study").r.load()
    assert before.notnull().all()
    save(1)
    assert run() == {"read": 0, "assess": 0, "extract": 3, "fit": 4}
    assert (open_results("study").r != before).any()

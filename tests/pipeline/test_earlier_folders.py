"""A folder of a version without p-values of fits and halves of repeats: read as it is, and brought up to date."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distributed_trf import Study, names, open_results
from distributed_trf.pipeline.fit_state import fit_state
from distributed_trf.pipeline.items import ASSESS, FIT
from distributed_trf.pipeline.status import State
from distributed_trf.reliability.halves import MEASURES
from distributed_trf.store.allocation import ROOT, read_allocation, write_allocation
from distributed_trf.store.fingerprint import digest_bytes
from distributed_trf.store.receipts import read_receipt, write_receipt
from distributed_trf.store.results import read_fit
from distributed_trf.store.study_store import StudyStore

MEL, WHISPER = {"name": "mel_librosa"}, {"name": "mel_whisper"}
QUICK = {"draws": 300, "shifts": 9, "splits": 3}
CELL = ("timit", "mel_librosa", "fixed", 0, 50.0)
NEW_INPUTS = ("chance", "halves of repeats", "noise correction")
NEW = ("r_p", "r_second_half", "r2_er", "r2_er_low", "r2_er_high", "cc_norm", *MEASURES)


def known(files):
    return {name: digest for name, digest in files.items() if name.split("/")[0] not in NEW}


@pytest.fixture
def folder(studied):
    """The folder of a study without all that the version before did not write."""
    studied(networks=[MEL], reliability=QUICK)
    store = StudyStore.open(Path("study"))
    for name in NEW:
        shutil.rmtree(store.results / name)
    record, root = read_allocation(store.root, store.results), store.results / ROOT
    content = json.loads(root.read_text())
    del content["attributes"]["dealt_stimuli"], content["attributes"]["study"]["chance"]
    root.write_text(json.dumps(content))
    files = known(record.files) | {ROOT: digest_bytes(root.read_bytes())}
    write_allocation(store.root, store.results, replace(record, files=files, gathered=known(record.gathered)))
    for stage in (FIT, ASSESS):
        for path in sorted((store.receipts / stage).glob("*.json")):
            receipt = read_receipt(store, stage, path.stem)
            inputs = {name: digest for name, digest in receipt.fingerprint.items() if name not in NEW_INPUTS}
            inputs |= {"versions": "of before"} if stage == ASSESS else {}
            receipt = receipt.with_files({group: known(of) for group, of in receipt.files.items()})
            write_receipt(store, stage, path.stem, replace(receipt, fingerprint=inputs))
    return store


def test_folder__opens_without_what_it_lacks_and_says_that_its_fits_are_of_before(folder):
    ds = open_results("study").load()
    assert np.isfinite(ds.r).any()
    assert np.isfinite(ds.normaliser).any()
    for name in NEW:
        described = names.RESULTS.get(name) or names.RELIABILITY[name]
        assert np.isnan(ds[name]).all()
        assert ds[name].attrs == described.attrs
    state = fit_state(folder, Study.load("study.yaml").settings)
    assert state.other_settings == {"changed: chance, halves of repeats, noise correction": 1}
    assert state.other_analyses == {"assessments of sessions": (2, 2)}


def test_folder__is_brought_up_to_date_without_new_features(folder):
    before = open_results("study").load()
    reasons = {p.item.stage: p.reason for p in Study.load("study.yaml").status() if p.state is not State.DONE}
    assert reasons == {"assess": "changed: versions", "fit": "changed: chance, halves of repeats, noise correction"}
    assert Study.load("study.yaml").run(recipe=None).done == {"read": 0, "assess": 2, "extract": 0, "fit": 1}
    after = open_results("study").load()
    np.testing.assert_array_equal(after.r, before.r)
    np.testing.assert_array_equal(after.normaliser, before.normaliser)
    for name in NEW:
        assert np.isfinite(after[name]).any(), name
    assert Study.load("study.yaml").run(recipe=None).done == {}


def test_fit_outside_the_study__stays_as_it_was_beside_new_ones(folder, write_study):
    before = read_fit(folder.results, CELL)
    write_study(networks=[WHISPER], reliability=QUICK)
    assert Study.load("study.yaml").run(recipe=None).ok
    moved = read_fit(folder.results, CELL)
    for name, values in before.items():
        np.testing.assert_array_equal(moved[name], values)
    assert np.isnan(moved["r_p"]).all()
    assert Study.load("study.yaml").repair() == {}
    write_study(networks=[MEL, WHISPER], reliability=QUICK)
    assert Study.load("study.yaml").run(recipe=None).done["fit"] == 1
    assert np.isfinite(open_results("study").sel(network="mel_librosa").r_p).any()

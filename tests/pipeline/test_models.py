"""Models that a study saves: they predict what the study scored, and are missing only if the study saves models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from distributed_trf import Study, open_models, open_results
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.items import Fit, ReadSession
from distributed_trf.pipeline.status import State
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.models import write_model
from distributed_trf.store.receipts import Receipt, read_receipt, write_receipt
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore

MEL = [{"name": "mel_whisper"}]
NETWORKS = [{"name": "small_whisper", "weights": ["reset"], "layers": [0, 2]}, *MEL]
FIT = Fit("timit", "mel_whisper", "fixed", 0, 50.0)
GONE = "models/timit/mel_whisper/fixed/00-50ms.zarr/alpha/zarr.json"


def run():
    """Run study.yaml in this process; how many items of each stage up to the fits were done, where any was."""
    done = Study.load("study.yaml").run(recipe=None).done
    return {stage: done[stage] for stage in ("read", "extract", "fit") if done.get(stage)}


def state(item=FIT):
    """The status of a fit, and its reason."""
    (planned,) = [p for p in Study.load("study.yaml").status() if p.item == item]
    return planned.state, planned.reason


def store():
    return StudyStore.open(Path("study"))


def pearson(a, b):
    return np.nan if a.std() == 0 else np.corrcoef(a, b)[0, 1]


def expected_r(predicted, session):
    """Correlate a prediction with the counts of each repeat, and average; by hand from what was read."""
    counts = load_responses(store(), "timit", 50.0, session)
    assert list(dict.fromkeys(predicted.stimulus.values)) == list(counts.test_ids)
    r = [[pearson(y, p) for y, p in zip(repeat.T, predicted.values.T, strict=True)] for repeat in counts.repeated]
    return np.nanmean(np.array(r), axis=0)


@pytest.fixture
def study(studied):
    """A study of three layers that was run with its models saved."""
    studied(networks=NETWORKS, save_models=True)


def test_predictions__correlate_with_the_counts_to_the_stored_r(study):
    models, r = open_models("study"), open_results("study").r
    fits = [("mel_whisper", "fixed", 0), ("small_whisper", "reset", 0), ("small_whisper", "reset", 2)]
    assert models.keys() == [("timit", *fit, 50.0) for fit in fits]
    sessions = list(dict.fromkeys(r.session.values))
    assert len(sessions) == 2
    for network, weights, layer in fits:
        stored = r.sel(stimuli="timit", network=network, weights=weights, layer=layer, bin_width=50)
        model = models.sel(network=network, weights=weights, layer=layer)
        for session in sessions:
            test_ids = load_responses(store(), "timit", 50.0, session).test_ids
            predicted = model.predict(test_ids, [session], intercept=False)
            expected = stored.isel(unit=stored.session.values == session)
            assert predicted.channel.values.tolist() == expected.channel.values.tolist()
            np.testing.assert_allclose(expected_r(predicted, session), expected, rtol=0, atol=1e-9)


def test_predicted_counts__have_the_mean_of_the_training_counts(study):
    """The intercept is that of the final fit: over its training rows a least-squares fit leaves no mean error."""
    model = open_models("study").sel(network="mel_whisper", layer=0)
    for session in dict.fromkeys(model.stored.sessions):
        counts = load_responses(store(), "timit", 50.0, session)
        predicted = model.predict(counts.train_ids, [session])
        np.testing.assert_allclose(predicted.mean("bin"), counts.train.mean(axis=0), rtol=1e-9)


def test_prediction_of_some__is_the_slice_of_the_whole(study):
    model = open_models("study").sel(network="small_whisper", weights="reset", layer=2)
    whole = model.predict()
    assert whole.sizes["unit"] == 6
    for session, channel in zip(whole.session.values, whole.channel.values, strict=True):
        unit = (whole.session.values == session) & (whole.channel.values == channel)
        for stimulus in list(model.stored.bins)[::7]:
            rows = whole.stimulus.values == stimulus
            part = model.predict([stimulus], [session], [channel])
            np.testing.assert_allclose(part, whole.isel(bin=rows, unit=unit), rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(part.time, whole.time[rows])


def test_saved_model__says_how_it_was_fitted_and_with_which_penalties(study):
    ds = open_models("study").sel(network="mel_whisper", layer=0).to_dataset()
    results = open_results("study").sel(stimuli="timit", network="mel_whisper", weights="fixed", layer=0, bin_width=50)
    np.testing.assert_array_equal(ds.alpha, results.alpha)
    for name in ("session", "channel"):
        assert ds[name].values.tolist() == results[name].values.tolist()
    assert ds.coef.sizes == {"unit": 6, "feature": 80, "lag": 5}
    np.testing.assert_allclose(ds.lag, [0, 0.05, 0.1, 0.15, 0.2], atol=1e-12)
    settings = Study.load("study.yaml").settings
    assert ds.attrs["settings"]["lags"] == settings.lags.model_dump()
    assert ds.attrs["settings"]["ridge"]["n_folds"] == settings.ridge.n_folds
    assert (ds.x_scale > 0).all()


def test_session_that_could_not_be_read__is_nan_in_the_model(write_study, workplace):
    write_study(networks=MEL, save_models=True)
    broken, whole, _bad = sorted((workplace / "recordings/sessions").iterdir())
    next(broken.glob("*MUspk*")).write_bytes(b"")
    assert not Study.load("study.yaml").run(recipe=None).ok
    model = open_models("study").sel(network="mel_whisper", layer=0)
    predicted = model.predict(list(model.stored.bins)[:2])
    assert predicted.isel(unit=predicted.session.values == broken.name).isnull().all()
    assert predicted.isel(unit=predicted.session.values == whole.name).notnull().all()
    assert np.isnan(model.stored.read("coef")[:3]).all()


def test_second_run__with_models_does_nothing(study):
    before = digest_files(store().model(*FIT.cell))
    assert run() == {}
    assert digest_files(store().model(*FIT.cell)) == before


def test_saving_models__switched_on_fits_again_and_off_does_not(studied, write_study):
    studied(networks=MEL)
    before, receipt = open_results("study").load(), read_receipt(store(), FIT.stage, FIT.key)
    assert open_models("study").keys() == []
    write_study(networks=MEL, save_models=True)
    assert state() == (State.STALE, "its model was not saved")
    assert run() == {"fit": 1}
    assert open_models("study").keys() == [FIT.cell]
    assert read_receipt(store(), FIT.stage, FIT.key).fingerprint == receipt.fingerprint
    after = open_results("study").load()
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
    write_study(networks=MEL)
    assert run() == {}
    assert open_models("study").keys() == [FIT.cell]


def test_deleted_model__is_made_again_alone(study):
    path = store().model(*FIT.cell)
    before = digest_files(path)
    shutil.rmtree(path)
    assert state() == (State.STALE, f"its output is gone ({GONE})")
    assert run() == {"fit": 1}
    assert digest_files(path) == before


def test_model_of_earlier_settings__is_not_taken_for_that_of_later_ones(study, write_study):
    """Saved, then fitted otherwise without saving, then with saving again."""
    old = digest_files(store().model(*FIT.cell))
    write_study(networks=NETWORKS, ridge={"alphas": [1e-9]})
    assert run() == {"fit": 3}
    assert open_models("study").keys() == []
    write_study(networks=NETWORKS, ridge={"alphas": [1e-9]}, save_models=True)
    assert state() == (State.STALE, "its model was not saved")
    assert run() == {"fit": 3}
    assert digest_files(store().model(*FIT.cell)) != old
    assert (open_models("study")[FIT.cell].to_dataset().alpha == 1e-9).all()


# What counts as done, by what lies in the folder; the fit itself may come from anywhere.


@pytest.fixture
def done(studied, write_study):
    """A study that was run without saving models; its fit given a model by hand."""
    studied(networks=MEL)
    receipt = read_receipt(store(), FIT.stage, FIT.key)
    path = store().model(*FIT.cell)
    files = write_model(
        path,
        FIT.cell,
        weights=np.ones((2, 1)),
        intercept=np.ones(1),
        alpha=np.ones(1),
        x_mean=np.ones(2),
        x_scale=np.ones(2),
        lags_seconds=[0.0],
        units={"session": ["s"], "channel": ["1"]},
        bins={"12": 3},
        settings={},
    )
    with_model = Receipt(
        receipt.fingerprint, {**receipt.details, "files": {**receipt.files, store().name(path): files}}
    )
    write_receipt(store(), FIT.stage, FIT.key, with_model)
    write_study(networks=MEL, save_models=True)
    return with_model


def receipt_now():
    return Dependencies(open_context(Study.load("study.yaml").settings)).receipt(FIT)


def test_dependencies__a_fit_with_its_model_is_done_whether_or_not_models_are_saved(done, write_study):
    assert receipt_now() == done
    assert state() == (State.DONE, "")
    write_study(networks=MEL)
    assert receipt_now() == done
    shutil.rmtree(store().root / "models")
    assert receipt_now() == done


def test_dependencies__without_its_model_a_fit_is_stale_where_models_are_saved(done, write_study):
    write_receipt(store(), FIT.stage, FIT.key, Receipt(done.fingerprint, {}))
    assert receipt_now() is None
    assert state() == (State.STALE, "its model was not saved")
    another = {group: dict.fromkeys(files, "another") for group, files in done.files.items() if group in GONE}
    write_receipt(store(), FIT.stage, FIT.key, Receipt(done.fingerprint, {"files": another}))
    assert state()[0] is State.STALE
    write_receipt(store(), FIT.stage, FIT.key, done)
    metadata = store().model(*FIT.cell) / "zarr.json"
    content = metadata.read_text()
    metadata.write_text(content[:100])
    assert state() == (State.STALE, f"its output is damaged ({GONE.replace('alpha/', '')})")
    metadata.write_text(content)
    assert receipt_now() == done
    shutil.rmtree(metadata.parent)
    assert state() == (State.STALE, f"its output is gone ({GONE})")


def test_dependencies__the_fingerprint_does_not_know_of_models(done, write_study):
    on = Dependencies(open_context(Study.load("study.yaml").settings)).of(FIT)
    write_study(networks=MEL)
    off = Dependencies(open_context(Study.load("study.yaml").settings)).of(FIT)
    assert on == off == done.fingerprint


def test_dependencies__items_before_a_fit_need_no_model(done):
    shutil.rmtree(store().root / "models")
    dependencies = Dependencies(open_context(Study.load("study.yaml").settings))
    for receipt in sorted((store().receipts / "read").glob("*.json")):
        if receipt.stem != "timit-sounds":
            item = ReadSession("timit", receipt.stem.removeprefix("timit-"))
            assert dependencies.receipt(item).fingerprint == json.loads(receipt.read_text())["fingerprint"]
    assert dependencies.receipt(FIT) is None

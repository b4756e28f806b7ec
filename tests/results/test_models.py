"""Predictions of saved models, against the sum over features and lags written out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.signal import resample

from distributed_trf import open_models
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.pipeline.items import Extract, Fit
from distributed_trf.store.feature_arrays import allocate_feature_arrays, write_batch
from distributed_trf.store.features import FeatureLayout, StoredLayer
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.models import write_model
from distributed_trf.store.receipts import Receipt, read_receipt, revoke_receipt, write_receipt
from distributed_trf.store.study_store import StudyStore
from tests.store_damage import flip_a_bit

LAYOUT = FeatureLayout(
    stimuli=("10", "11", "12", "13"),
    durations=(0.8, 0.5, 0.65, 0.3),
    batches=(3, 1),
    layers=(
        StoredLayer(0, "conv", "conv", 100.0, 3, (90, 60, 75, 40), (90, 60, 75, 40)),
        StoredLayer(4, "block", "transformer", 50.0, 2, (45, 30, 38, 20), (45, 30, 38, 20)),
    ),
    lead_in=0.1,
)
BINS = {50.0: {"12": 13, "10": 16, "13": 6}, 20.0: {"12": 33, "10": 40, "13": 15}}
"""By bin width. Stimulus 11 was heard by no session; the order is not that of the features."""
LAGS = (-1, 0, 1, 2, 3)
"""In bins: future sound, and sound before the lead-in of 2 bins."""
UNITS = {"session": ["s1", "s1", "s2", "s2", "s3"], "channel": ["1", "7", "1", "2", "1"]}
FITS = [
    Fit("timit", "net", "reset", 0, 50.0),
    Fit("timit", "net", "reset", 4, 50.0),
    Fit("timit", "net", "reset", 4, 20.0),
]


@dataclass
class Made:
    """A study's folder and what is in it."""

    folder: Path
    frames: dict[int, dict[str, np.ndarray]]
    models: dict[Fit, dict[str, np.ndarray]]

    @property
    def store(self) -> StudyStore:
        return StudyStore.open(self.folder)


def save_fit(store: StudyStore, fit: Fit, features: list[str], seed: int) -> dict[str, np.ndarray]:
    rng, n_features = np.random.default_rng(seed), {0: 3, 4: 2}[fit.layer]
    d = n_features * len(LAGS)
    arrays = {
        "weights": rng.normal(size=(d, 5)),
        "intercept": rng.uniform(1, 2, size=5),
        "alpha": np.ones(5),
        "x_mean": rng.normal(size=d),
        "x_scale": rng.uniform(1, 2, size=d),
    }
    for name in ("weights", "intercept", "alpha"):
        arrays[name][..., 4] = np.nan  # session s3 could not be read
    path = store.model(*fit.cell)
    written = write_model(
        path,
        fit.cell,
        **arrays,
        lags_seconds=[lag * fit.bin_width / 1000 for lag in LAGS],
        units=UNITS,
        bins=BINS[fit.bin_width],
        settings={"lags": {"lead_in": LAYOUT.lead_in}},
    )
    write_receipt(
        store, "fit", fit.key, Receipt({"features": digest(features)}, {"files": {store.name(path): written}})
    )
    return arrays


@pytest.fixture
def made(tmp_path) -> Made:
    """One network of two layers and three fits."""
    store, rng = StudyStore.create(tmp_path / "study"), np.random.default_rng(0)
    frames = {
        x.id: {
            s: rng.normal(size=(n, x.width)).astype(np.float32) for s, n in zip(LAYOUT.stimuli, x.frames, strict=True)
        }
        for x in LAYOUT.layers
    }
    path = store.features("timit", "net", "reset")
    allocate_feature_arrays(store, path, LAYOUT, lambda: None)
    for batch, (first, last) in enumerate(LAYOUT.batch_borders):
        of_batch = {layer: list(by.values())[first:last] for layer, by in frames.items()}
        files = {store.name(path): write_batch(path, batch, of_batch)}
        details = {"digests": {"0": f"conv{batch}", "4": f"block{batch}"}, "files": files}
        write_receipt(store, "extract", Extract("timit", "net", "reset", batch).key, Receipt({}, details))
    kinds = {0: ["conv0", "conv1"], 4: ["block0", "block1"]}
    models = {fit: save_fit(store, fit, kinds[fit.layer], seed) for seed, fit in enumerate(FITS)}
    return Made(store.root, frames, models)


def expected(made: Made, fit: Fit, stimulus: str, unit: int) -> np.ndarray:
    """The prediction written out: one sum per bin."""
    lead_in, model, bins = {50.0: 2, 20.0: 5}[fit.bin_width], made.models[fit], BINS[fit.bin_width][stimulus]
    x = resample(made.frames[fit.layer][stimulus].astype(float), lead_in + bins, axis=0)
    y = np.full(bins, model["intercept"][unit])
    for t in range(bins):
        for k, lag in enumerate(LAGS):
            if 0 <= lead_in + t - lag < x.shape[0]:
                w = model["weights"][k * x.shape[1] : (k + 1) * x.shape[1], unit]
                y[t] += x[lead_in + t - lag] @ w
    return y


def select(made: Made, fit: Fit):
    return open_models(made.folder).sel(network="net", weights="reset", layer=fit.layer, bin_width=fit.bin_width)


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.key)
def test_predict__is_the_sum_over_features_and_lags(made, fit):
    predicted = select(made, fit).predict()
    assert predicted.dims == ("bin", "unit")
    bins = BINS[fit.bin_width]
    assert predicted.shape == (sum(bins.values()), 5)
    assert list(dict.fromkeys(predicted.stimulus.values)) == list(bins)
    for stimulus, n in bins.items():
        of = predicted.isel(bin=predicted.stimulus.values == stimulus)
        np.testing.assert_allclose(of.time, np.arange(n) * fit.bin_width / 1000, atol=1e-12)
        for unit in range(4):
            np.testing.assert_allclose(of[:, unit], expected(made, fit, stimulus, unit), rtol=1e-9, atol=1e-9)
    assert predicted.session.values.tolist() == UNITS["session"]
    assert predicted.channel.values.tolist() == UNITS["channel"]
    assert predicted[:, 4].isnull().all()
    assert [predicted.attrs[k] for k in ("stimuli", "network", "weights", "layer", "bin_width")] == list(fit.cell)


def test_predict__without_the_intercept_differs_by_it(made):
    model = select(made, FITS[0])
    difference = model.predict() - model.predict(intercept=False)
    np.testing.assert_allclose(difference[:, :4], np.tile(made.models[FITS[0]]["intercept"][:4], (35, 1)), rtol=1e-12)


@pytest.mark.parametrize(
    ("asked", "units"),
    [
        ({"sessions": ["s2"]}, [2, 3]),
        ({"sessions": ["s2", "s1"]}, [0, 1, 2, 3]),
        ({"units": ["1"]}, [0, 2, 4]),
        ({"units": ["2", "7"]}, [1, 3]),
        ({"sessions": ["s1"], "units": ["7"]}, [1]),
        ({"sessions": "s1", "units": "7"}, [1]),
        ({}, [0, 1, 2, 3, 4]),
    ],
)
@pytest.mark.parametrize("stimuli", [None, ["10"], ["13", "12"], "12"])
def test_predict__of_some_is_the_slice_of_the_whole(made, asked, units, stimuli):
    model = select(made, FITS[1])
    whole = model.predict()
    ids = list(BINS[50.0]) if stimuli is None else [stimuli] if isinstance(stimuli, str) else stimuli
    rows = np.concatenate([np.flatnonzero(whole.stimulus.values == i) for i in ids])
    xr.testing.assert_allclose(model.predict(stimuli, **asked), whole.isel(bin=rows, unit=units), rtol=1e-12)


def test_predict__reads_no_chunk_that_it_does_not_need(made):
    model = select(made, FITS[0])
    session, stimulus = model.predict(sessions=["s2"]), model.predict(["13"])
    path = made.store.model(*FITS[0].cell)
    for chunk in (0, 2):  # sessions s1 and s3: chunks are of two units here
        flip_a_bit(path / f"coef/c/{chunk}/0/0", -1)
    xr.testing.assert_identical(select(made, FITS[0]).predict(sessions=["s2"]), session)
    with pytest.raises(StoreError, match=r"coef/c/0/0/0: damaged, its content is not what was written"):
        select(made, FITS[0]).predict(sessions=["s1"])

    save_fit(made.store, FITS[0], ["conv0", "conv1"], seed=0)
    flip_a_bit(made.store.features("timit", "net", "reset") / "0/c/0/0", -1)  # stimuli 10, 11 and 12
    xr.testing.assert_identical(select(made, FITS[0]).predict(["13"]), stimulus)
    with pytest.raises(StoreError, match=r"reset\.zarr/0/c/0/0: damaged, its content is not what was written"):
        select(made, FITS[0]).predict(["12"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stimuli": ["12", "11", "x"]}, "no stimulus '11', 'x'; there are '12', '10', '13'"),
        ({"stimuli": []}, "no stimulus was asked for; there are '12', '10', '13'"),
        ({"sessions": ["s4"]}, "no session 's4'; there are 's1', 's2', 's3'"),
        ({"units": ["9"]}, "no channel '9'; there are '1', '7', '2'"),
        ({"sessions": ["s2"], "units": ["7"]}, "no channel '7'; there are '1', '2'"),
    ],
)
def test_predict__of_what_is_unknown_says_what_there_is(made, asked, message):
    with pytest.raises(StoreError, match=rf"models/timit/net/reset/00-50ms\.zarr: {message}$"):
        select(made, FITS[0]).predict(**asked)


def test_predict__refuses_features_that_are_not_those_of_the_fit(made):
    """They were extracted again with another seed, and the fit was not done again."""
    model = select(made, FITS[0])
    key = Extract("timit", "net", "reset", 1).key
    was = read_receipt(made.store, "extract", key)
    again = Receipt({}, {**was.details, "digests": {"0": "other", "4": "block1"}})
    write_receipt(made.store, "extract", key, again)
    message = (
        r"reset\.zarr: the features in store are not those that .*00-50ms\.zarr was fitted on; run the study again"
    )
    with pytest.raises(StoreError, match=message):
        model.predict()
    assert select(made, FITS[1]).predict().notnull().any()  # its layer came out the same
    revoke_receipt(made.store, "extract", key)
    with pytest.raises(StoreError, match="not those that"):
        select(made, FITS[1]).predict()


def test_to_dataset__is_the_model_with_labels_and_reads_nothing_until_asked(made):
    ds = select(made, FITS[0]).to_dataset()
    assert not any(ds[name].variable._in_memory for name in ("coef", "intercept", "alpha", "x_mean", "x_scale"))
    assert ds.coef.dims == ("unit", "feature", "lag")
    np.testing.assert_allclose(ds.lag, [-0.05, 0, 0.05, 0.1, 0.15], atol=1e-12)
    arrays = made.models[FITS[0]]
    scaled = (ds.coef * ds.x_scale).transpose("lag", "feature", "unit").values.reshape(15, 5)
    np.testing.assert_array_equal(scaled, arrays["weights"] * arrays["x_scale"][:, None])
    np.testing.assert_array_equal(ds.x_mean.transpose("lag", "feature").values.ravel(), arrays["x_mean"])
    assert ds.session.values.tolist() == UNITS["session"]
    assert ds.attrs["settings"] == {"lags": {"lead_in": 0.1}}


def test_models__are_listed_and_opened_by_what_they_are(made):
    models = open_models(made.folder)
    assert models.keys() == [
        ("timit", "net", "reset", 0, 50.0),
        ("timit", "net", "reset", 4, 20.0),
        ("timit", "net", "reset", 4, 50.0),
    ]
    assert models["timit", "net", "reset", 4, 20].stored.cell == FITS[2].cell
    assert "timit, net, reset, layer 4, 20 ms" in repr(models)
    assert repr(models["timit", "net", "reset", 0, 50.0]) == "Model(timit, net, reset, 0, 50.0: 5 units, 3 stimuli)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "nett"}, "no model of timit, nett, reset, layer 0, 50 ms; in store: timit, net, reset$"),
        ({"weights": "trained"}, "no model of timit, net, trained, layer 0, 50 ms; in store: timit, net, reset$"),
        ({"stimuli": "mvocs"}, "no model of mvocs, net, reset, layer 0, 50 ms; in store: timit, net, reset$"),
        (
            {"layer": 1},
            "layer 1, 50 ms; in store: timit, net, reset, layer 0, 50 ms; timit, net, reset, layer 4, 20 ms; ",
        ),
        (
            {"bin_width": 20},
            "no model of timit, net, reset, layer 0, 20 ms; in store: timit, net, reset, layer 0, 50 ms",
        ),
    ],
)
def test_models__say_what_exists_when_asked_for_something_else(made, changes, message):
    with pytest.raises(StoreError, match=message):
        open_models(made.folder).sel(**{"network": "net", "weights": "reset", "layer": 0, **changes})


def test_model__counts_only_with_the_receipt_of_its_fit(made):
    revoke_receipt(made.store, "fit", FITS[0].key)
    write_receipt(made.store, "fit", FITS[1].key, Receipt({"features": ""}, {}))  # done again without saving
    assert open_models(made.folder).keys() == [FITS[2].cell]
    path = made.store.model(*FITS[2].cell)
    shutil.rmtree(path)
    shutil.copytree(made.store.model(*FITS[1].cell), path)
    with pytest.raises(DamagedError, match=r"04-20ms\.zarr/.*: damaged, its content is not what was written"):
        open_models(made.folder).sel(network="net", weights="reset", layer=4, bin_width=20)


def test_open_models__without_a_study_or_models_says_what_to_do(made, tmp_path):
    with pytest.raises(StoreError, match="there is no study folder here; run the study first"):
        open_models(tmp_path / "gone")
    shutil.rmtree(made.folder / "models")
    with pytest.raises(DamagedError, match=r"00-50ms\.zarr/.*: cannot be read"):
        select(made, FITS[0])
    for fit in FITS:
        revoke_receipt(made.store, "fit", fit.key)
    assert open_models(made.folder).keys() == []
    with pytest.raises(StoreError, match="in store: nothing yet; set save_models: true in the study and run it"):
        select(made, FITS[0])


def test_predict__needs_no_cluster_no_gpu_and_no_network(made):
    code = f"""if True:
        import sys
        from distributed_trf import open_models
        model = open_models({str(made.folder)!r}).sel(network="net", weights="reset", layer=0)
        assert model.predict().sizes["bin"] == {sum(BINS[50.0].values())}
        assert not set(sys.modules) & {{"torch", "distributed", "cupy", "matplotlib", "transformers"}}
    """
    subprocess.run([sys.executable, "-c", code], check=True)

"""Saved models on disk: what is written comes back bit by bit, one session without the others, whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError, StoreError
from distributed_trf.store.models import open_model, unit_labels, write_model
from distributed_trf.store.study_store import StudyStore
from tests.small_results import GRID, write_small_study
from tests.store_damage import flip_a_bit

PLACE = ("timit", "net", "reset", 2, 50.0)
SETTINGS = {"lags": {"tmin": 0.0, "tmax": 0.1, "lead_in": 0.35}, "ridge": {"n_folds": 3, "standardize": True}}


def fitted(n_features: int = 3, n_lags: int = 2, sessions: tuple[int, ...] = (2, 1, 3), seed: int = 0):
    """What a fit hands over: sessions s0, s1, ... of so many units."""
    rng, n_units, d = np.random.default_rng(seed), sum(sessions), n_features * n_lags
    return {
        "weights": rng.normal(size=(d, n_units)),
        "intercept": rng.normal(size=n_units),
        "alpha": 10.0 ** rng.integers(-5, 16, size=n_units),
        "x_mean": rng.normal(size=d),
        "x_scale": rng.uniform(0.5, 2, size=d),
        "lags_seconds": [k / 20 for k in range(n_lags)],
        "units": {
            "session": [f"s{k}" for k, n in enumerate(sessions) for _ in range(n)],
            "channel": [str(c + 1) for n in sessions for c in range(n)],
        },
        "bins": {"12": 40, "a b": 3, "308": 51},
        "settings": SETTINGS,
    }


@pytest.fixture
def path(tmp_path):
    """A model of three sessions."""
    path = tmp_path / "02-50ms.zarr"
    write_model(path, PLACE, **fitted())
    return path


def read_all(path: Path) -> dict[str, np.ndarray]:
    model = open_model(path)
    return {name: model.read(name) for name in ("coef", "intercept", "alpha", "x_mean", "x_scale", "lag", "bins")}


@settings(max_examples=25)
@given(
    n_features=st.integers(1, 4),
    n_lags=st.integers(1, 4),
    sessions=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    data=st.data(),
)
def test_model__any_shape_comes_back_by_feature_and_lag(n_features, n_lags, sessions, data):
    given_ = fitted(n_features, n_lags, tuple(sessions))
    n_units = sum(sessions)
    chosen = data.draw(st.lists(st.integers(0, n_units - 1), min_size=1, max_size=2 * n_units))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.zarr"
        write_model(path, PLACE, **given_)
        model, found = open_model(path), read_all(path)
        assert found["coef"].shape == (n_units, n_features, n_lags)
        for lag in range(n_lags):
            for feature in range(n_features):
                column = lag * n_features + feature
                np.testing.assert_array_equal(found["coef"][:, feature, lag], given_["weights"][column])
                assert found["x_mean"][feature, lag] == given_["x_mean"][column]
                assert found["x_scale"][feature, lag] == given_["x_scale"][column]
        for name in ("intercept", "alpha"):
            np.testing.assert_array_equal(found[name], given_[name], strict=True)
        np.testing.assert_array_equal(model.weights(chosen), given_["weights"][:, chosen], strict=True)
        assert model.lags.tolist() == given_["lags_seconds"]
        assert [list(model.sessions), list(model.channels)] == list(given_["units"].values())
        assert list(model.bins.items()) == list(given_["bins"].items())
        assert (model.cell, model.settings) == (PLACE, SETTINGS)
        assert model.versions["numpy"] == np.__version__


def test_unit_that_was_not_fitted__stays_nan_and_the_others_numbers(tmp_path):
    given_ = fitted()
    for name in ("weights", "intercept", "alpha"):
        given_[name][..., 2] = np.nan
    write_model(tmp_path / "m.zarr", PLACE, **given_)
    found = read_all(tmp_path / "m.zarr")
    for name in ("coef", "intercept", "alpha"):
        unfitted = np.isnan(found[name].reshape(6, -1)).all(axis=1)
        assert unfitted.tolist() == [False, False, True, False, False, False]
        assert np.isfinite(found[name][~unfitted]).all()


def test_reading_a_session__reads_none_of_the_others_chunks(tmp_path):
    path, given_ = tmp_path / "m.zarr", fitted(sessions=(3, 3, 3))
    write_model(path, PLACE, **given_)
    assert sorted(p.name for p in (path / "coef/c").iterdir()) == ["0", "1", "2"]
    for other in (0, 2):
        flip_a_bit(path / f"coef/c/{other}/0/0", -1)
    model = open_model(path)
    np.testing.assert_array_equal(model.weights([3, 4, 5]), given_["weights"][:, 3:6])
    with pytest.raises(StoreError, match=r"m\.zarr/coef: a chunk cannot be read .*`dtrf repair STUDY`"):
        model.weights([0])


@pytest.mark.parametrize(
    "name", ["coef", "intercept", "alpha", "x_mean", "x_scale", "lag", "bins", "session", "channel"]
)
def test_damaged_or_missing_array__is_named(path, name):
    chunk = next(p for p in sorted((path / name / "c").rglob("*")) if p.is_file())
    flip_a_bit(chunk, len(chunk.read_bytes()) // 2)
    with pytest.raises(StoreError, match=rf"02-50ms\.zarr/{name}: a chunk cannot be read"):
        open_model(path).read(name)
    shutil.rmtree(path / name)
    with pytest.raises(StoreError, match=rf"02-50ms\.zarr: array {name} is missing; `dtrf repair STUDY`"):
        open_model(path).read(name)


def test_every_chunk__is_noticed_when_a_bit_flips(path):
    chunks = [p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(chunks) == 9 + 3  # one of each array, but three of coef
    for chunk in chunks:
        whole = chunk.read_bytes()
        flip_a_bit(chunk, 0)
        name = chunk.relative_to(path).parts[0]
        with pytest.raises(StoreError, match=f"/{name}: a chunk cannot be read"):
            open_model(path).read(name)
        chunk.write_bytes(whole)


def test_write_model__replaces_the_old_one_whole(path):
    new = fitted(n_features=2, n_lags=1, sessions=(1,), seed=5)
    write_model(path, PLACE, **new)
    assert read_all(path)["coef"].shape == (1, 2, 1)
    np.testing.assert_array_equal(open_model(path).weights([0]), new["weights"])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_write_model__that_fails_leaves_the_old_one_and_nothing_else(path):
    before = read_all(path)
    with pytest.raises(DataError):
        write_model(path, PLACE, **{**fitted(), "alpha": np.ones(7)})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_model(path, PLACE, **{**fitted(), "settings": {"tmin": float("nan")}})
    for name, array in read_all(path).items():
        np.testing.assert_array_equal(array, before[name])
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": np.ones(7)}, r"alpha has shape \(7,\), expected \(6,\)"),
        ({"intercept": np.ones((6, 1))}, r"intercept has shape \(6, 1\), expected \(6,\)"),
        ({"weights": np.ones((6, 5))}, r"weights has shape \(6, 5\), expected \(6, 6\)"),
        (
            {"weights": np.ones((7, 6))},
            r"weights has shape \(7, 6\), expected \(6, 6\) for 3 features, 2 lags and 6 units",
        ),
        ({"x_mean": np.ones(5)}, r"x_mean has shape \(5,\), expected \(6,\)"),
        ({"x_scale": np.ones((3, 2))}, r"x_scale has shape \(3, 2\), expected \(6,\)"),
        ({"units": {"session": ["s"] * 6, "channel": ["1"]}}, r"channel has shape \(1,\), expected \(6,\)"),
    ],
)
def test_write_model__shapes_that_do_not_fit_are_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=f"model of timit, net, reset, 2, 50.0: {message}"):
        write_model(tmp_path / "m.zarr", PLACE, **{**fitted(), **changes})
    assert list(tmp_path.iterdir()) == []


def test_open_model__missing_says_which_setting_makes_one(tmp_path):
    with pytest.raises(StoreError, match=r"gone\.zarr: no model is stored here; set save_models: true in the study"):
        open_model(tmp_path / "gone.zarr")


@pytest.mark.parametrize("change", [{"format_version": 2}, {"format": "other"}])
def test_model_of_another_format__is_refused_with_a_remedy(path, change):
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"] |= change
    (path / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(
        StoreError, match=r"zarr: format and version are .*expected \('distributed_trf model', 1\); delete"
    ):
        open_model(path)


def test_model__is_a_labelled_dataset_to_anyone(path):
    """Without this package: xarray alone."""
    with xr.open_zarr(path, consolidated=False, chunks=None) as ds:
        assert ds.coef.dims == ("unit", "feature", "lag")
        assert ds.coef.attrs["long_name"] == "weight"
        assert ds.lag.attrs["units"] == "s"
        assert set(ds.coef.coords) == {"session", "channel", "lag"}
        given_ = fitted()
        np.testing.assert_array_equal(
            ds.coef.sel(lag=0.05).isel(feature=1, unit=(ds.session == "s2").values), given_["weights"][4, 3:]
        )
        assert ds.bins.sel(stimulus="308") == 51
        assert ds.attrs["place"] == {
            "stimuli": "timit",
            "network": "net",
            "weights": "reset",
            "layer": 2,
            "bin_width": 50,
        }
        assert ds.attrs["settings"] == SETTINGS


def test_places__of_models_are_found_again(tmp_path):
    store = StudyStore.create(tmp_path / "study")
    places = [
        ("mvocs", "net", "trained", 11, 12.5),
        ("timit", "a-net_2.b", "fixed", 0, 50.0),
        ("timit", "a-net_2.b", "fixed", 120, 1e-05),
    ]
    assert store.all_models() == {}
    for place in places:
        store.model(*place).mkdir(parents=True)
    store.model(*PLACE).with_name("02-50ms.zarr.partial-12345678").mkdir(parents=True)
    assert store.all_models() == {place: store.model(*place) for place in places}


def test_unit_labels__are_those_of_the_results(tmp_path):
    study = write_small_study(tmp_path / "study")
    assert unit_labels(study / "results.zarr") == {name: list(GRID.units[name]) for name in ("session", "channel")}

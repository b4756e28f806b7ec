"""A fitted TRF, saved and loaded: the same predictions to the last bit, and nothing unpickled."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from distributed_trf import TRF, load_trf, save_trf
from distributed_trf.errors import DataError, StoreError
from tests.store_damage import flip_a_bit


def trials(n_features=3, n_units=2, lead_in=0, seed=0):
    """Features and responses of eight trials of unequal length."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(lead_in + 60 + 7 * k, n_features)) for k in range(8)]
    mixing = rng.normal(size=(n_features, n_units))
    return X, [
        np.roll(x @ mixing, 1, axis=0)[lead_in:] + rng.normal(size=(60 + 7 * k, n_units)) for k, x in enumerate(X)
    ]


@pytest.fixture
def fitted():
    X, Y = trials()
    return TRF(tmin=-0.05, tmax=0.1, alphas=[1e-3, 1e0, 1e3], seed=4).fit(X, Y)


@pytest.fixture
def saved(fitted, tmp_path):
    save_trf(fitted, tmp_path / "a1.zarr")
    return tmp_path / "a1.zarr"


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((3, 2), {}),
        ((1, 1), {"tmin": 0.0, "tmax": 0.0}),
        ((5, 40), {"tmin": -0.1, "tmax": 0.3, "lead_in": 4, "standardize": False}),
        ((70, 3), {"tmax": 0.5, "n_folds": 2}),  # more lagged columns than rows
    ],
)
def test_load_trf__predicts_and_scores_the_same_to_the_last_bit(tmp_path, shape, params):
    X, Y = trials(*shape, lead_in=params.get("lead_in", 0))
    trf = TRF(**params).fit(X[:6], Y[:6])
    save_trf(trf, tmp_path / "trf.zarr")
    loaded = load_trf(str(tmp_path / "trf.zarr"))
    for found, expected in zip(loaded.predict(X), trf.predict(X), strict=True):
        assert found.tobytes() == expected.tobytes()
    assert loaded.correlate(X[6:], Y[6:]).tobytes() == trf.correlate(X[6:], Y[6:]).tobytes()


def test_load_trf__has_every_parameter_and_every_fitted_attribute(fitted, saved):
    loaded = load_trf(saved)
    assert vars(loaded).keys() == vars(fitted).keys()
    for name, value in vars(fitted).items():
        found = getattr(loaded, name)
        assert type(found) is (tuple if name == "alphas" else type(value))
        np.testing.assert_array_equal(found, value)
    X, Y = trials(seed=1)
    np.testing.assert_array_equal(loaded.fit(X, Y).coef_, TRF(**fitted.get_params()).fit(X, Y).coef_)


def test_unit_that_never_varies__stays_nan_in_alpha_and_constant_in_prediction(tmp_path):
    X, Y = trials()
    Y = [np.column_stack([y, np.full(len(y), 3.0)]) for y in Y]
    save_trf(TRF().fit(X, Y), tmp_path / "trf.zarr")
    loaded = load_trf(tmp_path / "trf.zarr")
    assert np.isnan(loaded.alpha_).tolist() == [False, False, True]
    assert (np.vstack(loaded.predict(X))[:, 2] == 3.0).all()
    assert loaded.n_constant_ == 1


def test_save_trf__replaces_an_earlier_one(fitted, saved):
    X, Y = trials(n_features=2, seed=3)
    other = TRF().fit(X, Y)
    save_trf(other, saved)
    np.testing.assert_array_equal(load_trf(saved).coef_, other.coef_)
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_save_trf__leaves_what_is_no_trf(fitted, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "all_of_it.txt").write_text("x")
    for path in (thesis, thesis / "all_of_it.txt"):
        with pytest.raises(
            StoreError, match=f"{path.name}: holds something that is not a saved TRF, and is not overwritten; choose"
        ):
            save_trf(fitted, path)
    assert (thesis / "all_of_it.txt").read_text() == "x"


def test_save_trf__of_one_that_is_not_fitted_writes_nothing(tmp_path):
    with pytest.raises(DataError, match="this TRF is not fitted yet, so there is nothing to save"):
        save_trf(TRF(), tmp_path / "trf.zarr")
    assert list(tmp_path.iterdir()) == []


def test_load_trf__missing_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"gone\.zarr: no saved TRF can be opened here .*expected what save_trf wrote"):
        load_trf(tmp_path / "gone.zarr")


def test_load_trf__every_damaged_array_is_noticed(saved):
    arrays = [p.name for p in saved.iterdir() if p.is_dir()]
    assert {"coef_", "intercept_", "alpha_", "lags_", "cv_scores_"} <= set(arrays)
    for name in arrays:
        chunk = next(p for p in (saved / name / "c").rglob("*") if p.is_file())
        whole = chunk.read_bytes()
        flip_a_bit(chunk, -1)
        with pytest.raises(StoreError, match=r"a1\.zarr: this saved TRF is damaged .*fit and save it again"):
            load_trf(saved)
        chunk.write_bytes(whole)
    shutil.rmtree(saved / "intercept_")
    with pytest.raises(StoreError, match=r"a1\.zarr: this saved TRF is damaged .*intercept_ is missing"):
        load_trf(saved)


def test_load_trf__another_format_or_torn_metadata_is_refused(saved):
    metadata = saved / "zarr.json"
    text = metadata.read_text()
    metadata.write_text(text.replace('"format_version": 2', '"format_version": 3'))
    with pytest.raises(StoreError, match=r"format and version are \('distributed_trf TRF', 3\), expected"):
        load_trf(saved)
    metadata.write_text(text[: len(text) // 2])
    with pytest.raises(StoreError, match=r"a1\.zarr: no saved TRF can be opened here"):
        load_trf(saved)

"""Screening, and the choice of penalties, against the full search."""

from __future__ import annotations

import warnings

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import arrays
from distributed_trf.arrays import cholesky_solver
from distributed_trf.trf import fold_scores, screens
from distributed_trf.trf.fold_scores import gains
from distributed_trf.trf.moment_folds import MomentFolds, fit_moments
from distributed_trf.trf.screens import SinglePrecision, UnitDiagonal
from distributed_trf.trf.search import search
from distributed_trf.trf.solvers import Diagonal
from distributed_trf.trf.stream import moments_of
from tests.hard_units import (
    ALPHAS,
    GRIDS,
    LAGS,
    features,
    folds_of,
    folds_that_lack_trials,
    hard_units,
    validations,
)


def check_screen(v, full):
    """No gain is above its upper bound, and none further off than its error; of some it is the same as of all."""
    screen = SinglePrecision(v, ALPHAS, 16, UnitDiagonal.of(v.quadratic))
    for at in (0, 7, 20):
        gain, error, upper = screen.look(np.full(full.shape[1], at))
        assert (full <= upper).all()
        assert (np.abs(gain - full[at]) <= error).all()
    every = np.ones(full.shape, bool)
    some = np.random.default_rng(0).random(full.shape) < 0.3
    for wanted in (every, some):
        found, error = screen.gains(wanted)
        assert (np.abs(found - full) <= error)[wanted].all()


@given(
    seed=st.integers(0, 2**32 - 1),
    n_features=st.integers(1, 30),
    duplicates=st.integers(0, 2),
    scale=st.sampled_from([1e-15, 1.0, 1e9]),
)
@settings(max_examples=20)
def test_screening__errors_stay_within_their_bound(seed, n_features, duplicates, scale):
    """Against the same forms in double precision; units may be in tesla."""
    rng = np.random.default_rng(seed)
    X = features(rng, 6, n_features, 40, duplicates=min(duplicates, n_features))
    Y = [scale * y for y in hard_units(rng, X, 40)]
    for v in validations(X, Y):
        full = gains(v, ALPHAS, unit_block=16)
        check_screen(v, full)


def both(X, Y, alphas, unit_block=64):
    folds = folds_of(X, Y)
    return [
        search(
            MomentFolds(folds, solver="eigh").validations(len(alphas)), alphas, screen=screen, unit_block=unit_block
        )[0]
        for screen in (False, True)
    ]


def agree(full, screened):
    """The same choice; scores of the candidates as in the full search, none of the others."""
    np.testing.assert_array_equal(screened.best, full.best)
    scored = ~np.isnan(screened.gain)
    assert not np.isnan(full.gain).any()
    assert scored[screened.best, np.arange(len(screened.best))].all()
    np.testing.assert_allclose(screened.gain[scored], full.gain[scored], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(screened.base, full.base)
    return scored


@given(
    seed=st.integers(0, 2**32 - 1),
    n_features=st.integers(1, 20),
    duplicates=st.integers(0, 3),
    grid=st.sampled_from(list(GRIDS)),
    scale=st.sampled_from([1e-15, 1.0, 1e9]),
)
@settings(max_examples=25)
def test_screening__chooses_exactly_the_penalties_of_the_full_search(seed, n_features, duplicates, grid, scale):
    """Of 240 units, a third pure noise; penalties that single precision tells apart, hardly, and not at all."""
    rng = np.random.default_rng(seed)
    X = features(rng, 6, n_features, 40, duplicates=min(duplicates, n_features))
    Y = [scale * y for y in hard_units(rng, X, 240)]
    full, screened = both(X, Y, GRIDS[grid])
    scored = agree(full, screened)
    if grid == "as in the studies":
        assert scored.sum(axis=0).mean() < 5  # or nothing has been saved
    if grid == "alike in single precision":
        assert scored.sum(axis=0).mean() > 2  # or there were no near ties


@pytest.mark.parametrize("scale", [1e-15, 1e9])
def test_screening__features_of_extreme_size_need_no_scaling(scale):
    """Nor do responses: fields in tesla or counts of photons, only centred."""
    rng = np.random.default_rng(7)
    X = features(rng, 6, 5, 40)
    folds = folds_of([scale * x for x in X], [1e-15 * y for y in hard_units(rng, X, 60)])
    alphas = [scale**2 * alpha for alpha in ALPHAS]
    full, screened = (fit_moments(folds, alphas, standardize=False, solver="eigh", all_scores=a) for a in (True, False))
    np.testing.assert_array_equal(screened.alpha, full.alpha)
    assert len(set(full.alpha)) > 5
    assert np.isnan(screened.cv_scores).mean() > 0.5


@given(seed=st.integers(0, 2**32 - 1), n_features=st.integers(1, 12))
@settings(max_examples=10)
def test_screening__of_units_that_lack_held_out_trials_takes_the_rows_off(seed, n_features):
    """Their training rows are everybody's, so that they are screened with everybody."""
    rng = np.random.default_rng(seed)
    X = features(rng, 6, n_features, 20)
    Y = hard_units(rng, X, 40)
    streams = folds_that_lack_trials(X, Y)
    v = next(iter(MomentFolds(streams, solver="eigh").validations(len(ALPHAS))))[1].of_units(slice(None))
    assert isinstance(v.solver, Diagonal)
    assert v.removed is not None
    check_screen(v, gains(v, ALPHAS, unit_block=16))
    everything = [
        search(MomentFolds(streams, solver="eigh").validations(21), ALPHAS, screen=screen, unit_block=64)
        for screen in (False, True)
    ]
    for a, b in zip(*everything, strict=True):
        agree(a, b)


def test_screening__of_units_that_are_one_another_or_nothing_takes_the_smallest_of_equals():
    rng = np.random.default_rng(2)
    X = features(rng, 6, 3, 30)
    Y = [np.concatenate([y, y, 0 * y], axis=1) for y in hard_units(rng, X, 5)]
    full, screened = both(X, Y, ALPHAS)
    agree(full, screened)
    np.testing.assert_array_equal(full.best[:5], full.best[5:10])
    np.testing.assert_array_equal(full.best[10:], 0)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_screening__multiplies_few_columns_of_twenty_penalties(monkeypatch, precision):
    """As in himalaya's benchmark: white features and a fine grid, of which bounds alone would leave a half."""
    rng = np.random.default_rng(9)
    X = [rng.normal(size=(80, 60)) for _ in range(3)]
    readout, noise = rng.normal(size=(60, 300)), np.linspace(1, 30, 300)
    Y = [x @ readout + noise * rng.normal(size=(80, 300)) for x in X]
    folds = [moments_of([x], [y], [0], 0) for x, y in zip(X, Y, strict=True)]
    columns = {"form_of": 0, "product_of": 0}

    def counted(name):
        original = getattr(fold_scores, name)

        def count(quadratic, b, removed):
            columns[name] += b.shape[1]
            return original(quadratic, b, removed)

        return count

    for name in columns:
        replacement = counted(name)
        monkeypatch.setattr(fold_scores, name, replacement)
        monkeypatch.setattr(screens, name, replacement)
    fit = fit_moments(folds, np.logspace(-5, 5, 20), solver="eigh", precision=precision, all_scores=False)
    assert len(set(fit.alpha)) > 5
    per_fold = {name: n / (3 * 300) for name, n in columns.items()}
    assert per_fold["product_of"] == 1
    assert 1 < per_fold["form_of"] < 5  # those that are scored in full, and a few in single precision


@given(seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(["as in the studies", "fine"]))
@settings(max_examples=20)
def test_float32__chooses_as_float64_where_scores_differ_by_more_than_its_rounding(seed, grid):
    """And screened as unscreened, but for such ties; correlations of predictions agree to 1e-5."""
    rng = np.random.default_rng(seed)
    X = features(rng, 6, 6, 40)
    folds = folds_of(X, hard_units(rng, X, 60))
    alphas = {"fine": np.logspace(-4, 4, 17), **GRIDS}[grid]
    full = fit_moments(folds, alphas, solver="eigh")
    for all_scores in (True, False):
        single = fit_moments(folds, alphas, solver="eigh", precision="float32", all_scores=all_scores)
        index = np.searchsorted(alphas, single.alpha * (1 - 1e-9))
        of_choice = full.cv_scores[index, np.arange(60)]
        np.testing.assert_allclose(of_choice, full.cv_scores.max(axis=0), rtol=1e-5, atol=1e-6)
        assert (single.alpha == full.alpha).mean() > 0.8
        same = single.alpha == full.alpha
        rows = np.concatenate(X)
        lagged = np.concatenate([np.roll(rows, lag, axis=0) for lag in LAGS], axis=1)
        for u in np.flatnonzero(same & (np.abs(full.weights).max(axis=0) > 0)):
            r = np.corrcoef(lagged @ full.weights[:, u], lagged @ single.weights[:, u])[0, 1]
            assert r > 1 - 1e-5


def test_screened_fit__has_the_float64_penalties_and_counts_what_it_left_out():
    """The public way: scores of what was ruled out are NaN, everything else is as without screening."""
    rng = np.random.default_rng(3)
    X = features(rng, 6, 8, 60, duplicates=2)
    folds = folds_of(X, hard_units(rng, X, 230))
    full, screened = (fit_moments(folds, ALPHAS, solver="eigh", all_scores=a) for a in (True, False))
    np.testing.assert_array_equal(screened.alpha, full.alpha)
    np.testing.assert_allclose(screened.weights, full.weights, rtol=1e-12)
    np.testing.assert_allclose(
        np.nanmax(screened.cv_scores, axis=0), full.cv_scores.max(axis=0), rtol=1e-12, atol=1e-15
    )
    assert np.isnan(screened.cv_scores).mean() > 0.5
    assert not np.isnan(full.cv_scores).any()


def test_screening__factorises_nothing_twice(monkeypatch):
    rng = np.random.default_rng(8)
    X = features(rng, 6, 4, 30)
    folds = folds_of(X, hard_units(rng, X, 12))
    factorised = []
    monkeypatch.setattr(arrays, "cholesky_solver", lambda m: factorised.append(1) or cholesky_solver(m))
    counts = []
    for all_scores in (True, False):
        factorised.clear()
        fit_moments(folds, ALPHAS, solver="cholesky", all_scores=all_scores)
        counts.append(len(factorised))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("solver", ["eigh", "cholesky"])
@pytest.mark.parametrize("all_scores", [True, False])
def test_unit_blocks__change_nothing(solver, all_scores):
    rng = np.random.default_rng(4)
    X = features(rng, 6, 5, 30)
    folds = folds_of(X, hard_units(rng, X, 23))
    whole, cut = (
        fit_moments(folds, ALPHAS, solver=solver, all_scores=all_scores, unit_block=block) for block in (512, 4)
    )
    np.testing.assert_array_equal(cut.alpha, whole.alpha)
    np.testing.assert_allclose(cut.cv_scores, whole.cv_scores, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cut.weights, whole.weights, rtol=1e-12)


@pytest.mark.parametrize("screen", [False, True])
def test_backend__search_never_leaves_its_device(screen):
    rng = np.random.default_rng(6)
    X = features(rng, 6, 4, 30)
    Y = hard_units(rng, X, 12)
    device = strict.Device("device1")
    there = [[strict.asarray(a, device=device) for a in arrays] for arrays in (X, Y)]
    found = search(MomentFolds(folds_of(*there), solver="eigh").validations(21), ALPHAS, screen=screen, unit_block=5)[0]
    expected = both(X, Y, ALPHAS, unit_block=5)[int(screen)]
    for name in ("gain", "base", "best"):
        array = getattr(found, name)
        assert array.device == device
        home = np.asarray(array.to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(home, getattr(expected, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("size", "duplicates", "standardize"), [(1.0, 2, True), (1e20, 0, False), (1e-20, 2, False)])
def test_screening__of_extreme_penalties_and_features_overflows_nowhere(size, duplicates, standardize):
    """Penalties lost beside the rounding of X'X count as that rounding, and single precision sees no extreme size."""
    rng = np.random.default_rng(1)
    X = features(rng, 6, 5, 40, duplicates=duplicates)
    folds = folds_of([size * x for x in X], hard_units(rng, X, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        full, screened = (
            fit_moments(folds, np.logspace(-300, 300, 31), standardize=standardize, solver="eigh", all_scores=a)
            for a in (True, False)
        )
    np.testing.assert_array_equal(screened.alpha, full.alpha)
    assert np.isfinite(full.cv_scores).all()
    assert np.isnan(screened.cv_scores).any()

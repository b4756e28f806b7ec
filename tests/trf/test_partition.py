"""Subsets of feature spaces against their own explicit fits, and parts of the variance that were planted."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.banded import band_candidates, fit_banded, lagged_bands, variance_shares
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.lags import drive
from distributed_trf.trf.partition import all_subsets, fit_subsets, n_candidates, parts_of_variance
from tests.slow_banded import ALPHAS, LAGS, explicit, folds_of, simulated


def columns_of(widths, subset):
    ends = np.cumsum(widths)
    return np.concatenate([np.arange(ends[k] - widths[k], ends[k]) for k in subset])


@given(seed=st.integers(0, 2**32 - 1), solver=st.sampled_from(["eigh", "cholesky", "dual"]))
@settings(max_examples=15)
def test_every_subset__equals_its_own_explicit_fit(seed, solver):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 4, size=3).tolist()
    X, Y = simulated(rng, widths, 3)
    fits = list(fit_subsets(folds_of(X, Y, solver), ALPHAS, widths, 3, all_subsets(3), candidates=9, seed=seed % 7))
    assert [f.subset for f in fits] == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    for f in fits:
        kept = columns_of(widths, f.subset)
        np.testing.assert_array_equal(f.features, kept)
        size = len(f.subset)
        candidates = band_candidates(size, n_candidates(size, 3, 9), seed=seed % 7)
        bands = lagged_bands([widths[k] for k in f.subset], 3)
        chosen, scores, weights = explicit([x[:, kept] for x in X], Y, bands, candidates)
        np.testing.assert_allclose(f.fit.cv_scores, scores, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(f.fit.alpha, [ALPHAS[a] for _, a in chosen])
        np.testing.assert_allclose(f.fit.weights, weights, rtol=1e-8, atol=1e-9 * np.abs(weights).max())


@pytest.mark.parametrize("solver", ["eigh", "dual"])
@pytest.mark.parametrize("scaling", ["shared", "per_session"])
@pytest.mark.parametrize("pad_with_mean", [False, True])
def test_subset_of_folds__is_what_collecting_its_features_alone_gives(solver, scaling, pad_with_mean):
    """With trials that one group of units lacks, and padded with the mean."""
    rng = np.random.default_rng(3)
    widths, kept = [2, 3, 1], [0, 1, 5]
    X, Y = simulated(rng, widths, 4, n_trials=8)
    X = [x + 5 for x in X]
    presented = [[True, i != 4] for i in range(8)]

    def collected(X):
        trials = [FoldTrials(X[k::2], Y[k::2], presented[k::2]) for k in range(2)]
        options = {"groups": [3, 1], "solver": solver, "scaling": scaling, "pad_with_mean": pad_with_mean}
        return collect_trials(trials, LAGS, 2, 3, **options)

    bands, candidates = lagged_bands([2, 1], 3), band_candidates(2, 4, seed=0)
    part = fit_banded(collected(X).of_features(np.array(kept), 6), ALPHAS, bands, candidates)
    alone = fit_banded(collected([x[:, kept] for x in X]), ALPHAS, bands, candidates)
    for name in ("alpha", "band_weights", "cv_scores", "weights", "intercept", "inverse"):
        np.testing.assert_allclose(getattr(part, name), getattr(alone, name), rtol=1e-9, atol=1e-10, err_msg=name)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
@settings(max_examples=20)
def test_parts__are_those_whose_sums_the_subsets_are(seed, n):
    """The definition, forwards: a subset explains all parts that have a space in it."""
    parts = all_subsets(n)
    variance = np.random.default_rng(seed).normal(size=(len(parts), 2))
    r2 = np.stack([sum(v for p, v in zip(parts, variance, strict=True) if set(p) & set(s)) for s in parts])
    np.testing.assert_allclose(parts_of_variance(r2, parts, n), variance, atol=1e-12)
    found = parts_of_variance(strict.asarray(r2), parts, n)
    np.testing.assert_allclose(np.asarray(found), variance, atol=1e-12)


def test_parts__of_chosen_subsets_are_those_that_follow_from_them():
    r2 = np.array([[0.5], [0.3], [0.45]])
    found = parts_of_variance(r2, [(0, 1, 2), (1, 2), (0, 2)], 3)
    parts = dict(zip(all_subsets(3), found[:, 0], strict=True))
    np.testing.assert_allclose([parts[0,], parts[1,]], [0.2, 0.05])
    assert all(np.isnan(v) for p, v in parts.items() if p not in [(0,), (1,)])


PLANTED = {(0,): 0.20, (1,): 0.10, (2,): 0.0, (0, 1): 0.15, (0, 2): 0.0, (1, 2): 0.05, (0, 1, 2): 0.10}
"""Parts of the variance; the rest, 0.4, is noise."""


def planted(n_trials, n_bins, n_units, seed):
    """Spaces of sources, one for each part and in all spaces that share it, beside three features of noise."""
    rng = np.random.default_rng(seed)
    parts = list(PLANTED)
    X, Y = [], []
    for _ in range(n_trials):
        sources = rng.normal(size=(n_bins, len(parts)))
        spaces = [sources[:, [k for k, p in enumerate(parts) if space in p]] for space in range(3)]
        X.append(np.hstack([np.hstack([s, rng.normal(size=(n_bins, 3))]) for s in spaces]))
        noise = np.sqrt(1 - sum(PLANTED.values())) * rng.normal(size=(n_bins, n_units))
        Y.append(sources @ np.sqrt(list(PLANTED.values()))[:, None] + noise)
    return X, Y, [4 + 3] * 3


def partitioned(X, Y, widths, n_train, candidates):
    """Parts of the variance of the test trials, product measure of all spaces, and R^2 of the subsets."""
    folds = collect_trials([FoldTrials(X[k:n_train:3], Y[k:n_train:3]) for k in range(3)], [0], 0, 5)
    subsets, r2 = all_subsets(len(widths)), []
    alphas = np.logspace(-5, 3, 5)
    for f in fit_subsets(folds, alphas, widths, 1, subsets, candidates=candidates, seed=0):
        predicted = drive([x[:, f.features] for x in X[n_train:]], f.fit.weights, [0], 0)
        r2.append(variance_shares(np.concatenate(Y[n_train:]), predicted[None])[0][0])
    return parts_of_variance(np.stack(r2), subsets, len(widths)), np.stack(r2)


def test_planted_variance__is_recovered_within_what_the_test_allows():
    """Standard errors of an R^2 from 12 000 bins are below 0.007, of a part of up to 8 of them below 0.02."""
    X, Y, widths = planted(40, 500, 6, seed=0)
    found, r2 = partitioned(X, Y, widths, 16, candidates=8)
    np.testing.assert_allclose(found, np.broadcast_to(list(PLANTED.values()), (6, 7)).T, atol=0.02)
    np.testing.assert_allclose(found.sum(axis=0), r2[-1], atol=1e-12)  # parts add up to what all explain
    np.testing.assert_allclose(found.sum(axis=0), sum(PLANTED.values()), atol=0.02)


def test_noise__is_shared_out_with_signs_around_zero():
    """Where nothing can be explained parts are small, of either sign, and none is cut at zero."""
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(60, 9)) for _ in range(20)]
    Y = [rng.normal(size=(60, 40)) for _ in range(20)]
    found, _ = partitioned(X, Y, [3, 3, 3], 14, candidates=4)
    assert np.abs(found).max() < 0.05
    assert (found < 0).any(axis=1).all()
    assert (found > 0).any(axis=1).all()


def test_suppression__makes_the_shared_part_negative():
    """One space is signal plus noise, the other is that noise: alone it explains nothing, beside the first a lot."""
    rng = np.random.default_rng(2)
    X, Y = [], []
    for _ in range(12):
        signal, noise = rng.normal(size=(2, 300, 1))
        X.append(np.hstack([signal + noise, noise]))
        Y.append(signal + 0.1 * rng.normal(size=(300, 1)))
    found, r2 = partitioned(X, Y, [1, 1], 8, candidates=4)
    np.testing.assert_allclose(r2[:, 0], [0.5, 0.0, 0.99], atol=0.05)
    np.testing.assert_allclose(found[:, 0], [0.99, 0.49, -0.49], atol=0.08)


def test_candidates__are_as_dense_for_few_spaces_as_for_all():
    assert [n_candidates(k, 6, 100) for k in range(1, 7)] == [1, 3, 6, 16, 40, 100]
    assert [n_candidates(k, 3, 1) for k in range(1, 4)] == [1, 1, 1]
    assert n_candidates(1, 1, 100) == 1


def test_bad_subsets__are_named():
    X, Y = simulated(np.random.default_rng(4), [1, 1], 1)
    folds = folds_of(X, Y, "eigh")
    with pytest.raises(ConfigError, match="7 feature spaces have 127 subsets; give at most 6"):
        all_subsets(7)
    for bad in ([(0, 2)], [(1, 0)], [()], [(0, 0)]):
        with pytest.raises(ConfigError, match=r"subsets\[0\]=.* must be indices below 2, ascending, each once"):
            list(fit_subsets(folds, ALPHAS, [1, 1], 3, bad, candidates=2, seed=0))
    with pytest.raises(ConfigError, match="listed twice"):
        list(fit_subsets(folds, ALPHAS, [1, 1], 3, [(0,), (0,)], candidates=2, seed=0))
    with pytest.raises(DataError, match=r"R\^2 has shape \(2, 1\); expected a row for each of 3 subsets"):
        parts_of_variance(np.zeros((2, 1)), all_subsets(2), 2)

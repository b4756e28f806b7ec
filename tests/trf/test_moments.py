"""Moments against the sums of the explicit lagged matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.moments import merge, moments_of
from tests.oracle import lag_matrix


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    n_features=st.integers(1, 3),
    first=st.integers(-14, 14),
    n_lags=st.integers(1, 6),
    lead_in=st.integers(0, 5),
    offset=st.sampled_from([0.0, 1e3]),
)
def test_moments__equal_the_sums_of_the_lag_matrix(seed, lengths, n_features, first, n_lags, lead_in, offset):
    """Lags may reach past a whole trial, trials may be one bin long and means may dwarf deviations."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(lead_in + t, n_features)) + offset for t in lengths]
    Y = [rng.normal(size=(t, 2)) + offset for t in lengths]
    lags = list(range(first, first + n_lags))
    found = moments_of(X, Y, lags, lead_in)
    rows, y = np.concatenate([lag_matrix(x, lags, lead_in) for x in X]), np.concatenate(Y)
    z, centred = rows - rows.mean(axis=0), y - y.mean(axis=0)
    size = np.abs(rows).max() + offset + 1
    assert found.n == rows.shape[0]
    np.testing.assert_allclose(found.x_mean, rows.mean(axis=0), rtol=1e-12, atol=1e-12 * size)
    np.testing.assert_allclose(found.y_mean, y.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.xx, z.T @ z, rtol=1e-11, atol=1e-12 * size**2)
    np.testing.assert_allclose(found.xy, z.T @ centred, rtol=1e-11, atol=1e-12 * size**2)
    np.testing.assert_allclose(found.yy, (centred**2).sum(axis=0), rtol=1e-11, atol=1e-12 * size**2)


@given(seed=st.integers(0, 2**32 - 1), parts=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_merge__any_split_gives_the_whole(seed, parts):
    rng = np.random.default_rng(seed)
    n = sum(parts)
    X = [rng.normal(size=(9, 2)) + 5 for _ in range(n)]
    Y = [rng.normal(size=(7, 3)) for _ in range(n)]
    order = rng.permutation(n)
    borders = np.cumsum(parts)[:-1]
    pieces = [
        moments_of([X[i] for i in chosen], [Y[i] for i in chosen], [0, 1, 2], 2) for chosen in np.split(order, borders)
    ]
    whole, merged = moments_of(X, Y, [0, 1, 2], 2), merge(pieces)
    for name in ("n", "x_mean", "y_mean", "xx", "xy", "yy"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-11, atol=1e-11)


@given(n=st.integers(2, 40), n_folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_folds__hold_every_trial_once_and_follow_the_seed(n, n_folds, seed):
    n_folds = min(n, n_folds)
    folds = assign_folds(n, n_folds, seed)
    assert sorted(np.concatenate(folds).tolist()) == list(range(n))
    assert [len(f) for f in folds[:-1]] == [n // n_folds] * (n_folds - 1)
    again = assign_folds(n, n_folds, seed)
    assert all((a == b).all() for a, b in zip(folds, again, strict=True))

"""Moments of a stream of trials against sums of the explicit lag matrix."""

from __future__ import annotations

import pickle
import tracemalloc

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distributed_trf.arrays import to_numpy
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf import block_sums
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.moments import Moments
from distributed_trf.trf.stream import MomentStream, moments_of
from tests.oracle import explicit_moments, lag_rows

CPU = strict.Device("CPU_DEVICE")


def near(found, expected, size, tolerance=1e-12):
    """Elements agree to a fraction of their size."""
    error = np.abs(to_numpy(found) - expected) - tolerance * size
    assert (error <= 0).all(), (to_numpy(found), expected)


def sizes(X, Y, lags, lead_in):
    """Norms of features (d,) and units (U,): element (i, j) of X'X may err by a small fraction of i times j.

    About the mean of the feature or unit; of a feature the largest over lags, since zeros outside trials make some
    lags' columns larger than others' and the lag structure carries one lag's rounding into the next.
    """
    centre = np.tile(np.concatenate(X).mean(axis=0), len(lags))
    norm = np.linalg.norm(lag_rows(X, lags, lead_in) - centre, axis=0).reshape(len(lags), -1).max(axis=0)
    y = np.concatenate(Y)
    return np.tile(norm, len(lags)) + 1e-9, np.linalg.norm(y - y.mean(axis=0), axis=0) + 1e-3 * np.abs(y).max() + 1e-9


def check(found: Moments, X, Y, presented, counts, lags, lead_in, groups, tolerance=1e-12):
    """Compare with the explicit sums of the trials, each repeated ``counts`` times."""
    everything = [i for i, count in enumerate(counts) for _ in range(count)]
    x_norm, y_norm = (max(counts) ** 0.5 * norm for norm in sizes(X, Y, lags, lead_in))
    start = 0
    for g, n_units in enumerate([None, *groups]):  # first the Gram, then each group
        own = [i for i in everything if g == 0 or presented[i][g - 1]]
        units = slice(start, start + (n_units or 0))
        start = units.stop
        sums = found.gram if g == 0 else found.cross[g - 1]
        assert sums.n == sum(Y[i].shape[0] for i in own)
        if not own:
            continue
        rows, y = lag_rows([X[i] for i in own], lags, lead_in), np.concatenate([Y[i] for i in own])[:, units]
        expected = explicit_moments(rows, y)
        near(sums.x_mean, expected["x_mean"], np.abs(rows).max(axis=0) + x_norm / len(rows) ** 0.5, tolerance)
        if g == 0:
            near(sums.xx, expected["xx"], x_norm[:, None] * x_norm, tolerance)
            continue
        near(sums.y_mean, expected["y_mean"], np.abs(y).max(axis=0) + y_norm[units] / len(rows) ** 0.5, tolerance)
        near(sums.xy, expected["xy"], x_norm[:, None] * y_norm[units], tolerance)
        near(sums.yy, expected["yy"], y_norm[units] ** 2, tolerance)
        lost = [i for i in range(len(X)) if not presented[i][g - 1]]
        if lost:  # in the order of arrival
            np.testing.assert_array_equal(to_numpy(sums.missing), lag_rows([X[i] for i in lost], lags, lead_in))
        else:
            assert sums.missing is None


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    n_features=st.integers(1, 3),
    first=st.integers(-14, 14),
    n_lags=st.integers(1, 6),
    lead_in=st.integers(0, 5),
    block_rows=st.integers(1, 80),
    offset=st.sampled_from([0.0, 30.0, 1e3]),
    data=st.data(),
)
def test_stream__gives_the_sums_of_the_lag_matrix(
    seed, lengths, n_features, first, n_lags, lead_in, block_rows, offset, data
):
    """Whatever the blocks and weights; lags may reach past a whole trial, trials may be one bin long."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(lead_in + t, n_features)) + offset for t in lengths]
    Y = [rng.normal(size=(t, 2)) + offset for t in lengths]
    n = len(lengths)
    counts = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any) | st.just([1] * n))
    lags = list(range(first, first + n_lags))
    stream = MomentStream(lags, lead_in, block_rows=block_rows)
    for x, y, weight in zip(X, Y, counts, strict=True):
        stream.add(x, y, weight=weight)
    check(stream.moments(), X, Y, [[True]] * n, counts, lags, lead_in, [2])


@given(
    seed=st.integers(0, 2**32 - 1),
    presented=st.lists(st.tuples(st.booleans(), st.booleans(), st.just(value=True)), min_size=1, max_size=6),
    first=st.integers(-3, 3),
    n_lags=st.integers(1, 4),
    lead_in=st.integers(0, 3),
    block_rows=st.integers(1, 40),
    offset=st.sampled_from([0.0, 1e3]),
)
@example(0, [(False, True, True), (True, True, True)], -1, 3, 1, 1, 1e3)
def test_stream__keeps_the_rows_that_a_group_of_units_did_not_hear(
    seed, presented, first, n_lags, lead_in, block_rows, offset
):
    """Each group's sums are those of the trials presented to it; other values in its columns are ignored."""
    rng = np.random.default_rng(seed)
    groups, lags = [1, 2, 1], list(range(first, first + n_lags))
    lengths = rng.integers(1, 9, size=len(presented))
    X = [rng.normal(size=(lead_in + t, 2)) + offset for t in lengths]
    Y = [rng.normal(size=(t, 4)) + offset for t in lengths]
    stream = MomentStream(lags, lead_in, groups=groups, block_rows=block_rows)
    for x, y, h in zip(X, Y, presented, strict=True):
        stream.add(x, np.where(np.repeat(h, groups), y, -77.0), presented=h)
    check(stream.moments(), X, Y, presented, [1] * len(presented), lags, lead_in, groups)


@given(seed=st.integers(0, 2**32 - 1), lengths=st.lists(st.integers(1, 12), min_size=2, max_size=8), data=st.data())
def test_order_of_arrival__changes_nothing(seed, lengths, data):
    rng = np.random.default_rng(seed)
    X, Y = ([rng.normal(size=(n, 2)) + 30 for n in lengths] for _ in range(2))
    order = data.draw(st.permutations(range(len(lengths))))
    stream = MomentStream([-1, 0, 1], 0, block_rows=10)
    for i in order:
        stream.add(X[i], Y[i])
    check(stream.moments(), X, Y, [[True]] * len(X), [1] * len(X), [-1, 0, 1], 0, [2])


@given(seed=st.integers(0, 2**32 - 1), first=st.integers(-2, 2), offset=st.sampled_from([0.0, 30.0]))
def test_float32__products_agree_to_single_precision(seed, first, offset):
    rng = np.random.default_rng(seed)
    X = [(rng.normal(size=(3 + t, 2)) + offset).astype(np.float32) for t in (50, 1, 70, 30)]
    Y = [(rng.normal(size=(x.shape[0] - 3, 2)) + offset).astype(np.float32) for x in X]
    lags = list(range(first, first + 3))
    stream = MomentStream(lags, 3, dtype="float32", block_rows=60)
    for x, y in zip(X, Y, strict=True):
        stream.add(x, y)
    found = stream.moments()
    assert found.gram.xx.dtype == found.cross[0].xy.dtype == np.float64
    X, Y = ([a.astype(np.float64) for a in arrays] for arrays in (X, Y))
    check(found, X, Y, [[True]] * 4, [1] * 4, lags, 3, [2], tolerance=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(
    seed=st.integers(0, 2**32 - 1),
    value=st.sampled_from([0.0, 0.1, -7.3, 1e3 + 0.1, 1e-7]),
    n_trials=st.integers(1, 40),
    first=st.integers(-3, 1),
    block_rows=st.sampled_from([1, 30, 8192]),
)
def test_constants__have_exactly_no_variance(dtype, seed, value, n_trials, first, block_rows):
    """A constant unit, and a constant feature at every lag that no padding reaches, whatever the other lags hold."""
    rng = np.random.default_rng(seed)
    lengths, lags = rng.integers(4, 40, size=n_trials), list(range(first, first + 4))
    stream = MomentStream(lags, 1, groups=[1, 2], dtype=dtype, block_rows=block_rows)
    for i, t in enumerate(lengths):
        y = np.stack([np.full(t, value), rng.normal(size=t), np.full(t, value)], axis=1)
        stream.add(np.stack([np.full(t + 1, value), rng.normal(size=t + 1)], axis=1), y, presented=[True, i % 3 == 0])
    found = stream.moments()
    np.testing.assert_array_equal(found.cross[0].yy, 0)
    np.testing.assert_array_equal(found.cross[1].yy[1], 0)
    constant = [a for a, lag in enumerate(lags) if 0 <= lag <= 1]
    np.testing.assert_array_equal(found.gram.xx[[2 * a for a in constant], :], 0)
    np.testing.assert_array_equal(found.gram.xx[:, [2 * a for a in constant]], 0)
    if value:
        padded = [2 * a for a, lag in enumerate(lags) if not 0 <= lag <= 1]
        assert (np.diag(found.gram.xx)[padded] > 0).all()


@pytest.mark.parametrize("edge_rows", [1, 5, 1000])
def test_edges__may_be_summed_however_many_at_once(monkeypatch, edge_rows):
    monkeypatch.setattr(block_sums, "EDGE_ROWS", edge_rows)
    rng = np.random.default_rng(0)
    lengths, lags, counts = [3, 1, 8, 5, 2], [-1, 0, 1, 2], [1, 2, 0, 1, 3]
    X = [rng.normal(size=(2 + t, 2)) + 30 for t in lengths]
    Y = [rng.normal(size=(t, 2)) for t in lengths]
    stream = MomentStream(lags, 2, block_rows=4)
    for x, y, weight in zip(X, Y, counts, strict=True):
        stream.add(x, y, weight=weight)
    for _ in range(2):  # asked twice, the answer is the same
        check(stream.moments(), X, Y, [[True]] * 5, counts, lags, 2, [2])


def test_memory__does_not_grow_with_the_number_of_trials():
    """Each trial is a block; enough of them to fill all that is collected, and five times as many, peak alike."""

    def peak(n_trials):
        rng = np.random.default_rng(0)
        stream = MomentStream([0, 1, 2, 3], 3, block_rows=64)
        tracemalloc.start()
        for _ in range(n_trials):
            stream.add(rng.normal(size=(67, 8)), rng.normal(size=(64, 8)))
        stream.moments()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    few, many = peak(600), peak(3000)
    assert abs(many - few) < 0.2 * few


def test_weights__of_trials_that_were_presented_to_some_only_are_refused():
    stream = MomentStream([0], 0, groups=[1, 1])
    with pytest.raises(DataError, match="presented to only some units has weight 2; expected 1"):
        stream.add(np.ones((3, 1)), np.ones((3, 2)), weight=2.0, presented=[True, False])


def test_weights_of_zero__give_moments_of_no_rows():
    x, y = np.arange(6.0)[:, None], np.arange(6.0)[:, None]
    nothing = moments_of([x, x], [y, y], [0, 1], 0, weights=[0, 0])
    assert nothing.gram.n == nothing.cross[0].n == 0
    for array in (nothing.gram.xx, nothing.cross[0].xy, nothing.cross[0].yy):
        np.testing.assert_array_equal(array, 0)
    whole = moments_of([x], [y], [0, 1], 0)
    np.testing.assert_array_equal((whole + nothing).gram.xx, whole.gram.xx)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights__must_be_finite_and_not_negative(weight):
    with pytest.raises(DataError, match=f"a trial has weight {weight:g}; it must be a number from 0 up"):
        moments_of([np.ones((3, 1))], [np.ones((3, 1))], [0], 0, weights=[weight])


def test_no_trial__is_an_error():
    with pytest.raises(DataError, match="no trial was added"):
        MomentStream([0], 0).moments()


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    first=st.integers(-9, 9),
    lead_in=st.integers(0, 3),
    weighted=st.booleans(),
)
def test_backend__any_library_gives_the_same_sums_on_its_device(seed, lengths, first, lead_in, weighted):
    """array-api-strict refuses slices that reach out of an array, which numpy and cupy cut off."""
    rng = np.random.default_rng(seed)
    X, Y = [rng.normal(size=(lead_in + t, 2)) for t in lengths], [rng.normal(size=(t, 2)) for t in lengths]
    device = strict.Device("device1")
    lags, n = [first, first + 1, first + 2], len(lengths)
    presented = [[True, weighted or i % 2 == 0] for i in range(n)]
    stream = MomentStream(lags, lead_in, groups=[1, 1], block_rows=4)
    for x, y, h in zip(X, Y, presented, strict=True):
        stream.add(
            strict.asarray(x, device=device),
            strict.asarray(y, device=device),
            weight=2.0 if weighted else 1.0,
            presented=h,
        )
    found = stream.moments()
    assert found.gram.xx.device == device

    def home(sums):
        moved = {k: v.to_device(CPU) if hasattr(v, "to_device") else v for k, v in vars(sums).items()}
        return type(sums)(**moved)

    found = Moments(home(found.gram), tuple(home(cross) for cross in found.cross))
    check(found, X, Y, presented, [2 if weighted else 1] * n, lags, lead_in, [1, 1])


@pytest.mark.parametrize("lags", [[], [0, 2], [1, 0], [0, 0], [0.5, 1.5]])
def test_moments__of_lags_that_are_not_consecutive_are_refused(lags):
    """They would be summed as if they were."""
    x = np.ones((5, 1))
    with pytest.raises(ConfigError, match=r"lags=\[.*\] must be consecutive whole numbers of samples"):
        moments_of([x], [x], lags, 0)
    with pytest.raises(ConfigError, match="lead_in=-1 must be a whole number, 0 or more"):
        moments_of([x], [x], [0], -1)


def test_moments__are_pickled_and_say_what_they_are_of():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 3))
    parts = [moments_of([x[k::3]], [y[k::3]], [0, 1], 0) for k in range(3)]
    assert repr(parts[0]) == "Moments(6 lagged features, 3 units, 20 rows)"
    again = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(fit_moments(again, [1.0]).weights, fit_moments(parts, [1.0]).weights)


def test_weights__are_one_for_each_trial():
    x = np.ones((3, 1))
    with pytest.raises(DataError, match="there are 2 trials and 1 weights; give one weight for each trial"):
        moments_of([x, x], [x, x], [0], 0, weights=[1.0])


def test_moments__of_other_features_or_units_do_not_add_up_and_are_no_folds():
    x, y = np.random.default_rng(0).normal(size=(2, 6, 3))
    some, more = moments_of([x], [y], [0, 1], 0), moments_of([x[:, :2]], [y[:, :2]], [0, 1], 0)
    said = r"Moments\(6 lagged features, 3 units, 6 rows\) and Moments\(4 lagged features, 2 units, 6 rows\) differ"
    with pytest.raises(DataError, match=said):
        some + more
    with pytest.raises(DataError, match=said):
        fit_moments([some, more], [1.0])

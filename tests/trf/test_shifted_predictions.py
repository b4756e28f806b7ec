"""Predictions against shifted copies of them: a loop over copies, and data whose truth is known."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.arrays import to_numpy
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.shifted_predictions import draw_shifts, shifted_p
from tests.oracle import correlation

TIE = 1e-12


def named(bins):
    return {f"s{k}": n for k, n in enumerate(bins)}


def mean_r(y, p):
    """Mean over repeats of one unit's r; a repeat that never varies counts as zero."""
    return np.nan_to_num([correlation(repeat, p) for repeat in y]).mean()


def loop(y, p, shifts, *, out_of_fold):
    """Move the prediction of each stimulus, copy by copy, and correlate it with each repeat."""
    ends = np.cumsum(shifts.bins)[:-1]
    widening = 2**0.5 if out_of_fold else 1
    found = []
    for u in range(p.shape[1]):
        if np.ptp(p[:, u]) == 0 or not np.ptp(y[:, :, u], axis=1).any():
            found.append(np.nan)
            continue
        r = mean_r(y[:, :, u], p[:, u])
        if (shifts.bins == 1).all():
            n = p.shape[0]
            copies = [mean_r(y[:, :, u], np.roll(p[order, u], k)) for order in shifts.moves for k in range(n)][1:]
        else:
            parts = np.split(p[:, u], ends)
            copies = [
                mean_r(y[:, :, u], np.concatenate([np.roll(part, k) for part, k in zip(parts, move, strict=True)]))
                for move in shifts.moves
            ]
        # What the means of stimuli add is the same in all copies: the product of such means, at the norm of all of p.
        means = np.concatenate([np.full(len(part), part.mean()) for part in np.split(p[:, u], ends)])
        level = (
            0
            if (shifts.bins == 1).all() or np.ptp(means) == 0
            else mean_r(y[:, :, u], means) * means.std() / p[:, u].std()
        )
        reached = sum(level + widening * (copy - level) >= r - TIE for copy in copies)
        found.append((reached + 1) / (len(copies) + 1))
    return np.array(found)


@settings(max_examples=40, deadline=None)
@given(
    bins=st.lists(st.integers(1, 12), min_size=1, max_size=6) | st.integers(2, 9).map(lambda n: [1] * n),
    repeats=st.integers(1, 4),
    counts=st.booleans(),
    out_of_fold=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_p__is_that_of_a_loop_over_copies(bins, repeats, counts, out_of_fold, seed):
    rng = np.random.default_rng(seed)
    n = sum(bins)
    y = rng.poisson(0.7, (repeats, n, 5)).astype(float) if counts else rng.normal(size=(repeats, n, 5)) + 20
    y[0, :, 0] = 3.0  # a repeat that never varies
    y[:, :, 1] = 0.0  # a unit
    p = rng.normal(size=(n, 5)) * 1e-3 + 7
    p[:, 2] = 0.1  # a prediction
    shifts = draw_shifts(named(bins), 30, seed)
    found = shifted_p(y, p, shifts, out_of_fold=out_of_fold)
    np.testing.assert_allclose(found, loop(y, p, shifts, out_of_fold=out_of_fold), rtol=1e-12)
    assert (np.isnan(found) == np.isnan(mean_over_repeats(y, p))).all()
    strictly = shifted_p(strict.asarray(y), strict.asarray(p), shifts, out_of_fold=out_of_fold)
    np.testing.assert_allclose(to_numpy(strictly), found, rtol=1e-12)


def test_p__of_a_prediction_within_rounding_is_nan():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 40, 3)), rng.normal(size=(40, 3))
    bound = np.array([0.0, 1e6, 0.0])
    found = shifted_p(y, p, draw_shifts({"a": 25, "b": 15}, 20, 0), bound)
    assert np.isnan(found).tolist() == np.isnan(mean_over_repeats(y, p, bound)).tolist() == [False, True, False]


def test_units__are_judged_alike_alone_and_among_many():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(3, 400, 300)), rng.normal(size=(400, 300))
    shifts = draw_shifts(named([50] * 8), 100, 0)
    together = shifted_p(y, p, shifts)
    alone = [shifted_p(y[:, :, u : u + 1], p[:, u : u + 1], shifts)[0] for u in range(0, 300, 37)]
    np.testing.assert_array_equal(together[::37], alone)


def test_prediction__that_varies_between_stimuli_alone_is_no_better_than_its_copies():
    rng = np.random.default_rng(2)
    level = np.repeat(rng.normal(size=6), 20)[:, np.newaxis]
    y = level + rng.normal(size=(4, 120, 1))
    shifts = draw_shifts(named([20] * 6), 50, 0)
    assert mean_over_repeats(y, level)[0] > 0.4
    assert shifted_p(y, level, shifts).tolist() == shifted_p(y, level, shifts, out_of_fold=True).tolist() == [1.0]


def autoregressive(rng, shape, coefficient):
    """Noise of unit variance, each value of which holds so much of the one before, along the axis before the last."""
    e = rng.normal(size=shape)
    x = np.moveaxis(e, -2, 0)
    for t in range(1, len(x)):
        x[t] = coefficient * x[t - 1] + (1 - coefficient**2) ** 0.5 * x[t]
    return np.moveaxis(x, 0, -2)


BINS = (27, 29, 30, 31, 33, 34, 34, 36, 38, 39)


def series(rng, repeats, units, coefficient, bins=BINS):
    return np.concatenate([autoregressive(rng, (repeats, n, units), coefficient) for n in bins], axis=1)


def bounds(level, n):
    """Share of n units below a level that chance gives in all but one case of a million."""
    return np.array(scipy.stats.binom.interval(1 - 1e-6, n, level)) / n


def test_p__of_noise_is_uniform_where_a_t_test_is_not():
    rng, units = np.random.default_rng(3), 2000
    y = series(rng, 11, units, 0.8) + 2 * series(rng, 1, units, 0.8)  # part of it repeats, unrelated to the prediction
    p = series(rng, 1, units, 0.8)[0]
    found = shifted_p(y, p, draw_shifts(named(BINS), 400, 0))
    for level in (0.05, 0.2, 0.5, 0.8):
        low, high = bounds(level, units)
        assert low - 0.01 < (found <= level).mean() < high + 0.01, level  # the seams
    r = mean_over_repeats(y.mean(axis=0)[np.newaxis], p)
    t = r * np.sqrt((sum(BINS) - 2) / (1 - r**2))
    assert (scipy.stats.t.sf(t, sum(BINS) - 2) < 0.05).mean() > 0.2


def test_p__of_values_that_nothing_predicts_is_uniform():
    rng, units = np.random.default_rng(4), 2000
    y, p = rng.exponential(size=(1, 40, units)), rng.exponential(size=(40, units))
    found = shifted_p(y, p, draw_shifts(named([1] * 40), 200, 0))
    for level in (0.05, 0.2, 0.5):
        low, high = bounds(level, units)
        assert low < (found <= level).mean() < high, level


def test_what_is_predicted__is_found():
    rng, units = np.random.default_rng(5), 300
    p = series(rng, 1, units, 0.8)[0]
    y = p + 3 * series(rng, 11, units, 0.8)
    assert (shifted_p(y, p, draw_shifts(named(BINS), 400, 0)) < 0.01).mean() > 0.9
    values = rng.normal(size=(60, units))
    of_values = shifted_p(
        (values + rng.normal(size=(60, units)))[np.newaxis], values, draw_shifts(named([1] * 60), 400, 0)
    )
    assert (of_values < 0.01).mean() > 0.9


def test_out_of_fold__holds_its_level_where_copies_as_they_are_do_not():
    rng, n, t, units = np.random.default_rng(6), 20, 40, 4000
    X = series(rng, 1, 10, 0.8, [t] * n)[0]
    y = series(rng, 1, units, 0.6, [t] * n)
    fold, p = np.repeat(np.arange(n) % 5, t), np.zeros((n * t, units))
    for k in range(5):
        train = fold != k
        mean = y[0, train].mean(axis=0)
        p[~train] = X[~train] @ np.linalg.lstsq(X[train], y[0, train] - mean, rcond=None)[0] + mean
    shifts = draw_shifts(named([t] * n), 400, 0)
    low, high = bounds(0.05, units)
    assert (shifted_p(y, p, shifts) <= 0.05).mean() > high
    assert 0.01 < (shifted_p(y, p, shifts, out_of_fold=True) <= 0.05).mean() < high


def test_draws__are_of_each_stimulus_alone():
    every = draw_shifts({"a": 30, "b": 4, "c": 7}, 500, 3, ("timit", 50))
    some = draw_shifts({"c": 7, "a": 30}, 500, 3, ("timit", 50.0))
    np.testing.assert_array_equal(every.moves[:, [2, 0]], some.moves)
    assert every.moves.min() == 0
    assert every.moves.max(axis=0).tolist() == [29, 3, 6]
    other = draw_shifts({"a": 30, "b": 4, "c": 7}, 500, 4, ("timit", 50))
    assert (other.moves != every.moves).any()


def test_orders__are_permutations_of_which_the_first_is_the_given_one():
    orders = draw_shifts(named([1] * 7), 30, 0).moves
    assert orders.shape == (5, 7)
    assert orders[0].tolist() == list(range(7))
    assert (np.sort(orders, axis=1) == np.arange(7)).all()
    assert draw_shifts(named([1] * 7), 3, 0).moves.shape == (1, 7)


def test_what_does_not_fit__is_refused():
    shifts = draw_shifts({"a": 5, "b": 5}, 10, 0)
    with pytest.raises(DataError, match="2 stimuli with 10 bins in all"):
        shifted_p(np.zeros((2, 9, 1)), np.zeros((9, 1)), shifts)
    with pytest.raises(ConfigError, match="shifts=0"):
        draw_shifts({"a": 5}, 0, 0)
    with pytest.raises(DataError, match="no stimuli"):
        draw_shifts({}, 10, 0)

"""Intervals against every candidate tried in a loop, and their statistic against the normal distribution."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.reliability.noise_corrected import RepeatPowers, r2_er
from distributed_trf.reliability.noise_intervals import Statistic, interval_of, r2_er_interval
from distributed_trf.trf.correlation import pearson
from tests.reliability.test_noise_corrected import simulated, smooth
from tests.slow_noise_corrected import slow_interval, slow_noise, slow_normal, slow_sums


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(4, 30), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_interval__is_that_of_the_loop(repeats, bins, strength, seed):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=(bins, 2))
    y = 5 + rng.normal(size=(repeats, bins, 2)) * rng.uniform(0.2, 2, (bins, 2)) + strength * p
    low, high = r2_er_interval(y, p)
    for u in range(2):
        expected = slow_interval(y[:, :, u], p[:, u], 2001)
        assert low[u] == pytest.approx(expected[0], abs=6e-4)
        assert high[u] == pytest.approx(expected[1], abs=6e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(4, 30), st.floats(0, 3), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_statistic__is_that_of_the_loop(repeats, bins, strength, q, seed):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=bins)
    y = rng.normal(size=(repeats, bins)) * rng.uniform(0.2, 2, bins) + strength * p
    parts = slow_sums(y, p) + slow_noise(y, p)
    found = Statistic(repeats, *(np.array([part]) for part in parts)).normal(np.array([q]))
    assert found[0] == pytest.approx(slow_normal(q, repeats, *parts), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("true", [0.0, 0.02, 0.3, 0.9, 1.0])
@pytest.mark.parametrize(("repeats", "signal"), [(2, 0.02), (3, 1.0), (8, 0.1), (8, 1.0)])
def test_statistic__is_normal_at_the_true_value(repeats, signal, true):
    """With the covariance known: each tail of 20 000 within 4 standard errors of 2.5 %, or below where signal is low.

    Of a prediction of nothing in two repeats it is up to 0.5 % more: three moments do not describe such products.
    """
    n, units = 40, 20_000
    y, p = simulated(np.random.default_rng(0), (repeats, n, units), true=true, signal=signal)
    of_repeats = RepeatPowers.of(y)
    shared, powers = of_repeats.shared(pearson(y, p)), of_repeats.signal
    per_repeat = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).mean(axis=0)  # the unit of what is compared
    even = [np.full(units, value) for value in (1.0, n - 1.0, n - 1.0)]
    normal = Statistic(repeats, shared * per_repeat, powers * per_repeat, *even).normal(np.full(units, true))
    tails = np.mean(normal > 1.96), np.mean(normal < -1.96)
    assert max(tails) < 0.025 + 4 * np.sqrt(0.025 * 0.975 / units) + (0.005 if true < 0.1 else 0)
    if true >= 0.9 or (signal == 1.0 and true == 0.3):
        assert min(tails) > 0.025 - 4 * np.sqrt(0.025 * 0.975 / units)


def test_noise_that_lasts__widens_the_interval():
    """Predictions of half of the signal, both smooth: 1000 units, coverage within 4 standard errors and 2 %."""
    rng = np.random.default_rng(1)
    shape = (6, 330, 1000)
    one, other = (x - x.mean(axis=0) for x in (smooth(rng, shape[1:]), smooth(rng, shape[1:])))
    other = other - one * (one * other).sum(axis=0) / (one**2).sum(axis=0)
    one, other = (x / x.std(axis=0) for x in (one, other))
    y, p = smooth(rng, shape) + 0.3 * one, one + other
    low, high = r2_er_interval(y, p)
    assert abs(np.mean((low <= 0.5) & (high >= 0.5)) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1000) + 0.02
    white_low, white_high = r2_er_interval(rng.normal(size=shape) + 0.3 * one, p)
    assert np.median(high - low) > 1.3 * np.median(white_high - white_low)


def test_estimate__is_inside_wherever_it_is_a_share():
    y, p = simulated(np.random.default_rng(2), (3, 200, 500), signal=0.2)
    estimate, (low, high) = r2_er(y, p), r2_er_interval(y, p)
    share = (estimate >= 0) & (estimate <= 1)
    assert share.sum() > 300
    assert ((low <= estimate) & (estimate <= high))[share].all()
    assert ((low >= 0) & (low <= high) & (high <= 1)).all()


def test_no_signal__leaves_every_value_open():
    y, p = simulated(np.random.default_rng(3), (4, 300, 300), signal=0.0)
    low, high = r2_er_interval(y, p)
    assert np.isnan(r2_er(y, p)).mean() > 0.3
    assert not np.isnan(low).any()
    assert np.mean(high - low > 0.9) > 0.85


def test_no_noise__leaves_one_value():
    rng = np.random.default_rng(4)
    one, p = rng.normal(size=(2, 100, 5))
    low, high = r2_er_interval(np.stack([one] * 4), p)
    true = [np.corrcoef(one[:, u], p[:, u])[0, 1] ** 2 for u in range(5)]
    np.testing.assert_allclose(low, true, atol=2e-6)
    np.testing.assert_allclose(high, true, atol=2e-6)


@pytest.mark.parametrize(("shared", "both"), [(-9.0, 0.0), (99.0, 1.0)])
def test_statistic_out_of_reach__gives_an_end(shared, both):
    parts = [np.array([value]) for value in (shared, 20.0, 0.5, 10.0, 5.0)]
    assert interval_of(Statistic(5, *parts)) == (both, both)


def test_no_interval__of_what_never_varies_or_is_not_repeated():
    y, p = simulated(np.random.default_rng(5), (4, 50, 4))
    y[:, :, 0], p[:, 1] = 7.1, 0.3
    y[1:, :, 2] = 0
    for edge in r2_er_interval(y, p):
        np.testing.assert_array_equal(np.isnan(edge), [True, True, False, False])
    for edge in r2_er_interval(y[:1], p):
        assert np.isnan(edge).all()
    for edge in r2_er_interval(y, p, rounding=2.0):
        assert np.isnan(edge).all()


def test_rare_spikes__have_an_interval_without_a_warning():
    rng = np.random.default_rng(6)
    y, p = rng.poisson(0.004, size=(3, 330, 400)).astype(float), smooth(rng, (330, 400))
    low, high = r2_er_interval(y, p)
    np.testing.assert_array_equal(np.isnan(low), ~(np.ptp(y, axis=1) > 0).any(axis=0))
    assert np.nanmedian(high - low) > 0.9


def test_scale_and_level__do_not_matter():
    y, p = simulated(np.random.default_rng(7), (4, 60, 5), signal=3.0)
    np.testing.assert_allclose(r2_er_interval(1e9 * (y + 1e3), 1e-9 * p), r2_er_interval(y, p), atol=2e-6)
    np.testing.assert_allclose(r2_er_interval(1e-15 * y, p), r2_er_interval(y, p), atol=2e-6)


def test_units__are_the_same_alone():
    y, p = simulated(np.random.default_rng(8), (11, 330, 90))
    together = np.array(r2_er_interval(y, p))
    for u in (0, 40, 89):
        np.testing.assert_allclose(r2_er_interval(y[:, :, [u]], p[:, [u]]), together[:, [u]], atol=2e-6)


@pytest.mark.parametrize("repeats", [3, 5])
def test_other_arrays__give_the_same_numbers(repeats):
    y, p = simulated(np.random.default_rng(9), (repeats, 41, 3))
    device = strict.Device("device1")
    found = r2_er_interval(strict.asarray(y, device=device), strict.asarray(p, device=device))
    for edge, expected in zip(found, r2_er_interval(y, p), strict=True):
        assert edge.device == device
        np.testing.assert_allclose(np.asarray(edge.to_device(strict.Device("CPU_DEVICE"))), expected, atol=2e-6)


def test_shapes__are_checked():
    with pytest.raises(DataError, match=r"responses are \(5, 2\) and predictions \(5, 2\)"):
        r2_er_interval(np.ones((5, 2)), np.ones((5, 2)))

"""Noise-corrected correlations against their formulas written out, and against the truth of simulated units."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.reliability.ceilings import ccmax, signal_power
from distributed_trf.reliability.noise_corrected import cc_norm, r2_er
from tests.slow_noise_corrected import slow_sums, slow_white

ESTIMATES = {
    "any": r2_er,
    "white": lambda y, p, **options: r2_er(y, p, noise="white", **options),
    "cc_norm": cc_norm,
}


def smooth(rng, shape):
    """Noise in which neighbouring bins are alike, along the last axis but one."""
    white = rng.normal(size=(*shape[:-2], shape[-2] + 8, shape[-1]))
    return sum(white[..., k : shape[-2] + k, :] for k in range(8)) / np.sqrt(8)


def simulated(rng, shape, true=0.5, signal=1.0, noise=None):
    """Responses of shape (R, T, U) with white noise of variance 1 around signals, and predictions of these."""
    one, other = (x - x.mean(axis=0) for x in rng.normal(size=(2, *shape[1:])))
    other = other - one * (one * other).sum(axis=0) / (one**2).sum(axis=0)
    one, other = (x / np.sqrt((x**2).sum(axis=0)) for x in (one, other))
    noise = rng.normal(size=shape) if noise is None else noise
    return noise + one * np.sqrt(signal * shape[1]), np.sqrt(true) * one + np.sqrt(1 - true) * other


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(3, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_r2_er__is_the_loop_over_units_and_pairs(repeats, bins, units, seed):
    rng = np.random.default_rng(seed)
    p = rng.normal(size=(bins, units))
    y = 3 + rng.normal(size=(repeats, bins, units)) + p * rng.uniform(0, 2, units)
    found, published, norm = (of(y, p) for of in ESTIMATES.values())
    for u in range(units):
        shared, signal = slow_sums(y[:, :, u], p[:, u])
        assert found[u] == pytest.approx(shared / signal, rel=1e-9) if signal > 0 else np.isnan(found[u])
        numerator, denominator = slow_white(y[:, :, u], p[:, u])
        expected = numerator / denominator if denominator > 0 else np.nan
        assert published[u] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
        if signal > 0:
            r = np.corrcoef(p[:, u], y[:, :, u].mean(axis=0))[0, 1]
            assert norm[u] == pytest.approx(r / ccmax(y)[u], rel=1e-9)
            assert signal == pytest.approx(bins * signal_power(y)[u], rel=1e-9)


def test_white__is_what_a_hand_computes():
    """Mean 1, 3, 5; variances over repeats 2, 2, 2; p is -1, 0, 1: (4^2 - 1 * 2) / (2 * 8 - 2 * 1 * 2)."""
    y = np.array([[0.0, 4.0, 6.0], [2.0, 2.0, 4.0]])[:, :, np.newaxis]
    p = np.array([[-1.0], [0.0], [1.0]])
    assert ESTIMATES["white"](y, p)[0] == pytest.approx(14 / 12)
    # Products of the repeats, (6 * 2) / (2 * the sum of (-10/3, 2/3, 8/3) * (-2/3, -2/3, 4/3)) = 12 / (2 * 16/3).
    assert r2_er(y, p)[0] == pytest.approx(12 / (2 * 16 / 3))


def test_both__agree_where_noise_is_white():
    """What separates them is the noise of the numerator, of which neither has any on the whole."""
    y, p = simulated(np.random.default_rng(0), (11, 330, 400))
    found, published = r2_er(y, p), ESTIMATES["white"](y, p)
    for values in (found, published):
        assert abs(values.mean() - 0.5) < 4 * values.std() / 20 + 1e-3
    assert np.median(abs(found - published)) < 0.003
    assert np.median(abs(found - 0.5)) > 0.008


def test_noise_that_lasts__stays_in_the_published_numerator_alone():
    """Predictions of nothing: the true value is 0, and the mean over 500 units is within 4 standard errors of it."""
    rng = np.random.default_rng(1)
    y, _ = simulated(rng, (3, 330, 500), noise=smooth(rng, (3, 330, 500)), signal=0.5)
    p = smooth(rng, (330, 500))
    found, published = r2_er(y, p), ESTIMATES["white"](y, p)
    chance = 1 / 330  # a prediction of nothing correlates with the signal by chance, by 1/T on the whole
    error = found.std() / np.sqrt(500)
    assert abs(found.mean() - chance) < 4 * error
    assert published.mean() - chance > 6 * error


@pytest.mark.parametrize("true", [0.25, 0.81])
def test_known_truth__is_recovered(true):
    y, p = simulated(np.random.default_rng(2), (6, 300, 300), true=true)
    found = r2_er(y, p)
    assert abs(np.median(found) - true) < 0.01
    assert abs(np.median(cc_norm(y, p) ** 2) - true) < 0.01
    raw = np.array([np.corrcoef(p[:, u], y.mean(axis=0)[:, u])[0, 1] for u in range(300)]) ** 2
    assert true - np.median(raw) > 0.03


@pytest.mark.parametrize("name", ESTIMATES)
def test_no_number__where_there_is_none(name):
    rng = np.random.default_rng(3)
    y, p = simulated(rng, (4, 50, 6))
    y[:, :, 0], p[:, 1] = 7.1, 0.3  # never vary
    y[1:, :, 2] = 0  # silent repeats
    y[:, :, 3] = rng.normal(size=50) * np.array([[1], [1], [-1], [-1]])
    found = ESTIMATES[name](y, p)
    lone = name != "white"  # of one repeat with spikes the published power of the signal is of either sign, near 0
    np.testing.assert_array_equal(np.isnan(found), [True, True, lone, True, False, False])
    assert np.isnan(ESTIMATES[name](y[:1], p)).all()
    below = ESTIMATES[name](y, p, rounding=np.array([0, 0, 0, 0, 2.0, 0]))
    np.testing.assert_array_equal(np.isnan(below), [True, True, lone, True, True, False])


def test_sign__is_lost_in_the_square_alone():
    y, p = simulated(np.random.default_rng(4), (8, 300, 3))
    np.testing.assert_allclose(r2_er(y, -p), r2_er(y, p), rtol=1e-12)
    np.testing.assert_allclose(cc_norm(y, -p), -cc_norm(y, p), rtol=1e-12)
    assert (cc_norm(y, p) > 0.5).all()


@pytest.mark.parametrize("name", ESTIMATES)
def test_scale_and_level__do_not_matter(name):
    y, p = simulated(np.random.default_rng(5), (4, 60, 5), signal=3.0)
    expected = ESTIMATES[name](y, p)
    np.testing.assert_allclose(ESTIMATES[name](1e-15 * y, 1e12 * p - 1e12), expected, rtol=1e-3)
    np.testing.assert_allclose(ESTIMATES[name](1e9 * (y + 1e3), 1e-9 * p), expected, rtol=1e-8)


@pytest.mark.parametrize("name", ESTIMATES)
def test_units__are_the_same_alone(name):
    y, p = simulated(np.random.default_rng(6), (11, 330, 90))
    alone = [ESTIMATES[name](y[:, :, u : u + 1], p[:, u : u + 1])[0] for u in (0, 40, 89)]
    np.testing.assert_allclose(ESTIMATES[name](y, p)[[0, 40, 89]], alone, rtol=1e-12)


@pytest.mark.parametrize("name", ESTIMATES)
def test_other_arrays__give_the_same_numbers(name):
    y, p = simulated(np.random.default_rng(7), (5, 40, 3), signal=2.0)
    device = strict.Device("device1")
    found = ESTIMATES[name](strict.asarray(y, device=device), strict.asarray(p, device=device))
    assert found.device == device
    host = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
    np.testing.assert_allclose(host, ESTIMATES[name](y, p), rtol=1e-12)


def test_shapes_and_words__are_checked():
    with pytest.raises(
        DataError, match=r"responses are \(3, 5, 2\) and predictions \(4, 2\); expected \(repeats, bins"
    ):
        r2_er(np.ones((3, 5, 2)), np.ones((4, 2)))
    with pytest.raises(ConfigError, match="noise='pink' must be one of 'any', 'white'"):
        r2_er(np.ones((3, 5, 2)), np.ones((5, 2)), noise="pink")

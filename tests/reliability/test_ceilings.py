"""Ceilings against their formulas written out, and against the truth of simulated units."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest

from distributed_trf.errors import DataError
from distributed_trf.reliability.ceilings import ccmax, signal_power, single_repeat_ceiling, split_half_ceiling
from tests.slow_reliability import driven_counts

CEILINGS = {
    "single": single_repeat_ceiling,
    "ccmax": ccmax,
    "split": lambda y: split_half_ceiling(y, 100, np.random.default_rng(0)),
}


def repeated(rng, **kwargs):
    trials, rate = driven_counts(rng, [33] * 10, **kwargs)
    return np.concatenate(trials, axis=1), rate


def test_formulas__as_written():
    y = np.random.default_rng(0).poisson(np.linspace(0.5, 6, 40)[:, np.newaxis], size=(5, 40, 2)).astype(float)
    for u in range(2):
        one = y[:, :, u]
        power = (5 * np.var(one.mean(axis=0)) - np.mean([np.var(repeat) for repeat in one])) / 4
        assert signal_power(y)[u] == pytest.approx(power, rel=1e-12)
        assert single_repeat_ceiling(y)[u] == pytest.approx(np.sqrt(power / np.mean(np.var(one, axis=1))), rel=1e-12)
        assert ccmax(y)[u] == pytest.approx(np.sqrt(power / np.var(one.mean(axis=0))), rel=1e-12)


def test_signal_power__is_the_mean_covariance_of_pairs():
    y = np.random.default_rng(1).poisson(2, size=(4, 30, 3)).astype(float)
    for u in range(3):
        c = np.cov(y[:, :, u], ddof=0)
        assert signal_power(y)[u] == pytest.approx(c[~np.eye(4, dtype=bool)].mean(), rel=1e-10)


@pytest.mark.parametrize("repeats", [2, 5, 6])
def test_split_half__equals_the_loop_over_splits(repeats):
    y = np.random.default_rng(2).poisson(np.linspace(0.5, 6, 40)[:, np.newaxis], size=(repeats, 40, 2)).astype(float)
    found = split_half_ceiling(y, 30, np.random.default_rng(3))
    order = np.argsort(np.random.default_rng(3).random((30, repeats)), axis=1)
    h = repeats // 2
    for u in range(2):
        r = np.mean([np.corrcoef(y[o[:h], :, u].mean(0), y[o[h : 2 * h], :, u].mean(0))[0, 1] for o in order])
        k = repeats / h
        assert found[u] == pytest.approx(np.sqrt(k * r / (1 + (k - 1) * r)), rel=1e-10)


def test_split_half__a_half_without_a_spike_counts_as_zero():
    y = np.zeros((5, 30, 2))
    y[:2, 4, 0], y[0, 9, 0] = 1, 1  # three repeats of five are silent, so that some halves are
    order = np.argsort(np.random.default_rng(3).random((60, 5)), axis=1)
    r = [np.corrcoef(y[o[:2], :, 0].mean(0), y[o[2:4], :, 0].mean(0))[0, 1] for o in order if y[o[:2], :, 0].any()
         and y[o[2:4], :, 0].any()]  # fmt: skip
    assert 0 < len(r) < 60
    mean = sum(r) / 60
    found = split_half_ceiling(y, 60, np.random.default_rng(3))
    assert found[0] == pytest.approx(np.sqrt(2.5 * mean / (1 + 1.5 * mean)), rel=1e-10)
    assert np.isnan(found[1])


@pytest.mark.parametrize("modulation", [0.3, 0.6, 1.0])
def test_known_signal_to_noise__is_recovered(modulation):
    """Within three standard errors of the mean over 200 units, plus 1 % for the bias of a ratio."""
    y, rate = repeated(np.random.default_rng(4), units=200, modulation=modulation)
    signal, noise = rate.var(axis=0), rate.mean(axis=0)  # Poisson: the noise's variance is the mean rate
    truth = {
        "single": np.sqrt(signal / (signal + noise)),
        "ccmax": np.sqrt(signal / (signal + noise / 11)),
        "split": np.sqrt(signal / (signal + noise / 11)),
    }
    for name, expected in truth.items():
        error = CEILINGS[name](y) - expected
        assert abs(error.mean()) < 3 * error.std() / np.sqrt(200) + 0.01 * expected.mean(), name
        assert error.std() < 0.06, name


def test_a_perfect_model__reaches_them():
    """The known rates correlate with single repeats as ``single`` says, with their mean as the others say."""
    y, rate = repeated(np.random.default_rng(5), units=100, modulation=0.7)
    single = np.mean([[np.corrcoef(rate[:, u], one[:, u])[0, 1] for u in range(100)] for one in y], axis=0)
    mean = np.array([np.corrcoef(rate[:, u], y.mean(axis=0)[:, u])[0, 1] for u in range(100)])
    for name, reached in (("single", single), ("ccmax", mean), ("split", mean)):
        assert np.mean(CEILINGS[name](y) - reached) == pytest.approx(0, abs=0.01), name


def test_noise__has_signal_power_of_either_sign_and_no_ceiling_where_it_is_below_zero():
    y = np.random.default_rng(6).poisson(2, size=(6, 200, 300))
    power = signal_power(y)
    assert 0.4 < np.mean(power < 0) < 0.65
    assert abs(power.mean()) < 0.01
    for name in ("single", "ccmax"):
        np.testing.assert_array_equal(np.isnan(CEILINGS[name](y)), power <= 0)


def test_a_unit_that_never_varies__has_none():
    y = np.full((4, 20, 1), 3)
    for ceiling in CEILINGS.values():
        assert np.isnan(ceiling(y)).all()


@pytest.mark.parametrize("name", CEILINGS)
def test_other_arrays__give_the_same_numbers(name):
    y = np.random.default_rng(7).poisson(np.linspace(0.5, 6, 40)[:, np.newaxis], size=(5, 40, 2))
    device = strict.Device("device1")
    found = CEILINGS[name](strict.asarray(y, device=device))
    assert found.device == device
    host = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
    np.testing.assert_allclose(host, CEILINGS[name](y), rtol=1e-12)


@pytest.mark.parametrize("name", CEILINGS)
def test_one_repeat__is_refused(name):
    with pytest.raises(DataError, match=r"shape \(1, 5, 2\); expected \(repeats, bins, units\), 2 repeats or more"):
        CEILINGS[name](np.ones((1, 5, 2)))

"""The test for tuning: its statistic against numpy, its level on noise, its power on driven units."""

from __future__ import annotations

from itertools import combinations

import array_api_strict as strict
import numpy as np
import pytest

from distributed_trf import arrays
from distributed_trf.errors import DataError
from distributed_trf.reliability.assess import repeated_responses
from distributed_trf.reliability.resampling import shift_test
from tests.slow_reliability import driven_counts

REPEATS, BINS = 11, 331


def slow_mean_r(repeated):
    """Mean correlation over pairs of repeats, one unit."""
    return np.mean([np.corrcoef(repeated[i], repeated[j])[0, 1] for i, j in combinations(range(len(repeated)), 2)])


def test_shift_test__equals_rolling_each_repeat():
    rng = np.random.default_rng(0)
    repeated = rng.poisson(1.5, size=(5, 30, 3)).astype(np.uint16)
    shifts = 200
    test = shift_test(repeated, shifts, np.random.default_rng(1))
    moves = np.random.default_rng(1).integers(30, size=(shifts, 5, 1))[:, :, 0]
    for u in range(3):
        found = slow_mean_r(repeated[:, :, u])
        null = [
            slow_mean_r([np.roll(repeated[i, :, u], move) for i, move in enumerate(moves[k])]) for k in range(shifts)
        ]
        reached = np.count_nonzero(np.array(null) >= found - 1e-9)
        assert test.r[u] == pytest.approx(found, abs=1e-12)
        assert test.p[u] == pytest.approx((reached + 1) / (shifts + 1), abs=1e-12)


def noise(kind, rng, units):
    """Counts of units that nothing drives."""
    shape = (REPEATS, BINS, units)
    if kind == "poisson":
        return rng.poisson(rng.uniform(0.05, 3, size=units), size=shape)
    if kind == "gain":  # the rate drifts from repeat to repeat
        return rng.poisson(2 * rng.gamma(4, 0.25, size=(REPEATS, 1, units)), size=shape)
    slow = np.zeros(shape)  # bursts of some bins
    white = rng.normal(size=shape)
    for t in range(1, BINS):
        slow[:, t] = 0.8 * slow[:, t - 1] + white[:, t]
    return rng.poisson(np.exp(0.4 * slow))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["poisson", "gain", "bursts"])
def test_pure_noise__is_called_tuned_in_five_percent_of_2000_units(kind):
    rng = np.random.default_rng({"poisson": 1, "gain": 2, "bursts": 3}[kind])
    p = np.concatenate([shift_test(noise(kind, rng, 250), 200, rng).p for _ in range(8)])
    assert p.size == 2000
    assert 0.035 <= np.mean(p < 0.05) <= 0.065
    assert 0.4 < np.median(p) < 0.6


def test_driven_units__are_found():
    rng = np.random.default_rng(4)
    trials, _ = driven_counts(rng, [33] * 10, units=50, modulation=0.4)
    assert np.mean(shift_test(repeated_responses(trials), 999, rng).p == 0.001) > 0.95


def test_smallest_p__is_one_over_the_number_of_shifts_and_one():
    repeated = np.tile(np.random.default_rng(0).poisson(3, size=(1, 50, 2)), (4, 1, 1))
    assert shift_test(repeated, 99, np.random.default_rng(0)).p.tolist() == [0.01, 0.01]
    np.testing.assert_allclose(shift_test(repeated, 1, np.random.default_rng(0)).r, 1)


def test_silent_repeats__count_as_zero_and_are_no_evidence():
    rng = np.random.default_rng(5)
    repeated = rng.poisson(2, size=(4, 60, 4))
    repeated[1:, :, 0] = 0  # varies in one repeat only
    repeated[2, :, 1] = 7  # does not vary in one
    repeated[:, :, 2] = 0
    test = shift_test(repeated, 50, np.random.default_rng(6))
    assert test.r[0] == pytest.approx(0, abs=1e-12)
    assert test.p[0] == 1
    assert test.r[1] == pytest.approx(slow_mean_r(repeated[[0, 1, 3], :, 1]) * 3 / 6, abs=1e-12)  # 3 of 6 pairs
    assert np.isnan([test.r[2], test.p[2]]).all()


def test_ties__count_against_a_unit():
    """Sparse units, most of whose shifted copies have no coincidence, as they had none themselves: p holds its level.

    With ties left out 27 % of these 2000 units would have p < 0.05.
    """
    rng = np.random.default_rng(9)
    p = shift_test(rng.poisson(0.004, size=(6, 200, 2000)), 40, rng).p
    assert np.mean(p < 0.05) < 0.05
    unit = np.zeros((3, 40, 1), dtype=int)
    unit[[0, 1, 2], [3, 11, 27], 0] = 1  # one spike in each repeat, and no coincidence
    assert shift_test(unit, 19, np.random.default_rng(1)).p[0] == 1


def test_blocks_and_other_arrays__change_no_number(monkeypatch):
    repeated = np.random.default_rng(6).poisson(2, size=(4, 60, 3))
    whole = shift_test(repeated, 100, np.random.default_rng(7))
    device = strict.Device("device1")
    there = shift_test(strict.asarray(repeated, device=device), 100, np.random.default_rng(7))
    monkeypatch.setattr(arrays, "CACHE_BYTES", 100)
    blocked = shift_test(repeated, 100, np.random.default_rng(7))
    for name in ("r", "p"):
        expected = getattr(whole, name)
        np.testing.assert_array_equal(getattr(blocked, name), expected)
        assert getattr(there, name).device == device
        host = np.asarray(getattr(there, name).to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(host, expected, atol=1e-12)


def test_one_repeat__cannot_be_tested():
    with pytest.raises(DataError, match="there is 1 repeat of all test stimuli; .* needs at least 2"):
        shift_test(np.ones((1, 5, 2)), 10, np.random.default_rng(0))

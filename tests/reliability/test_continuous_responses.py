"""Reliability of signals and values: correlations and variances, wherever the responses lie and in whatever unit."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.pairs import PairTables, draw_pairs
from distributed_trf.reliability.selection import silence_weight
from tests.slow_reliability import slow_inter_trial

HOW = {"draws": 400, "null_shift": "half", "shifts": 50, "splits": 20, "seed": 0}


def planted(bins, repeats, rng, noise=1.0):
    """A response that is the same in all repeats, and noise; three units, the last one of noise alone."""
    return [
        np.array([1.0, 0.5, 0.0]) * rng.normal(size=(1, n, 3)) + noise * rng.normal(size=(repeats, n, 3)) for n in bins
    ]


@pytest.mark.parametrize("bins", [(40, 25, 60), (1,) * 60])
def test_reliability__does_not_depend_on_offset_and_unit(bins):
    """A millionth of a volt beside an offset of a volt, or voxels around 10 000."""
    trials = planted(bins, 4, np.random.default_rng(0))
    plain, moved = assess(trials, **HOW), assess([1e-6 * trial + 1 for trial in trials], **HOW)
    mean = plain.pop("mean_response")
    np.testing.assert_allclose(moved["mean_response"] - 1, 1e-6 * mean, rtol=1e-6)
    for name, values in plain.items():
        unit = 1e-12 if name == "signal_power" else 1
        np.testing.assert_allclose(moved[name] / unit, values, rtol=1e-6, atol=1e-7, err_msg=name)
    assert (plain["silent_repeats"] == 0).all()
    assert (plain["tuned_p"][:2] < 0.05).all()


def test_inter_trial_r__of_a_signal_is_that_of_the_definition():
    rng = np.random.default_rng(1)
    trials = [trial + 1e4 for trial in planted((30, 20, 10), 3, rng)]
    pairs = draw_pairs([3, 3, 3], 50, rng)
    tables = PairTables.of(trials)
    found = tables.spread(pairs, np.arange(3)).r(tables.cross(pairs, np.arange(3)))
    np.testing.assert_allclose(found, slow_inter_trial(trials, pairs), atol=1e-9)
    assert (silence_weight(tables) == 1).all()


def test_normaliser__is_the_part_of_the_variance_that_repeats():
    """Signal 1 and noise 1, so that repeats correlate by a half; signal 1/4, by a fifth; and no signal."""
    trials = planted((3000,), 6, np.random.default_rng(2))
    found = assess(trials, **HOW)
    for name in ("normaliser", "normaliser_expected"):
        np.testing.assert_allclose(found[name], [0.5, 0.2, 0], atol=0.03)
    np.testing.assert_allclose(found["signal_power"], [1, 0.25, 0], atol=0.06)
    np.testing.assert_allclose(found["ceiling_ccmax"][:2], np.sqrt([1 / (1 + 1 / 6), 0.25 / (0.25 + 1 / 6)]), atol=0.03)


def test_presentation__in_which_a_signal_is_flat_counts_as_zero():
    """As a dropped channel is: whatever the rounding of its constant, it correlates with nothing."""
    trials = [1e3 + np.random.default_rng(3).normal(size=(3, 30, 2))]
    trials[0][0, :, 1] = 1e3 + 0.1
    pairs = draw_pairs([3], 40, np.random.default_rng(0))
    tables = PairTables.of(trials)
    r = tables.spread(pairs, np.arange(1)).r(tables.cross(pairs, np.arange(1)))
    flat = (pairs.first[:, 0] == 0) | (pairs.second[:, 0] == 0)
    assert (r[flat, 1] == 0).all()
    assert (r[:, 0] != 0).all()

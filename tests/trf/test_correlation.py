"""Pearson correlation where arithmetic is awkward."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.trf.correlation import mean_over_repeats, pearson


@pytest.mark.parametrize("level", [0.1, 1 / 3, 3.7, 1e-15])
def test_constant__is_nan_whatever_its_level_and_its_neighbours(level):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(450, 5)), rng.normal(size=(450, 5))
    y[:, 2] = p[:, 4] = level
    assert np.isnan(pearson(y, p)).tolist() == [False, False, True, False, True]


def test_pearson__equals_numpy_at_any_offset_and_scale():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(80, 3)) + 1e3, rng.normal(size=(80, 3)) * 1e-15
    expected = [np.corrcoef(y[:, u], p[:, u])[0, 1] for u in range(3)]
    np.testing.assert_allclose(pearson(y, p), expected, rtol=1e-9)
    np.testing.assert_allclose(mean_over_repeats(np.stack([y, y]), p), expected, rtol=1e-9)


def test_mean_over_repeats__a_silent_repeat_counts_as_zero():
    rng = np.random.default_rng(2)
    y, p = rng.poisson(1.0, size=(4, 60, 4)).astype(float), rng.normal(size=(60, 4))
    y[:3, :, 1] = 0  # varies in one repeat of four
    y[:, :, 2] = 0  # in none
    p[:, 3] = 0.5  # predicted to never vary
    found = mean_over_repeats(y, p)
    assert found[0] == pytest.approx(np.mean([np.corrcoef(one[:, 0], p[:, 0])[0, 1] for one in y]), rel=1e-12)
    assert found[1] == pytest.approx(np.corrcoef(y[3, :, 1], p[:, 1])[0, 1] / 4, rel=1e-12)
    assert np.isnan(found[2:]).all()

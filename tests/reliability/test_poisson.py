from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from distributed_trf.errors import DataError
from distributed_trf.reliability.ceilings import poisson_r


def test_poisson_r__has_the_distribution_of_two_uniform_trains():
    rng = np.random.default_rng(0)
    duration, width = 2.0, 0.05
    slow = []
    for _ in range(2000):
        a, b = (np.histogram(rng.uniform(0, duration, 100), bins=40, range=(0, duration))[0] for _ in range(2))
        slow.append(np.corrcoef(a, b)[0, 1])
    fast = poisson_r(40, 1000 * width, 5000, rng)
    assert ks_2samp(fast, slow).pvalue > 1e-3
    assert abs(fast.mean()) < 0.01
    assert fast.std() == pytest.approx(1 / np.sqrt(39), rel=0.05)  # of independent sequences


def test_poisson_r__a_train_without_a_varying_count_correlates_with_nothing():
    assert set(poisson_r(2, 50, 200, np.random.default_rng(0), rate=20).round(9)) <= {-1.0, 0.0, 1.0}


def test_poisson_r__needs_spikes():
    with pytest.raises(DataError, match="0 spikes in 10 bins cannot correlate"):
        poisson_r(10, 50, 5, np.random.default_rng(0), rate=1)

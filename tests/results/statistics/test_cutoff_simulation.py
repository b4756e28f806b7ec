"""A wider band costs a fitted readout nothing, even if what drives the unit is slow."""

from __future__ import annotations

import numpy as np

from distributed_trf.results.statistics.cutoffs import CUTOFFS, cutoff_simulation


def test_simulation__reaches_its_height_once_the_shared_band_is_in_and_keeps_it():
    r = cutoff_simulation(40).r.mean("seed")
    assert r.cutoff.values.tolist() == list(CUTOFFS)
    plateau = r.sel(cutoff=slice(15, None))
    assert float(plateau.min()) > 0.3
    assert float(plateau.max() - plateau.min()) < 0.1  # as published: 0.40 to 0.45
    assert float(r.sel(cutoff=2)) < float(plateau.min()) - 0.1


def test_simulation__is_the_same_each_time():
    np.testing.assert_array_equal(cutoff_simulation(2).r, cutoff_simulation(3).r.isel(seed=slice(2)))

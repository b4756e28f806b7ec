"""The best cut-off, and those as good, on low-passed fits whose best is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from distributed_trf import cutoff_tests, simulate_results
from distributed_trf.errors import DataError

BINS = [20.0, 40.0, 100.0, 800.0]


def lowpassed(loss):
    """Fits of one layer at several widths, each worse than the finest by so much and by chance."""
    ds = simulate_results(
        ["whisper_tiny"], spectrograms=[], weights=["trained"], stimuli=["timit"], sessions=8, channels=9
    )
    one = ds.sel(layer=[2])
    rng = np.random.default_rng(0)
    noisy = [one.rho - drop + rng.normal(0, 0.02, one.rho.shape) for drop in loss]
    rho = xr.concat(noisy, xr.Variable("lowpass_bin", BINS)).transpose(..., "lowpass_bin", "unit")
    return one.drop_vars("rho").assign(rho=rho)


def test_cutoffs__the_best_and_those_as_good():
    ds = lowpassed([0.0, -0.03, -0.03, 0.2])
    found = cutoff_tests(ds, by="rho", level="unit").squeeze()
    values = ds.rho.squeeze().values
    best = int(np.argmax(np.median(values, axis=-1)))
    assert BINS[best] in (40.0, 100.0)
    assert found.is_best.values.tolist() == [k == best for k in range(4)]
    assert found.cutoff.values.tolist() == [25.0, 12.5, 5.0, 0.625]
    for k in range(4):
        if k != best:
            np.testing.assert_allclose(found.p[k], scipy.stats.wilcoxon(values[best], values[k]).pvalue, rtol=1e-12)
    assert found.as_good.values.tolist() == [False, best == 2, best == 1, False]
    np.testing.assert_allclose(found["median"], np.median(values, axis=-1))
    assert (found.n == 72).all()


def test_cutoffs__of_each_network_alone_and_nan_where_nothing_was_fitted():
    ds = lowpassed([0.0, 0.1, 0.2, 0.3])
    other = ds.assign_coords(network=["other"]).assign(rho=(ds.rho * np.nan))
    found = cutoff_tests(xr.concat([ds, other], "network", data_vars="all")).squeeze()
    assert found.is_best.sel(network="whisper_tiny").values.tolist() == [True, False, False, False]
    assert not found.is_best.sel(network="other").any()
    assert not found.as_good.sel(network="other").any()
    assert found.p.sel(network="other").isnull().all()


def test_ordinary_results__are_refused():
    with pytest.raises(DataError, match="take the dataset that open_lowpass returns"):
        cutoff_tests(simulate_results(["whisper_tiny"], sessions=2, channels=2))

"""The best cut-off, and those as good, on low-passed fits whose best is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from distributed_trf import cutoff_tests, simulate_results
from distributed_trf.errors import DataError

BINS = [20.0, 40.0, 100.0, 800.0]
N_BINS = 12
"""Of null studies: the more there are, the better is the best by chance."""


def null_studies(n):
    """Studies in which no cut-off is better than another, each a stimulus set: scores and r err independently."""
    rng = np.random.default_rng(8)
    session = np.repeat(np.arange(12), rng.integers(1, 20, 12))
    shape = (n, N_BINS, session.size)
    alike = rng.normal(0, 0.03, (2, n, N_BINS, 12))[..., session]  # errors that units of a session share
    rho, score = rng.normal(0.5, 0.1, (n, 1, session.size)) + rng.normal(0, 0.05, (2, *shape)) + alike
    dims = ("stimuli", "lowpass_bin", "unit")
    coords = {
        "lowpass_bin": 20.0 * np.arange(1, N_BINS + 1),
        "session": ("unit", session),
        "channel": ("unit", np.arange(session.size)),
    }
    return xr.Dataset({"rho": (dims, rho), "cv_score": (dims, score)}, coords)


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
    found = cutoff_tests(xr.concat([ds, other], "network", data_vars="all"), by="rho", level="unit").squeeze()
    assert found.is_best.sel(network="whisper_tiny").values.tolist() == [True, False, False, False]
    assert not found.is_best.sel(network="other").any()
    assert not found.as_good.sel(network="other").any()
    assert found.p.sel(network="other").isnull().all()


def test_cutoffs__against_one_chosen_by_scores_hold_their_level_and_by_the_tested_number_do_not():
    ds = null_studies(1000)
    rejected = {}
    for by in ("cv_score", "rho"):
        found = cutoff_tests(ds, by=by, alpha=0.05)
        best = found.is_best.values.argmax(axis=1)
        np.testing.assert_array_equal(best, ds[by].median("unit").values.argmax(axis=1))
        rejected[by] = (found.p.values[np.arange(1000), (best + 1) % N_BINS] <= 0.05).sum()
        assert found.attrs["by"] == by
    low, high = scipy.stats.binom.ppf([0.001, 0.999], 1000, 0.05)
    assert low <= rejected["cv_score"] <= high < rejected["rho"]


def test_cutoffs__of_few_sessions_or_of_nobody_say_that_they_cannot_tell():
    ds = lowpassed([0.0, 0.1, 0.2, 0.3]).isel(unit=slice(45))  # five sessions
    found = cutoff_tests(ds, by="rho")
    assert found.attrs["note"] == "no p can be below 0.01: so few sessions allow no less than 0.062"
    assert (found.as_good | found.is_best).all()
    nobody = cutoff_tests(ds.isel(unit=[]), by="rho")
    assert nobody.p.isnull().all()
    assert not (nobody.as_good | nobody.is_best).any()
    assert nobody.attrs["note"] == "nothing is compared: there are no units"


def test_results_without_scores__are_refused_with_what_to_do():
    ds = lowpassed([0.0, 0.1, 0.2, 0.3])
    for without in (ds.drop_vars("cv_score"), ds.assign(cv_score=ds.rho * np.nan)):
        with pytest.raises(DataError, match="'cv_score': these results have no such scores .* say by='rho' to choose"):
            cutoff_tests(without)


def test_ordinary_results__are_refused():
    with pytest.raises(DataError, match="take the dataset that open_lowpass returns"):
        cutoff_tests(simulate_results(["whisper_tiny"], sessions=2, channels=2))

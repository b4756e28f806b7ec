"""How fast features must be: the tests of Figs 4 and S9 on fits of low-passed features, and the simulation of Fig 4.

The simulation shows whether a wider band of features lowers the correlation if what drives a unit is slow.
"""

from __future__ import annotations

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.results.layers import layer_profile, unit_values
from distributed_trf.results.statistics.checks import check_share
from distributed_trf.results.statistics.compare import compare
from distributed_trf.results.statistics.groups import Level, Summary
from distributed_trf.results.statistics.permutations import DRAWS, out_of_reach

LOWPASS_BIN = "lowpass_bin"


def cutoff_tests(
    ds: xr.Dataset,
    variable: str = "rho",
    *,
    by: str = "cv_score",
    alpha: float = 0.01,
    level: Level = "session",
    summary: Summary = "mean",
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Find the best cut-off, and those that units are predicted as well with.

    Parameters
    ----------
    ds
        What ``open_lowpass`` returns, of all units or of those of ``select_units``.
    variable
        What to compare.
    by
        The best cut-off is that of the highest median of this. Scores on training folds are independent of the test, so
        that tests against the best hold their level; chosen by ``variable`` itself, as published, the best is the
        better for having been chosen.
    alpha
        A cut-off is as good as the best if a two-sided test between them has p > alpha, as published.
    level, summary, draws, seed
        As of ``compare``; the published tests have the level ``unit``, and ``by`` the variable.

    Returns
    -------
    xarray.Dataset
        ``median``, ``q25``, ``q75``, ``maximum`` and ``n`` over the dimensions of a fit and ``lowpass_bin``, with
        ``cutoff``, ``500 / lowpass_bin`` in hertz, beside it; ``is_best``; what ``compare`` returns for the best (a)
        against each (b), two-sided; and ``as_good``, where that has p > alpha. No correction for the number of cut-offs
        is made: it would only call more of them as good. ``attrs["note"]`` says where there are too few groups for any
        p to be below alpha, so that all are as good.

    Raises
    ------
    DataError
        If these are no fits on low-passed features, or they have no number to choose by.
    """
    check_share("alpha", alpha)
    if LOWPASS_BIN not in ds.dims:
        raise DataError(f"no dimension {LOWPASS_BIN!r}; take the dataset that open_lowpass returns")
    scores = _scores(ds, variable, by)
    ds = unit_values(ds, variable).to_dataset(name=variable)
    profile = layer_profile(ds, variable)
    fitted = profile["median"].notnull()
    best_index = scores["median"].where(fitted).fillna(-np.inf).argmax(LOWPASS_BIN)
    is_best = (xr.DataArray(np.arange(ds.sizes[LOWPASS_BIN]), dims=LOWPASS_BIN) == best_index) & fitted
    best = ds[[variable]].where(is_best).max(LOWPASS_BIN)
    labels = {name: coord for name, coord in ds.coords.items() if LOWPASS_BIN not in coord.dims}
    tested = compare(
        best.assign_coords(labels),
        ds,
        variable,
        alternative="two-sided",
        level=level,
        summary=summary,
        draws=draws,
        seed=seed,
    )
    found = profile.merge(tested.drop_vars(["n"]), compat="override", join="exact")
    found = found.assign(is_best=is_best, as_good=(found["p"] > alpha) & ~is_best & fitted)
    cutoff = (LOWPASS_BIN, 500 / ds[LOWPASS_BIN].values, {"long_name": "what is slower is kept", "units": "Hz"})
    never = out_of_reach(tested["smallest_p"].where(~is_best).values, alpha, level)
    attrs = tested.attrs | {"by": by, "alpha": alpha, "note": "; ".join(filter(None, [tested.attrs["note"], *never]))}
    return found.assign_coords(cutoff=cutoff).assign_attrs(attrs).transpose(..., LOWPASS_BIN)


def _scores(ds: xr.Dataset, variable: str, by: str) -> xr.Dataset:
    """Return the profile of what the best cut-off is chosen by.

    Raises
    ------
    DataError
        If nothing has such a score.
    """
    if by in ds:
        profile = layer_profile(ds, by)
        if by == variable or not ds.sizes[names.UNIT] or profile["median"].notnull().any():
            return profile
    raise DataError(
        f"{by!r}: these results have no such scores to choose the best cut-off by; say by={variable!r} to choose by "
        "the tested number itself, as published"
    )


SFREQ, SECONDS, FITTED = 100.0, 2.0, 1.5
"""Hertz; seconds of a simulation, and those of them that the readout is fitted on."""
SHARED, PRIVATE, OF_RESPONSE = (1.0, 5.0), (49.0, 49.9), (1.0, 49.9)
"""Bands in hertz of what features and response share, and of what each has alone; published up to 50 Hz, which is the
highest frequency there is, where no filter can be designed."""
CUTOFFS = (2, 5, 10, 15, 20, 25, 30, 35, 40, 45)
N_FEATURES, NOISE, PENALTY, ORDER = 10, 0.2, 1e-3, 4


def cutoff_simulation(seeds: int = 10) -> xr.Dataset:
    """Fit a readout of low-passed features to a response that shares only slow signals with them.

    Parameters
    ----------
    seeds
        Simulations, each with its own signals.

    Returns
    -------
    xarray.Dataset
        ``r`` over (seed, cutoff in hertz): Pearson's r of predicted and simulated response in the last half second.

    Notes
    -----
    Ahmed et al. (2025), code of Fig 4. Ten features are 1.5 times a shared signal (1 to 5 Hz), plus 2 times signals of
    their own at 49 Hz and above, plus noise; the response is the shared signal plus 2 times one of its own (1 Hz and
    above) plus noise. Features go through a Butterworth filter of order 4, forwards and backwards, then a ridge
    regression. Signals are white noise filtered to their band and brought to a standard deviation of one.
    """
    n, fitted = int(SFREQ * SECONDS), int(SFREQ * FITTED)
    r = np.empty((seeds, len(CUTOFFS)))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        shared = _band(rng, 1, n, SHARED)
        x = 1.5 * shared + 2 * _band(rng, N_FEATURES, n, PRIVATE) + NOISE * rng.normal(size=(N_FEATURES, n))
        y = (shared + 2 * _band(rng, 1, n, OF_RESPONSE) + NOISE * rng.normal(size=(1, n)))[0]
        for k, cutoff in enumerate(CUTOFFS):
            sos = scipy.signal.butter(ORDER, cutoff, fs=SFREQ, output="sos")
            slow = scipy.signal.sosfiltfilt(sos, x).T
            X, mean = slow[:fitted] - slow[:fitted].mean(axis=0), y[:fitted].mean()
            weights = np.linalg.solve(X.T @ X + PENALTY * np.eye(N_FEATURES), X.T @ (y[:fitted] - mean))
            r[seed, k] = np.corrcoef(slow[fitted:] @ weights, y[fitted:])[0, 1]
    attrs = {"long_name": "correlation of predicted and simulated response", "units": "1"}
    return xr.Dataset(
        {"r": (("seed", "cutoff"), r, attrs)},
        {"seed": np.arange(seeds), "cutoff": ("cutoff", np.array(CUTOFFS, dtype=float), {"units": "Hz"})},
    )


def _band(rng: np.random.Generator, rows: int, n: int, band: tuple[float, float]) -> np.ndarray:
    """Draw signals of a band, with a standard deviation of one: shape (rows, n)."""
    sos = scipy.signal.butter(ORDER, band, btype="bandpass", fs=SFREQ, output="sos")
    signals = scipy.signal.sosfiltfilt(sos, rng.normal(size=(rows, n)))
    return signals / signals.std(axis=1, keepdims=True)

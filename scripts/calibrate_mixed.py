"""How often mixed models of gains in sessions say that there is an effect where there is none."""

from __future__ import annotations

import warnings

import numpy as np
import scipy
import statsmodels.api as sm
import xarray as xr

from distributed_trf import compare

MIXED_HEAD = (
    "| sessions | deviation of their gains | intercepts only | with gains | sign flips of session means |",
    "|---|---|---|---|---|",
)
RESIDUAL = 0.06
"""Standard deviation of each of two numbers of a unit around its unit's; gains are of their difference."""
MOST_UNITS = 11
"""Sessions have 1 to so many units, six on average."""
SETTINGS = ((6, 0.0), (6, 0.05), (12, 0.0), (12, 0.02), (12, 0.05), (41, 0.05))
"""Sessions, and the standard deviation of their gains."""
ALPHA = 0.05


def mixed(sessions: int, deviation: float, studies: int) -> list[str]:
    """Make a row: the share of studies without an effect on average in which p < 0.05, two-sided."""
    rng = np.random.default_rng([sessions, round(1000 * deviation)])
    p = np.array([_p_values(sessions, deviation, rng) for _ in range(studies)])
    shares = " | ".join(f"{share:.3f}" for share in np.mean(p < ALPHA, axis=0))
    return [f"| {sessions} | {deviation:g} | {shares} |"]


def _p_values(sessions: int, deviation: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Test the differences of one study: over units, by a model with gains of sessions, by signs of session means."""
    session = np.repeat(np.arange(sessions), rng.integers(1, MOST_UNITS + 1, sessions))
    of_session = deviation * rng.normal(size=sessions)
    difference = of_session[session] + np.sqrt(2) * RESIDUAL * rng.normal(size=session.size)
    # With intercepts of units and sessions alone, the effect of two conditions is that of their differences over units.
    z = difference.mean() / (difference.std(ddof=1) / np.sqrt(difference.size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variance at its bound of 0
        # In hundredths: the optimiser stops early at variances far below 1.
        fitted = sm.MixedLM(100 * difference, np.ones(session.size), groups=session).fit()
    units = {"session": ("unit", session.astype(str)), "channel": ("unit", np.arange(session.size).astype(str))}
    ds = xr.Dataset({"rho": ("unit", difference)}, units)
    flipped = compare(ds, xr.zeros_like(ds), alternative="two-sided", draws=2000)["p"]
    return 2 * float(scipy.stats.norm.sf(abs(z))), float(fitted.pvalues[0]), float(flipped)

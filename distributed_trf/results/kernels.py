"""A fitted ``TRF`` with labels: weights over (unit, feature, lag) as xarray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.arrays import to_numpy
from distributed_trf.errors import DataError
from distributed_trf.trf.estimator import TRF

FEATURE, LAG, ALPHA = "feature", "lag", "alpha"
"""Dimensions of weights, and what is known of each penalty."""


def to_dataset(trf: TRF, *, features: Sequence[Any] | None = None, units: Sequence[Any] | None = None) -> xr.Dataset:
    """Return what was fitted, with a label for each feature, lag and unit.

    Parameters
    ----------
    trf
        A fitted one; arrays on a GPU are copied to the host.
    features
        A label for each of the F features, such as the frequency of a band in Hz or the name of a phoneme; by default
        their numbers.
    units
        A label for each of the U units; by default their numbers.

    Returns
    -------
    xarray.Dataset
        ``coef`` over (unit, feature, lag), with lags in seconds; ``intercept`` and the chosen ``penalty`` over unit;
        ``cv_score`` over (alpha, unit), the held-out R^2 of each penalty.

    Raises
    ------
    DataError
        If it is not fitted, or there are more or fewer labels than features or units.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(100, 3)) for _ in range(4)]
    >>> trf = TRF(tmax=0.1).fit(X, [x[:, :1] for x in X])
    >>> to_dataset(trf, features=[250, 500, 1000], units=["Ch1"]).coef.sel(feature=250, lag=0.0).round(1).item()
    1.0
    """
    if not hasattr(trf, "coef_"):
        raise DataError("this TRF is not fitted yet, so it has no weights; call fit(X, Y) first")
    coef = to_numpy(trf.coef_)
    coords = {
        names.UNIT: _labels("units", units, coef.shape[0]),
        FEATURE: _labels("features", features, coef.shape[1]),
        LAG: (LAG, to_numpy(trf.lags_), {"units": "s", "long_name": "delay from sound to response"}),
        ALPHA: (ALPHA, np.asarray(trf.alphas, dtype=float), {"long_name": "penalty"}),
    }
    variables = {
        "coef": ((names.UNIT, FEATURE, LAG), coef, {"long_name": "weight of a feature at a lag"}),
        "intercept": (names.UNIT, to_numpy(trf.intercept_)),
        "penalty": (names.UNIT, to_numpy(trf.alpha_), {"long_name": "chosen penalty"}),
        "cv_score": ((ALPHA, names.UNIT), to_numpy(trf.cv_scores_), {"long_name": "held-out R²"}),
    }
    return xr.Dataset(variables, coords)


def _labels(name: str, labels: Sequence[Any] | None, n: int) -> np.ndarray:
    found = np.arange(n) if labels is None else np.asarray(labels)
    if found.shape != (n,):
        raise DataError(f"{name}: {found.size} labels are given for {n} {name}; give one for each")
    return found

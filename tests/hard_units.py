"""Trials, and units between whose penalties there is little to choose."""

from __future__ import annotations

import numpy as np

from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.stream import MomentStream, moments_of

ALPHAS = np.logspace(-5, 15, 21).tolist()
GRIDS = {
    "as in the studies": ALPHAS,
    "dense": np.logspace(-5, 15, 81).tolist(),
    "alike in single precision": (1 + 1e-6 * np.arange(12)).tolist(),
}
LAGS, LEAD_IN = [0, 1, 2], 2


def hard_units(rng, X, n_units, *, noise=1.0):
    """Units between which and whose penalties there is little to choose: pure noise, tiny effects, clear ones."""
    weights = rng.normal(size=(X[0].shape[1], n_units)) * np.logspace(-4, 0, n_units)
    weights[:, ::3] = 0
    return [x[LEAD_IN:] @ weights + noise * rng.normal(size=(x.shape[0] - LEAD_IN, n_units)) for x in X]


def features(rng, n_trials, n_features, n_bins, *, duplicates=0):
    """Trials of features that resemble one another, some of them twice."""
    mixing = rng.normal(size=(n_features, n_features)) * np.logspace(0, -3, n_features)[:, None]
    X = [rng.normal(size=(LEAD_IN + n_bins, n_features)) @ mixing for _ in range(n_trials)]
    return [np.concatenate([x, x[:, :duplicates]], axis=1) for x in X]


def folds_of(X, Y, n_folds=3):
    return [moments_of(X[k::n_folds], Y[k::n_folds], LAGS, LEAD_IN) for k in range(n_folds)]


def validations(X, Y, solver="eigh"):
    """Each fold's, of all units."""
    found = MomentFolds(folds_of(X, Y), solver=solver).validations(len(ALPHAS))
    return [v.of_units(slice(None)) for (v,) in found]


def folds_that_lack_trials(X, Y):
    """Moments of three folds of six trials; one of the first fold was presented to the first 10 units only."""
    streams = []
    for k in range(3):
        stream = MomentStream(LAGS, LEAD_IN, groups=[10, Y[0].shape[1] - 10])
        stream.add(X[k], Y[k], presented=[True, k > 0])
        stream.add(X[k + 3], Y[k + 3])
        streams.append(stream.moments())
    return streams

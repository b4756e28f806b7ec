"""The slow, obvious banded ridge: a solve for each candidate, penalty and fold, on explicit lagged rows."""

from __future__ import annotations

import numpy as np

from distributed_trf.trf.kernel_folds import FoldTrials, KernelFolds
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.stream import moments_of
from tests.oracle import lag_matrix

LAGS, ALPHAS = range(3), [1e-2, 1.0, 1e2]


def simulated(rng, widths, n_units, n_trials=9, driving=None):
    """Trials whose responses follow all bands, or the driving one."""
    X = [rng.normal(size=(2 + t, sum(widths))) for t in rng.integers(9, 20, n_trials)]
    readout = rng.normal(size=(sum(widths), n_units))
    if driving is not None:
        ends = np.cumsum(widths)
        readout[: ends[driving] - widths[driving]] = readout[ends[driving] :] = 0
    return X, [x[2:] @ readout + 0.5 * rng.normal(size=(len(x) - 2, n_units)) for x in X]


def folds_of(X, Y, solver):
    if solver == "dual":
        return KernelFolds([FoldTrials(X[k::3], Y[k::3]) for k in range(3)], LAGS, 2, [Y[0].shape[1]])
    return MomentFolds([moments_of(X[k::3], Y[k::3], LAGS, 2) for k in range(3)], solver=solver)


def explicit(X, Y, bands, candidates):
    """Best candidate, penalty and weights of each unit, one solve each."""
    rows, y = [lag_matrix(x, LAGS, 2) for x in X], Y

    def solve(train, g, alpha):
        r, t = np.concatenate([rows[i] for i in train]), np.concatenate([y[i] for i in train])
        mean, scale = r.mean(0), (r.std(0) + 1e-6) / np.sqrt(g[bands])
        z = (r - mean) / scale
        w = np.linalg.solve(z.T @ z + len(z) * alpha * np.eye(z.shape[1]), z.T @ (t - t.mean(0)))
        return w / scale[:, None], mean, t.mean(0)

    n = len(X)
    scores = np.zeros((len(candidates), len(ALPHAS), Y[0].shape[1]))
    for k in range(3):
        held, train = list(range(k, n, 3)), [i for i in range(n) if i % 3 != k]
        r, t = np.concatenate([rows[i] for i in held]), np.concatenate([y[i] for i in held])
        for c, g in enumerate(candidates):
            for a, alpha in enumerate(ALPHAS):
                w, mean, y_mean = solve(train, g, alpha)
                scores[c, a] += (1 - ((t - y_mean - (r - mean) @ w) ** 2).sum(0) / ((t - t.mean(0)) ** 2).sum(0)) / 3
    best = scores.reshape(-1, scores.shape[-1]).argmax(0)
    chosen = [(b // len(ALPHAS), b % len(ALPHAS)) for b in best]
    weights = [solve(range(n), candidates[c], ALPHAS[a])[0][:, u] for u, (c, a) in enumerate(chosen)]
    at_chosen = np.stack([scores[c, :, u] for u, (c, _) in enumerate(chosen)], axis=1)
    return chosen, at_chosen, np.stack(weights, axis=1)

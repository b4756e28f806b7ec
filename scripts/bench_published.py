"""The published procedure on numpy or cupy: the lagged matrix, and one solve for each session, fold and penalty."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bench_sentences import BINS, LEAD_IN

ALPHAS, N_FOLDS, SESSIONS = np.logspace(-5, 15, 21), 3, 41
"""Of the published analysis; its 41 sessions have 1718 units, which it fits session by session."""
ALPHA = ALPHAS[3]
"""At which the solutions of those who do not choose for themselves are held against each other."""


def lagged(xp: Any, X: Sequence[Any], n_lags: int) -> Any:
    """Build the lagged matrix, zeros before each trial, shape (rows, d)."""
    outside, first = xp.zeros((n_lags, X[0].shape[1])), n_lags + LEAD_IN
    padded = [xp.vstack([outside, x]) for x in X]
    return xp.concatenate([xp.hstack([x[first - lag : len(x) - lag] for lag in range(n_lags)]) for x in padded])


def zscored(raw: Any, rows: Any = slice(None)) -> Any:
    """Scale columns by the mean and deviation of some rows, in place."""
    some = raw[rows]
    mean, std = some.mean(0), some.std(0)
    raw -= mean
    raw /= std + 1e-6
    return raw


def rows_of_fold(n_trials: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training trials and of fold k, which holds every third trial."""
    held = np.repeat(np.arange(n_trials) % N_FOLDS == k, BINS)
    return np.flatnonzero(~held), np.flatnonzero(held)


def published(
    xp: Any, X: Sequence[Any], Y: Sequence[Any], n_lags: int, wait: Callable[[], None] = lambda: None
) -> tuple[float, Any, Any]:
    """Take 63 solves for each session, each with X'X of its own, and one more for each unit.

    One solve of each kind is measured, the median of up to three, and multiplied.

    Parameters
    ----------
    xp
        numpy or cupy.
    X, Y
        Trials; more than 1000 units are those of 41 sessions.
    n_lags
        From lag 0 on.
    wait
        Returns when all work on the device is done.

    Returns
    -------
    seconds, predicted, score
        Seconds of the whole; predictions of the units of a session on the first fold, and their R^2.
    """
    train, held = (xp.asarray(rows) for rows in rows_of_fold(len(X), 0))
    n_units = Y[0].shape[1]
    sessions = SESSIONS if n_units > 1000 else 1
    y = xp.concatenate([y[:, : n_units // sessions] for y in Y])

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        spent: list[float] = []
        while len(spent) < 3 and sum(spent) < 5:
            wait()
            start = time.perf_counter()
            found = work()
            wait()
            spent.append(time.perf_counter() - start)
        return statistics.median(spent), found

    def one_penalty() -> tuple[Any, Any]:
        z, t = x[train], y[train] - y[train].mean(0)
        w = xp.linalg.solve(z.T @ z + len(z) * ALPHA * xp.eye(z.shape[1]), z.T @ t)
        predicted = x[held] @ w + y[train].mean(0)
        return predicted, 1 - ((y[held] - predicted) ** 2).sum(0) / ((y[held] - y[held].mean(0)) ** 2).sum(0)

    def one_unit() -> Any:
        return xp.linalg.solve(x.T @ x + len(x) * ALPHA * xp.eye(x.shape[1]), x.T @ (y[:, :1] - y[:, :1].mean(0)))

    preparing, x = timed(lambda: zscored(lagged(xp, X, n_lags), train))
    searching, (predicted, score) = timed(one_penalty)
    fitting, _ = timed(one_unit)
    search = sessions * N_FOLDS * (preparing + len(ALPHAS) * searching)
    return search + n_units * fitting, predicted, score

"""The fit, the published procedure and other people's software on the same trials, and the check that they agree.

Work of a peer that is linear in folds, penalties, sessions or units may be measured on a part and multiplied; each says
what it measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from bench_published import ALPHA, ALPHAS, N_FOLDS, lagged, published, rows_of_fold, zscored
from bench_sentences import LEAD_IN, SFREQ, sentences
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from mtrf.model import TRF as MTRF
from sklearn.linear_model import Ridge, RidgeCV

from distributed_trf import TRF


class Case:
    """One size: trials, folds and the explicit lagged matrix."""

    def __init__(self, n_features: int, n_lags: int, n_units: int, rows: int = 24_000) -> None:
        self.n_lags, self.n_units, self.rows, self.d = n_lags, n_units, rows, n_features * n_lags
        self.X, self.Y = sentences(np, rows, n_features, n_units, n_lags)
        self.folds = [list(range(k, len(self.X), N_FOLDS)) for k in range(N_FOLDS)]
        self.name = f"{n_features} x {n_lags}, {n_units} units, {rows} rows"

    @cached_property
    def y(self) -> np.ndarray:
        """Responses of all trials, shape (rows, U)."""
        return np.concatenate(self.Y)

    def lagged(self) -> np.ndarray:
        """The lagged matrix, shape (rows, d)."""
        return lagged(np, self.X, self.n_lags)

    def split(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the training trials and of fold k."""
        return rows_of_fold(len(self.X), k)

    def training(self, k: int) -> list[int]:
        """Trials outside fold k."""
        return [i for i in range(len(self.X)) if i not in set(self.folds[k])]


@dataclass(frozen=True)
class Method:
    """One way to do the whole fit."""

    run: Callable[[Case], tuple[float, Any]]
    """Seconds of the whole fit, and what was fitted."""
    check: Callable[[Case, Any], None]
    """Raise AssertionError if what was fitted is not what ``TRF`` finds."""
    measured: str


def trf(case: Case, alphas: Sequence[float] | np.ndarray = ALPHAS, **options: Any) -> TRF:
    """Prepare the fit of this package."""
    return TRF(0.0, (case.n_lags - 1) / SFREQ, SFREQ, **{"alphas": alphas, "lead_in": LEAD_IN} | options)


def ours(case: Case) -> tuple[float, TRF]:
    """Fit with this package."""
    start = time.perf_counter()
    fitted = trf(case, all_scores=False).fit(case.X, case.Y, folds=case.folds)
    return time.perf_counter() - start, fitted


def published_fit(case: Case) -> tuple[float, Any]:
    """Fit as published."""
    spent, predicted, score = published(np, case.X, case.Y, case.n_lags)
    return spent, (predicted, score)


def check_published(case: Case, found: Any) -> None:
    """Compare predictions and R^2 of the held-out fold."""
    predicted, score = found
    n_units = predicted.shape[1]
    mine, held = _predictions(case, ALPHA, fold=0)[:, :n_units], case.y[case.split(0)[1], :n_units]
    np.testing.assert_allclose(mine, predicted, rtol=1e-6, atol=1e-8)
    explained = 1 - ((held - mine) ** 2).sum(0) / ((held - held.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(explained, score, rtol=1e-6, atol=1e-8)


def sklearn_loo(case: Case) -> tuple[float, Any]:
    """Search by leaving single rows out, scikit-learn's fast path."""
    start = time.perf_counter()
    z = zscored(case.lagged())
    peer = RidgeCV(alphas=ALPHAS * len(z), alpha_per_target=True, fit_intercept=False).fit(z, case.y - case.y.mean(0))
    return time.perf_counter() - start, (peer.alpha_ / len(z), peer.coef_.T)


def sklearn_grid(case: Case) -> tuple[float, Any]:
    """Fit scikit-learn's ``Ridge`` for every fold and penalty."""
    train, held = case.split(0)
    start = time.perf_counter()
    z = zscored(case.lagged(), train)
    preparing = time.perf_counter() - start
    start = time.perf_counter()
    peer = Ridge(alpha=ALPHA * len(train)).fit(z[train], case.y[train])
    predicted = peer.predict(z[held])
    one_penalty = time.perf_counter() - start
    return N_FOLDS * preparing + (N_FOLDS * len(ALPHAS) + 1) * one_penalty, predicted


def check_sklearn_grid(case: Case, predicted: np.ndarray) -> None:
    """Compare predictions of the held-out fold."""
    np.testing.assert_allclose(_predictions(case, ALPHA, fold=0), predicted, rtol=1e-6, atol=1e-8)


def himalaya(case: Case, n_folds: int = N_FOLDS) -> tuple[float, Any]:
    """Search on the same folds with himalaya, penalty by penalty: quickest here, and all at once exceed the memory."""
    start = time.perf_counter()
    z, splits = zscored(case.lagged()), [case.split(k) for k in range(n_folds)]
    rows = len(z) * (N_FOLDS - 1) / N_FOLDS
    peer = HimalayaRidgeCV(
        alphas=ALPHAS * rows, cv=splits, fit_intercept=False, solver_params={"n_alphas_batch": 1}
    ).fit(z, case.y - case.y.mean(0))
    return time.perf_counter() - start, (np.asarray(peer.best_alphas_) / len(z), np.asarray(peer.coef_))


def check_himalaya(case: Case, found: Any) -> None:
    """Compare solutions, and the penalties chosen: its columns are scaled by all rows, so that a few may differ."""
    check_solutions(case, found)
    mine = trf(case).fit(case.X, case.Y, folds=case.folds).alpha_
    same = np.isclose(found[0] * N_FOLDS / (N_FOLDS - 1), mine, rtol=1e-6).mean()
    assert same > 0.95, f"{same:.0%} of the penalties agree"


def himalaya_part(case: Case) -> tuple[float, Any]:
    """Take one fold and the refit of himalaya's search twice, which is less than three folds and the refit."""
    spent, found = himalaya(case, n_folds=1)
    return 2 * spent, found


def mtrfpy(case: Case) -> tuple[float, Any]:
    """Search with mTRFpy over the same rows as six long trials, with one penalty for all units."""
    x = [np.concatenate([x[LEAD_IN:] for x in case.X[k::6]]) for k in range(6)]
    y = [np.concatenate(case.Y[k::6]) for k in range(6)]
    start = time.perf_counter()
    peer = MTRF()
    peer.train(x, y, SFREQ, 0.0, (case.n_lags - 1) / SFREQ, list(ALPHAS[4:6] * 1e3), k=N_FOLDS, verbose=False)
    return (time.perf_counter() - start) / 2 * len(ALPHAS), (x, y, peer)


def check_mtrfpy(case: Case, found: Any) -> None:
    """Compare weights at the penalty that mTRFpy chose, per row and not per trial in second."""
    x, y, peer = found
    alpha = peer.regularization * SFREQ * len(x) / case.rows
    mine = trf(case, [alpha], lead_in=0, standardize=False, n_folds=2).fit(x, y)
    expected = np.moveaxis(peer.weights, -1, 0) / SFREQ
    np.testing.assert_allclose(mine.coef_, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


def check_solutions(case: Case, found: tuple[np.ndarray, np.ndarray]) -> None:
    """Compare predictions of the units that chose the most frequent penalty, given weights of z-scored columns."""
    alphas, weights = found
    values, counts = np.unique(alphas, return_counts=True)
    alpha = values[counts.argmax()]
    units = np.flatnonzero(alphas == alpha)
    predicted = zscored(case.lagged()) @ weights[:, units] + case.y.mean(0)[units]
    np.testing.assert_allclose(_predictions(case, alpha)[:, units], predicted, rtol=1e-5, atol=1e-7)


def _predictions(case: Case, alpha: float, fold: int | None = None) -> np.ndarray:
    """Predict every trial after fitting all, or those of a fold after fitting the others."""
    train = range(len(case.X)) if fold is None else case.training(fold)
    tested = train if fold is None else case.folds[fold]
    fitted = trf(case, [alpha], n_folds=2).fit([case.X[i] for i in train], [case.Y[i] for i in train])
    return np.concatenate(fitted.predict([case.X[i] for i in tested]))


METHODS = {
    "ours": Method(ours, lambda case, found: None, "whole fit"),
    "published procedure": Method(
        published_fit, check_published, "1 of 63 solves of a session, 1 unit's fit; multiplied"
    ),
    "scikit-learn RidgeCV": Method(sklearn_loo, check_solutions, "whole fit (leave-one-out)"),
    "scikit-learn Ridge grid": Method(sklearn_grid, check_sklearn_grid, "1 of 63 solves; multiplied"),
    "himalaya RidgeCV": Method(himalaya, check_himalaya, "whole fit"),
    "himalaya RidgeCV, in part": Method(himalaya_part, check_solutions, "1 of 3 folds and the refit, times 2"),
    "mTRFpy": Method(mtrfpy, check_mtrfpy, "2 of 21 penalties, one for all units; multiplied"),
}

"""Choosing each unit's penalty by cross-validation over trials, and the final fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array, like, namespace, take_columns, to_numpy_together
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.timing import timed
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.distinct_penalties import Scores
from distributed_trf.trf.fold_scores import Scored
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.parameters import check_alphas, whole
from distributed_trf.trf.scaled_gram import BandFactor, Scaling
from distributed_trf.trf.search import search
from distributed_trf.trf.solvers import Diagonal, Solver

UNIT_BLOCK = 512
"""Units solved together: bounds memory at a few arrays of shape (d, UNIT_BLOCK)."""


class Folds(Protocol):
    """Training trials in folds, whatever form their sums have; one group of units after another."""

    record: list[str]
    """Factorisations that failed their check and what was done instead."""

    @property
    def responses(self) -> Sequence[Responses]:
        """Of each group, over all folds."""

    def choose(self, n_alphas: int) -> str:
        """Return the way to solve for some penalties."""

    @property
    def screens(self) -> bool:
        """Whether screening in single precision pays."""

    def of_features(self, features: np.ndarray, n_features: int) -> Folds:
        """Return the folds of some of the features, given by host indices among all ``n_features``, ascending."""

    def validations(self, n_alphas: int, factor: BandFactor | None = None) -> Iterator[Sequence[Scored]]:
        """For each fold what scoring it takes, one for each group; columns of bands scaled by ``factor``."""

    def solve(
        self, best: Sequence[np.ndarray], penalties: Sequence[float], factor: BandFactor | None = None
    ) -> list[tuple[Array, Scaling]]:
        """Fit all trials with each unit's penalty, given by host index: weights of the raw columns, and the scaling."""

    def predict(
        self,
        best: Sequence[np.ndarray],
        penalties: Sequence[float],
        X: Sequence[Array],
        lags: Sequence[int],
        lead_in: int,
    ) -> list[tuple[Array, Array]]:
        """Predict other trials from such fits, about the mean of the training rows, and bound the rounding.

        Returns
        -------
        list of (Array, Array)
            For each group predictions, shape (sum of T_i, U), and what ``drive_rounding`` says of them, (trials, U).
        """


@dataclass(frozen=True)
class RidgeFit:
    """Ridge solutions of all units, groups one after another."""

    alpha: Array
    """Chosen penalty, shape (U,); NaN for a unit that never varies."""
    cv_scores: Array
    """Held-out R^2, mean over folds or pooled over them (see ``pooled_power``), shape (A, U); NaN for a unit that never
    varies, and where screening ruled a penalty out."""
    weights: Array
    """Of the raw lagged columns, shape (d, U); zero for a unit that never varies."""
    intercept: Array
    """Shape (U,)."""
    scalings: tuple[Scaling, ...]
    """Of each group's final fit."""
    solver: str
    """How the penalties were searched: ``eigh``, ``cholesky`` or ``dual``."""
    fallbacks: tuple[str, ...]
    """Factorisations that failed their check and what was done instead."""

    @property
    def inverse(self) -> Array:
        """One over the scales of the lagged columns, of the first group, shape (d,): see ``drive_rounding``."""
        return self.scalings[0].inverse


@dataclass(frozen=True)
class RidgePrediction:
    """What ridge solutions predict for other trials, of all units, groups one after another."""

    alpha: Array
    """Chosen penalty, shape (U,); NaN for a unit that never varies in training."""
    cv_score: Array
    """Held-out R^2 of the chosen penalty, shape (U,); NaN for a unit that never varies."""
    predicted: Array
    """Trials one after another, about ``mean``, shape (sum of T_i, U); zero for a unit that never varies."""
    rounding: Array
    """What rounding may have added to each trial's sum of squares, shape (trials, U): see ``drive_rounding``."""
    mean: Array
    """Mean of the training responses, shape (U,)."""
    solver: str
    """As in ``RidgeFit``."""
    fallbacks: tuple[str, ...]
    """As in ``RidgeFit``."""


def assign_folds(n_trials: int, n_folds: int, seed: int) -> list[np.ndarray]:
    """Deal trials into folds: shuffled, blocks of ``n_trials // n_folds``, the last fold takes the rest.

    Returns
    -------
    list of np.ndarray
        Sorted trial indices of each fold. The rule is that of Ahmed et al. (2025), with a seed.
    """
    n_folds, seed = whole("n_folds", n_folds, 2), whole("seed", seed, 0)
    if n_folds > n_trials:
        fewer = f"choose 2 to {n_trials} folds, or " if n_trials > 1 else ""
        trials = "trial" if n_trials == 1 else "trials"
        raise ConfigError(
            f"n_folds={n_folds} does not fit {n_trials} training {trials}: whole trials are held out; {fewer}cut the "
            f"recording into {n_folds} trials or more"
        )
    order = np.random.default_rng(seed).permutation(n_trials)
    borders = [k * (n_trials // n_folds) for k in range(1, n_folds)]
    return [np.sort(fold) for fold in np.split(order, borders)]


def fit_folds(
    folds: Folds, alphas: Sequence[float] | np.ndarray, *, all_scores: bool = True, unit_block: int = UNIT_BLOCK
) -> RidgeFit:
    """Choose each unit's penalty over folds, then fit it on all of them; parameters as in ``fit_moments``."""
    penalties, scores = _search(folds, alphas, all_scores=all_scores, unit_block=unit_block)
    with timed("solve"):
        solved = folds.solve(to_numpy_together([s.best for s in scores]), penalties)
    return gather(folds, scores, solved, penalties)


def predict_folds(
    folds: Folds,
    alphas: Sequence[float] | np.ndarray,
    X: Sequence[Array],
    lags: Sequence[int],
    lead_in: int,
    *,
    unit_block: int = UNIT_BLOCK,
) -> RidgePrediction:
    """Choose each unit's penalty over folds, fit it on all of them and predict other trials.

    The same as ``drive`` with the weights of ``fit_folds``; in the kernel form, weights are never computed.

    Parameters
    ----------
    folds, alphas, unit_block
        As in ``fit_folds``.
    X
        Features of the trials to predict, one array of shape (lead_in + T_i, F) per trial.
    lags, lead_in
        As in ``collect_trials``.
    """
    penalties, scores = _search(folds, alphas, all_scores=False, unit_block=unit_block)
    with timed("solve"):
        parts = folds.predict(to_numpy_together([s.best for s in scores]), penalties, X, lags, lead_in)
    xp = namespace(scores[0].base)
    alpha, cv_score, predicted, rounding, mean = [], [], [], [], []
    for c, s, (p, error) in zip(folds.responses, scores, parts, strict=True):
        alive = varies(c.yy, c.y_mean, c.n)
        alpha.append(xp.where(alive, xp.take(like(penalties, c.yy), s.best), xp.nan))
        cv_score.append(xp.where(alive, s.base + s.largest, xp.nan))
        predicted.append(xp.where(alive, p, xp.zeros_like(p)))
        rounding.append(xp.where(alive, error, xp.zeros_like(error)))
        mean.append(c.y_mean)
    return RidgePrediction(
        alpha=xp.concat(alpha),
        cv_score=xp.concat(cv_score),
        predicted=xp.concat(predicted, axis=1),
        rounding=xp.concat(rounding, axis=1),
        mean=xp.concat(mean),
        solver=folds.choose(len(penalties)),
        fallbacks=tuple(folds.record),
    )


def _search(
    folds: Folds, alphas: Sequence[float] | np.ndarray, *, all_scores: bool, unit_block: int
) -> tuple[list[float], list[Scores]]:
    penalties = check_alphas(alphas)
    screen = folds.screens and not all_scores
    return penalties, search(folds.validations(len(penalties)), penalties, screen=screen, unit_block=unit_block)


def solve_each(solver: Solver, projected: Array, n: float, best: np.ndarray, penalties: Sequence[float]) -> Array:
    """Solve for every unit at its own penalty, given by host index; shape (k, U)."""
    if isinstance(solver, Diagonal):
        return projected * take_columns(solver.inverses([n * penalty for penalty in penalties]), best)
    order = np.argsort(best, kind="stable")
    chosen, starts = np.unique(best[order], return_index=True)
    borders, sorted_units = [*starts.tolist(), len(best)], take_columns(projected, order)
    parts = []
    for k, apply in enumerate(solver.each([n * penalties[a] for a in chosen])):
        parts.append(apply(sorted_units[:, borders[k] : borders[k + 1]]))
    return take_columns(namespace(projected).concat(parts, axis=1), np.argsort(order))


def gather(
    folds: Folds, scores: Sequence[Scores], solved: Sequence[tuple[Array, Scaling]], penalties: Sequence[float]
) -> RidgeFit:
    """Put the groups' solutions together; a unit that never varies gets no penalty, no score and weights of zero."""
    xp = namespace(scores[0].base)
    alpha, cv_scores, weights, intercept = [], [], [], []
    for c, s, (w, scaling) in zip(folds.responses, scores, solved, strict=True):
        alive = varies(c.yy, c.y_mean, c.n)
        w *= xp.astype(alive, w.dtype)  # in place: of thousands of units weights take more room than all else
        alpha.append(xp.where(alive, xp.take(like(penalties, c.yy), s.best), xp.nan))
        cv_scores.append(xp.where(alive, s.base + s.gain, xp.nan))
        weights.append(w)
        intercept.append(c.y_mean - scaling.mean @ w)
    return RidgeFit(
        alpha=xp.concat(alpha),
        cv_scores=xp.concat(cv_scores, axis=1),
        weights=weights[0] if len(weights) == 1 else xp.concat(weights, axis=1),
        intercept=xp.concat(intercept),
        scalings=tuple(scaling for _, scaling in solved),
        solver=folds.choose(len(penalties)),
        fallbacks=tuple(folds.record),
    )


def at_edges(alpha: np.ndarray, penalties: Sequence[float]) -> tuple[int, int]:
    """Count the units, or fits, that chose the first and the last of several penalties.

    Examples
    --------
    >>> at_edges(np.array([1.0, 0.1, np.nan, 10.0, 10.0]), [0.1, 1.0, 10.0])
    (1, 2)
    """
    first, last = (abs(alpha - edge) <= 1e-9 * edge for edge in (penalties[0], penalties[-1]))
    return int(first.sum()), int(last.sum())


def check_fold_trials(presented: Sequence[Sequence[float]]) -> None:
    """Raise DataError if there are fewer than two folds, or if no trial of one was presented to a group of units.

    Parameters
    ----------
    presented
        For each fold, how much of it was presented to each group.
    """
    if len(presented) < 2:
        raise DataError(f"{len(presented)} fold of trials cannot choose a penalty; give at least two")
    for k, fold in enumerate(presented):
        for g, amount in enumerate(fold):
            if amount <= 0:
                raise DataError(
                    f"no trial of fold {k} was presented to group {g} of units; give this group folds of its own trials"
                )

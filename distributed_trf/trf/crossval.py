"""Choosing each unit's penalty by cross-validation over stimuli, and the final fit, all from fold moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, like, namespace
from distributed_trf.errors import ConfigError
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.moments import Moments, merge
from distributed_trf.trf.ridge import HeldOut, Ridge


@dataclass(frozen=True)
class Fit:
    """Ridge solutions of all units."""

    alpha: Array
    """Chosen penalty, shape (U,); NaN for a unit that never varies."""
    cv_scores: Array
    """Mean held-out R^2 over folds, shape (A, U); NaN for a unit that never varies."""
    weights: Array
    """Of the raw lagged columns, shape (d, U); zero for a unit that never varies."""
    intercept: Array
    """Shape (U,)."""


def assign_folds(n_trials: int, n_folds: int, seed: int) -> list[np.ndarray]:
    """Deal trials into folds: shuffled, blocks of ``n_trials // n_folds``, the last fold takes the rest.

    Returns
    -------
    list of np.ndarray
        Sorted trial indices of each fold. The rule is that of Ahmed et al. (2025), with a seed.
    """
    if not 2 <= n_folds <= n_trials:
        raise ConfigError(f"n_folds={n_folds} does not fit {n_trials} training trials; choose 2 to {n_trials} folds")
    order = np.random.default_rng(seed).permutation(n_trials)
    borders = [k * (n_trials // n_folds) for k in range(1, n_folds)]
    return [np.sort(fold) for fold in np.split(order, borders)]


def fit_folds(
    folds: Sequence[Moments], alphas: Sequence[float] | np.ndarray, *, standardize: bool, unit_block: int = 512
) -> Fit:
    """Choose each unit's penalty over folds, then fit it on all of them.

    Parameters
    ----------
    folds
        Moments of each fold's trials; at least two.
    alphas
        Penalties, positive and ascending; the term added to the sum of squares is ``rows * alpha * ||w||^2``.
    standardize
        Z-score the lagged columns with the training rows' mean and (population std + 1e-6).
    unit_block
        Units solved together: bounds memory at a few arrays of shape (d, unit_block).

    Notes
    -----
    One decomposition per fold and one for the final fit, whatever the number of penalties and units.
    """
    xp = namespace(folds[0].xx)
    penalties = check_alphas(alphas)
    n_units = folds[0].yy.shape[0]
    base, gain = xp.zeros_like(folds[0].yy), 0.0
    for held_out, fold in enumerate(folds):
        ridge = Ridge.decompose(merge([*folds[:held_out], *folds[held_out + 1 :]]), standardize=standardize)
        validation = HeldOut.of(ridge, fold)
        parts = [validation.scores(penalties, block) for block in blocks(n_units, unit_block)]
        base = base + xp.concat([b for b, _ in parts]) / len(folds)
        gain = gain + xp.concat([g for _, g in parts], axis=1) / len(folds)

    everything = merge(folds)
    alive = varies(everything.yy, everything.y_mean, everything.n)
    scores = xp.where(alive, base + gain, xp.nan)
    # Chosen by what differs between penalties: in 1 - 1e-16 and 1 - 2e-16 rounding would choose, and on another machine
    # otherwise. The first of equals, so ties go to the smaller.
    best = xp.argmax(gain, axis=0)
    chosen = xp.take(like(penalties, everything.yy), best)

    ridge = Ridge.decompose(everything, standardize=standardize)
    solved = [_solve(ridge, block, chosen) for block in blocks(n_units, unit_block)]
    weights = xp.concat(solved, axis=1)
    weights = xp.where(alive, weights, xp.zeros_like(weights))
    return Fit(
        alpha=xp.where(alive, chosen, xp.nan),
        cv_scores=scores,
        weights=weights,
        intercept=everything.y_mean - everything.x_mean @ weights,
    )


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut an axis into consecutive blocks of at most ``size``."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def check_alphas(alphas: Sequence[float] | np.ndarray) -> list[float]:
    """Return the penalties as floats, or raise ConfigError if they are not positive and ascending."""
    values = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    if values.ndim != 1 or not np.isfinite(values).all() or (values <= 0).any() or (np.diff(values) <= 0).any():
        raise ConfigError(f"alphas={list(alphas)} must be a list of positive numbers in ascending order")
    return values.tolist()


def _solve(ridge: Ridge, block: slice, alpha: Array) -> Array:
    return Ridge(ridge.train.units(block), ridge.values, ridge.basis).weights(alpha[block])

"""Banded ridge: bands of features with a penalty each (Dupré la Tour et al. 2022, NeuroImage 264:119728).

The fit of all bands, and how much of the explained variance each band accounts for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, like, namespace, to_numpy
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.timing import timed
from distributed_trf.trf.correlation import centred, varies
from distributed_trf.trf.crossval import UNIT_BLOCK, Folds
from distributed_trf.trf.lags import drive
from distributed_trf.trf.parameters import check_alphas, whole
from distributed_trf.trf.scaled_gram import BandFactor
from distributed_trf.trf.search import search

CONCENTRATIONS = (0.1, 1.0)
"""Of the Dirichlet distributions that band weights are drawn from in turn: sparse, and uniform."""


@dataclass(frozen=True)
class BandedFit:
    """Banded ridge solutions of all units."""

    alpha: Array
    """Chosen common penalty, shape (U,); band b is penalised by ``alpha / band_weights[b]``."""
    band_weights: Array
    """Chosen weights of the bands, mean 1 over bands, shape (B, U)."""
    cv_scores: Array
    """Mean held-out R^2 over folds of every penalty at the chosen band weights, shape (A, U)."""
    weights: Array
    """Of the raw lagged columns, shape (d, U)."""
    intercept: Array
    """Shape (U,)."""
    inverse: Array
    """One over the scales of the lagged columns, without the bands' weights, shape (d,): see ``drive_rounding``."""
    solver: str
    """How the penalties were searched: ``eigh``, ``cholesky`` or ``dual``."""
    fallbacks: tuple[str, ...]
    """Factorisations that failed their check and what was done instead."""


def band_candidates(n_bands: int, n: int, seed: int) -> np.ndarray:
    """Draw band weights to try, shape (n, n_bands), mean 1 over bands.

    The first are equal weights, plain ridge; then each band nearly alone, as far as ``n`` goes; the others come from
    Dirichlet distributions of the ``CONCENTRATIONS`` in turn.

    Examples
    --------
    >>> band_candidates(2, 1, seed=0).tolist()
    [[1.0, 1.0]]
    """
    n_bands, n, seed = whole("bands", n_bands, 1), whole("candidates", n, 1), whole("seed", seed, 0)
    rng = np.random.default_rng(seed)
    rows = [np.full(n_bands, 1 / n_bands)]
    if n_bands > 1:
        rows += [np.where(np.arange(n_bands) == b, 1.0, 1e-3) for b in range(n_bands)]
    for k in range(n - len(rows)):
        rows.append(rng.dirichlet(np.full(n_bands, CONCENTRATIONS[k % len(CONCENTRATIONS)])))
    candidates = np.array(rows[:n])
    return n_bands * candidates / candidates.sum(axis=1, keepdims=True)


def check_bands(widths: Sequence[int]) -> list[int]:
    """Return the number of features of each band, or raise ConfigError where one is no whole number from 1 up."""
    if isinstance(widths, (str, bytes)) or not hasattr(widths, "__len__") or len(widths) == 0:
        raise ConfigError(f"bands={widths!r} must be a list: the number of features of each band")
    return [whole(f"bands[{b}]", width, 1) for b, width in enumerate(widths)]


def lagged_bands(widths: Sequence[int], n_lags: int) -> np.ndarray:
    """Return the band of each lagged column, given the number of features of each band, shape (sum of widths * L,)."""
    widths = check_bands(widths)
    return np.tile(np.repeat(np.arange(len(widths)), widths), n_lags)


def fit_banded(
    folds: Folds,
    alphas: Sequence[float] | np.ndarray,
    bands: np.ndarray,
    candidates: np.ndarray,
    *,
    unit_block: int = UNIT_BLOCK,
) -> BandedFit:
    """Choose each unit's band weights and penalty over folds, then fit it on all of them.

    Parameters
    ----------
    folds
        Sums of the folds; they are taken once, whatever the number of candidates.
    alphas
        Penalties, positive and ascending.
    bands
        Band of each lagged column, shape (d,); see ``lagged_bands``.
    candidates
        Band weights to try, none negative, shape (N, B); see ``band_candidates``. A column of a band of weight g is
        scaled by sqrt(g), so that its penalty is ``alpha / g``; a band of weight 0 is left out.
    unit_block
        Units solved together.

    Raises
    ------
    ConfigError
        If penalties or candidates cannot be used.
    DataError
        If bands do not fit the columns.

    Notes
    -----
    Each candidate costs a decomposition per fold; ties go to the earlier candidate and the smaller penalty.
    """
    penalties, weights = check_alphas(alphas), np.atleast_2d(np.asarray(candidates, dtype=np.float64))
    if not np.isfinite(weights).all() or (weights < 0).any() or not (weights > 0).any(axis=1).all():
        raise ConfigError("band weights must be finite and not negative, and some of each candidate positive")
    # A penalty alpha / g_b on band b is one penalty alpha on columns scaled by sqrt(g_b):
    #   min |y - X w|^2 + m alpha sum_b |w_b|^2 / g_b = min |y - X D v|^2 + m alpha |v|^2,   w = D v, D = diag(sqrt(g)).
    # So a candidate changes scales only: X'X becomes D X'X D, and no sum over time is taken again.
    bands = np.asarray(bands)
    if bands.ndim != 1 or bands.min() < 0 or bands.max() >= weights.shape[1]:
        raise DataError(f"columns are in bands {bands.min()} to {bands.max()}, but candidates weigh {weights.shape[1]}")
    groups = folds.responses
    xp = namespace(groups[0].yy)
    units = sum(c.yy.shape[0] for c in groups)
    everyone = like(np.zeros(units), groups[0].yy)
    gain, cv_scores = everyone - xp.inf, xp.zeros((len(penalties), 1), dtype=xp.float64, device=device_of(everyone))
    alpha, candidate = (xp.astype(everyone, xp.int64) for _ in range(2))
    for k, g in enumerate(weights):
        scores = search(
            folds.validations(len(penalties), BandFactor(bands, g)),
            penalties,
            screen=False,
            unit_block=unit_block,
        )
        best_gain = xp.concat([xp.max(s.gain, axis=0) for s in scores])
        better = best_gain > gain
        gain = xp.where(better, best_gain, gain)
        cv_scores = xp.where(better, xp.concat([s.base + s.gain for s in scores], axis=1), cv_scores)
        alpha = xp.where(better, xp.concat([s.best for s in scores]), alpha)
        candidate = xp.where(better, xp.full_like(candidate, k), candidate)

    solved = _solve(folds, penalties, alpha, candidate, [BandFactor(bands, g) for g in weights])
    alive = xp.concat([varies(c.yy, c.y_mean, c.n) for c in groups])
    w = xp.where(alive, solved[0], xp.zeros_like(solved[0]))
    chosen = xp.take(like(weights, everyone), candidate, axis=0).T
    return BandedFit(
        alpha=xp.where(alive, xp.take(like(penalties, everyone), alpha), xp.nan),
        band_weights=xp.where(alive, chosen, xp.nan),
        cv_scores=xp.where(alive, cv_scores, xp.nan),
        weights=w,
        intercept=xp.concat([c.y_mean for c in groups]) - xp.sum(solved[1] * w, axis=0),
        inverse=solved[2],
        solver=folds.choose(len(penalties)),
        fallbacks=tuple(folds.record),
    )


@timed("solve")
def _solve(
    folds: Folds, penalties: list[float], alpha: Array, candidate: Array, factors: list[BandFactor]
) -> tuple[Array, Array, Array]:
    """Weights of the raw columns and the columns' means, chosen for each unit, both (d, U); inverse scales (d,)."""
    xp = namespace(alpha)
    sizes = [c.yy.shape[0] for c in folds.responses]
    chosen_alpha, chosen_candidate = to_numpy(xp.stack([alpha, candidate]))
    borders = np.cumsum(sizes)[:-1]
    weights = means = inverse = None
    for k in np.unique(chosen_candidate).tolist():
        # Of units that chose other weights nothing is kept: at a penalty of those that chose these they cost least.
        chose = chosen_candidate == k
        at = np.where(chose, chosen_alpha, chosen_alpha[chose][0])
        solutions = folds.solve(np.split(at, borders), penalties, factors[k])
        w = xp.concat([w for w, _ in solutions], axis=1)
        mean = xp.concat(
            [
                xp.broadcast_to(s.mean[:, None], (s.mean.shape[0], n))
                for (_, s), n in zip(solutions, sizes, strict=True)
            ],
            axis=1,
        )
        if inverse is None:
            factor = factors[k].of_columns(alpha)
            kept = factor > 0
            inverse = xp.where(kept, solutions[0][1].inverse / xp.where(kept, factor, xp.ones_like(factor)), 0.0)
        weights = w if weights is None else xp.where(candidate == k, w, weights)
        means = mean if means is None else xp.where(candidate == k, mean, means)
    assert weights is not None  # for the type checker: there is a unit, and it has chosen
    assert means is not None
    assert inverse is not None
    return weights, means, inverse


def band_drives(
    X: Sequence[Array],
    weights: Array,
    lags: Sequence[int],
    lead_in: int,
    widths: Sequence[int],
    outside: Array | None = None,
) -> Array:
    """Predict from each band alone, without an intercept, shape (B, sum of T_i, U).

    Parameters
    ----------
    X
        Features of all bands side by side, one array of shape (lead_in + T_i, sum of widths) per trial.
    weights
        Shape (d, U), column ``lag_index * F + feature``.
    lags, lead_in
        Lags in samples; rows of X before the first response.
    widths
        Number of features of each band.
    outside
        Values of the features outside a trial, shape (sum of widths,); by default zeros.
    """
    if sum(widths) != X[0].shape[1]:
        raise DataError(f"bands have {sum(widths)} features together, but X has {X[0].shape[1]}")
    xp = namespace(weights)
    by_lag = xp.reshape(weights, (len(lags), -1, weights.shape[1]))
    ends = np.cumsum(widths).tolist()
    drives = []
    for end, width in zip(ends, widths, strict=True):
        band_weights = xp.reshape(by_lag[:, end - width : end, :], (len(lags) * width, -1))
        beyond = None if outside is None else outside[end - width : end]
        drives.append(drive([x[:, end - width : end] for x in X], band_weights, lags, lead_in, beyond))
    return xp.stack(drives)


def variance_shares(y: Array, contributions: Array, rounding: Array | float = 0.0) -> tuple[Array, Array]:
    """Split the explained variance over bands by the product measure.

    ``R^2_b = sum_t p_b (2 y - p) / sum_t y^2`` with ``p = sum_b p_b`` and all centred, so that the R^2 of the bands add
    up to that of the prediction (Dupré la Tour et al. 2022, NeuroImage 264:119728, section 2.4).

    Parameters
    ----------
    y
        Responses, shape (T, U), or (R, T, U), which are averaged over repeats.
    contributions
        What each band predicts, shape (B, T, U).
    rounding
        Of the sum of squares of their sum, shape (U,): see ``drive_rounding``.

    Returns
    -------
    r2 : array of shape (B, U)
        NaN where the unit never varies.
    share : array of shape (B, U)
        ``R^2_b`` over their sum; NaN where nothing is explained (the sum is not positive, or the prediction is flat).
    """
    xp = namespace(y, contributions)
    y = xp.astype(y, xp.float64)
    y = xp.mean(y, axis=0) if y.ndim == 3 else y
    if contributions.ndim != 3 or tuple(contributions.shape[1:]) != tuple(y.shape):
        raise DataError(f"contributions have shape {tuple(contributions.shape)}; expected (bands, *{tuple(y.shape)})")
    mean, y = centred(y)
    p = contributions - xp.mean(contributions, axis=1, keepdims=True)
    whole = xp.sum(p, axis=0)
    rest = 2 * y - whole
    power = xp.sum(y * y, axis=0)
    # sum_b p_b (2 y - p) = 2 p y - p^2 = y^2 - (y - p)^2: the bands' R^2 add up to that of the prediction.
    r2 = xp.sum(p * rest[None, :, :], axis=1) / xp.where(varies(power, mean, y.shape[0]), power, xp.nan)
    total = xp.sum(r2, axis=0)
    explained = (total > 0) & (xp.sum(whole * whole, axis=0) > rounding)
    return r2, r2 / xp.where(explained, total, xp.nan)

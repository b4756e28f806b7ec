"""Variance partitioning: fits of subsets of feature spaces from one set of sums, and what is unique and what is shared.

Variance of a part P, a set of spaces, is what each space of P could explain and no other space can. A subset T of the
spaces explains the parts that have a space in T, so that with all subsets fitted the parts follow (commonality
analysis; Mood 1971, Am Educ Res J 8:191; Nimon & Reio 2011, Hum Resour Dev Rev 10:329):

    R^2(T) = sum of V(P) over P that meet T,    V(P) = - sum over T in P of (-1)^(|P| - |T|) R^2(all spaces without T),

with R^2 of no space 0. The part of one space is its unique variance, R^2(all) - R^2(all without it).

A part may be negative. Spaces that suppress each other's noise explain more together than the sum of what each does
alone, and what they share is then negative. And each R^2 is of another model, with its own penalties, on a finite test:
where two models predict equally well their difference is noise of either sign. Cutting it at zero would bias medians
and means over units, so that signs are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from distributed_trf.arrays import Array, like, namespace
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.banded import BandedFit, band_candidates, check_bands, fit_banded, lagged_bands
from distributed_trf.trf.crossval import UNIT_BLOCK, Folds
from distributed_trf.trf.parameters import whole

MOST_SPACES = 6
"""There are 63 subsets of six spaces; of more, neither the fits nor the parts could be read."""

Subset = tuple[int, ...]
"""Indices of spaces, ascending."""


@dataclass(frozen=True)
class SubsetFit:
    """The fit of some feature spaces as one model."""

    subset: Subset
    features: np.ndarray
    """Which of the features of all spaces are the subset's, ascending."""
    fit: BandedFit
    """Its weights are of the lagged columns of these features only."""


def all_subsets(n_spaces: int) -> list[Subset]:
    """List the subsets of some spaces but for the empty one, small ones first; the parts of the variance as well.

    Raises
    ------
    ConfigError
        If there are more than ``MOST_SPACES`` spaces.

    Examples
    --------
    >>> all_subsets(2)
    [(0,), (1,), (0, 1)]
    """
    if whole("spaces", n_spaces, 1) > MOST_SPACES:
        raise ConfigError(
            f"{n_spaces} feature spaces have {2**n_spaces - 1} subsets; give at most {MOST_SPACES}, or join some as one"
        )
    return [subset for size in range(1, n_spaces + 1) for subset in combinations(range(n_spaces), size)]


def n_candidates(size: int, n_spaces: int, candidates: int) -> int:
    """Return how many band weights are tried for a subset of some size.

    Weights of k spaces lie on a simplex of k - 1 dimensions. Where all n spaces have N candidates, a subset has
    ``N^((k - 1) / (n - 1))``: as many along each dimension. It has at least equal weights and each space nearly alone,
    where N has as many; a single space has one, since its weight says nothing that the penalty does not.

    Examples
    --------
    >>> [n_candidates(k, 6, 100) for k in range(1, 7)]
    [1, 3, 6, 16, 40, 100]
    """
    if size == 1:
        return 1
    return min(max(round(candidates ** ((size - 1) / (n_spaces - 1))), size + 1), candidates)


def fit_subsets(
    folds: Folds,
    alphas: Sequence[float] | np.ndarray,
    widths: Sequence[int],
    n_lags: int,
    subsets: Sequence[Subset],
    *,
    candidates: int,
    seed: int,
    unit_block: int = UNIT_BLOCK,
) -> Iterator[SubsetFit]:
    """Fit subsets of feature spaces, each with its own penalties, one for each of its spaces (banded ridge).

    Parameters
    ----------
    folds
        Sums of all spaces side by side. Those of a subset are parts of them, so that no row is looked at again.
    alphas
        Penalties, positive and ascending.
    widths
        Number of features of each space.
    n_lags
        Number of lags.
    subsets
        Which to fit, in this order.
    candidates
        Band weights to try for all spaces; a subset has ``n_candidates`` of them, as ``band_candidates`` draws them for
        as many bands.
    seed
        Of the band weights.
    unit_block
        Units solved together.

    Raises
    ------
    ConfigError
        If penalties, widths, candidates or subsets cannot be used.

    Notes
    -----
    A fit costs a decomposition per fold and candidate, of a matrix of its own size. With 100 candidates all 63 subsets
    of six spaces of one width take 3.4 to 3.6 times as long as the fit of all six; with 10, 7 times as long.
    """
    widths, n_spaces = check_bands(widths), len(widths)
    candidates = whole("candidates", candidates, 1)
    for subset in check_subsets(subsets, n_spaces):
        # Sums of a subset are entries of those of all, X'X[S, S] and X'Y[S, :] with S the columns of its features at
        # all lags; a column's mean and scale are its own, so that the subset's fit is exact, not an approximation.
        members = np.flatnonzero(np.isin(np.repeat(np.arange(n_spaces), widths), subset))
        of = folds if len(subset) == n_spaces else folds.of_features(members, sum(widths))
        tried = band_candidates(len(subset), n_candidates(len(subset), n_spaces, candidates), seed)
        bands = lagged_bands([widths[space] for space in subset], n_lags)
        yield SubsetFit(subset, members, fit_banded(of, alphas, bands, tried, unit_block=unit_block))


def check_subsets(subsets: Sequence[Subset], n_spaces: int) -> list[Subset]:
    """Return subsets, or raise ConfigError where one is not among the spaces, is empty or is there twice."""
    known = all_subsets(n_spaces)
    for k, subset in enumerate(subsets):
        if tuple(subset) not in known:
            raise ConfigError(f"subsets[{k}]={subset!r} must be indices below {n_spaces}, ascending, each once")
    if len(set(subsets)) < len(subsets):
        raise ConfigError("a subset is listed twice; list each once")
    return list(subsets)


def parts_of_variance(r2: Array, subsets: Sequence[Subset], n_spaces: int) -> Array:
    """Split the explained variance into what is unique to each space and what each set of spaces shares.

    Parameters
    ----------
    r2
        R^2 of each subset's predictions, signed, shape (S, U). Any score will do that adds up as a variance does.
    subsets
        Which spaces each row is of.
    n_spaces
        Number of spaces.

    Returns
    -------
    array of shape (2^n_spaces - 1, U)
        V(P) of the parts P in the order of ``all_subsets``, signed: of one space its unique variance. They add up to
        R^2 of all spaces. NaN for a part that takes a subset that is not there.

    Examples
    --------
    Two spaces that explain 0.3 and 0.4 alone and 0.5 together share 0.2.

    >>> import numpy as np
    >>> parts_of_variance(np.array([[0.3], [0.4], [0.5]]), all_subsets(2), 2).round(9).tolist()
    [[0.1], [0.2], [0.2]]
    """
    if r2.ndim != 2 or r2.shape[0] != len(subsets):
        raise DataError(f"R^2 has shape {tuple(r2.shape)}; expected a row for each of {len(subsets)} subsets")
    row = {subset: k for k, subset in enumerate(check_subsets(subsets, n_spaces))}
    parts = all_subsets(n_spaces)
    weights, lacking = np.zeros((len(parts), len(subsets))), np.zeros(len(parts), dtype=bool)
    # R^2(T) is the sum of V(P) over parts P that meet T, so that R^2(all) - R^2(all without T) is the sum over P in T.
    # Moebius inversion over the subsets T of P, the empty one too, gives
    #   V(P) = sum (-1)^(|P| - |T|) (R^2(all) - R^2(all without T)) = -sum (-1)^(|P| - |T|) R^2(all without T),
    # since the signs alone add up to zero.
    for p, part in enumerate(parts):
        for without in [(), *(tuple(c) for size in range(1, len(part) + 1) for c in combinations(part, size))]:
            rest = tuple(space for space in range(n_spaces) if space not in without)
            # of no space R^2 is 0, and needs no row
            if rest in row:
                weights[p, row[rest]] = -((-1) ** (len(part) - len(without)))
            elif rest:
                lacking[p] = True
    xp = namespace(r2)
    found = like(weights, r2) @ xp.astype(r2, xp.float64, copy=False)
    return xp.where(xp.asarray(lacking, device=r2.device)[:, None], xp.nan, found)

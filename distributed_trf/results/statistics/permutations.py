"""Null distributions over groups: signs of their means flipped, or their labels dealt anew.

Where there are no more rearrangements than draws, all are taken, and p is exact; else they are drawn. Cells with as
many groups share the rearrangements, whichever groups these are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from math import comb
from typing import Literal, cast, get_args

import numpy as np

from distributed_trf.errors import DataError

Alternative = Literal["greater", "less", "two-sided"]
DRAWS = 50_000
"""Rearrangements that are drawn where there are more, from 16 signs on: a p of 0.01 has a standard error of 4 %."""
EXACT = "exact"
"""Said instead of a number of draws where all rearrangements are taken."""
TIE = 1e-9
"""Statistics that differ by less than this part of the numbers behind them are equal; rounding makes them differ."""
BLOCK = 1_000_000
"""Numbers in memory at a time, about."""


def known_side(alternative: str) -> Alternative:
    """Return the alternative.

    Raises
    ------
    DataError
        If it is not known.
    """
    if alternative not in get_args(Alternative):
        raise DataError(f"alternative {alternative!r} is not known; take {', '.join(get_args(Alternative))}")
    return cast("Alternative", alternative)


def exact_signs(n_groups: int, draws: int) -> bool:
    """Say whether all patterns of signs are taken."""
    return n_groups < 60 and 2**n_groups <= draws


def exact_labels(n_a: int, n_b: int, draws: int) -> bool:
    """Say whether all ways to deal labels are taken."""
    return comb(n_a + n_b, n_a) <= draws


def out_of_reach(smallest: np.ndarray, alpha: float, level: str) -> list[str]:
    """Say where no p-value can be below alpha, whatever the numbers.

    Parameters
    ----------
    smallest
        The smallest p-values there can be, NaN where there is no test.
    alpha
        The level of the tests.
    level
        What groups are.
    """
    known = smallest[~np.isnan(smallest)]
    never = known[known >= alpha]
    if not never.size:
        return []
    of = "" if never.size == known.size else f" in {never.size} of {known.size} tests"
    return [f"no p can be below {alpha:g}{of}: so few {level}s allow no less than {never.min():.2g}"]


def flip_signs(
    centre: np.ndarray, weights: np.ndarray, size: np.ndarray, alternative: Alternative, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test weighted sums of group means by flipping signs of groups.

    Parameters
    ----------
    centre, weights
        Of each group, shape (cells, groups); weight zero where there is none.
    size
        Of the numbers that means are of, shape (cells,): what differs by a billionth of it differs by rounding.
    alternative
        Whether great sums, small ones, or both speak against the null hypothesis: each group's mean is as likely to be
        d as -d.
    draws
        Patterns of signs that are drawn where there are more.
    seed
        Of these.

    Returns
    -------
    tuple[np.ndarray, np.ndarray, np.ndarray]
        The sum, p, and the smallest p that so many groups allow; shape (cells,), NaN where there are none.
    """
    statistic, p, smallest = np.full((3, len(centre)), np.nan)
    sides = 2 if alternative == "two-sided" else 1
    present = weights > 0
    counts = np.count_nonzero(present, axis=1)
    for n in np.unique(counts[counts > 0]).tolist():
        cells = np.flatnonzero(counts == n)
        order = np.argsort(~present[cells], axis=1, kind="stable")[:, :n]
        weighted = np.take_along_axis((weights * centre)[cells], order, axis=1)
        tie = TIE * size[cells] * weights[cells].sum(axis=1)
        statistic[cells] = weighted.sum(axis=1)
        exact = exact_signs(n, draws)
        signs = _signs(n, draws, seed)
        p[cells] = _tail(statistic[cells], tie, signs, alternative, partial(_sums, weighted), exact)
        smallest[cells] = min(1, sides / 2**n) if exact else 1 / (draws + 1)
    return statistic, p, smallest


def deal_labels(
    centre: np.ndarray,
    weights: np.ndarray,
    in_a: np.ndarray,
    size: np.ndarray,
    alternative: Alternative,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare weighted means of two sets of groups by dealing their labels anew.

    Parameters
    ----------
    centre, weights
        Of each group, shape (cells, groups); weight zero where there is none.
    in_a
        Whether a group is of the first set, else of the second, shape (cells, groups).
    size
        As of ``flip_signs``.
    alternative
        ``greater``: a mean of b above that of a.
    draws
        Ways to deal that are drawn where there are more.
    seed
        Of these.

    Returns
    -------
    tuple[np.ndarray, np.ndarray, np.ndarray]
        The difference, b minus a, over its standard error, both sets with a variance of their own (Welch); p; and the
        smallest p that such sets allow. Shape (cells,), NaN where a set has fewer than two groups.
    """
    statistic, p, smallest = np.full((3, len(centre)), np.nan)
    present = weights > 0
    counts = np.stack([np.count_nonzero(present & side, axis=1) for side in (in_a, ~in_a)], axis=1)
    for n_a, n_b in np.unique(counts[counts.min(axis=1) > 1], axis=0).tolist():
        n = n_a + n_b
        cells = np.flatnonzero((counts == (n_a, n_b)).all(axis=1))
        order = np.argsort(np.where(present, ~in_a, 2)[cells], axis=1, kind="stable")[:, :n]  # first those of a
        of, weight = (np.take_along_axis(array[cells], order, axis=1) for array in (centre, weights))
        welch = _Welch(of, weight, size[cells])
        statistic[cells] = welch((np.arange(n) < n_a).astype(np.float64)[None])[0]
        tie = TIE * np.maximum(np.abs(statistic[cells]), 1)
        exact = exact_labels(n_a, n_b, draws)
        p[cells] = _tail(statistic[cells], tie, _labels(n_a, n_b, draws, seed), alternative, welch, exact)
        mirrored = alternative == "two-sided" and n_a == n_b  # dealt the other way round they differ as much
        smallest[cells] = (1 + mirrored) / comb(n, n_a) if exact else 1 / (draws + 1)
    return statistic, p, smallest


def _sums(weighted: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return sums over groups, shape (patterns, cells), of (cells, groups) and signs of shape (patterns, groups)."""
    sums: np.ndarray = signs @ weighted.T
    return sums


class _Welch:
    """The difference of two weighted means over its standard error, for many ways to deal groups to a and b."""

    def __init__(self, centre: np.ndarray, weights: np.ndarray, size: np.ndarray) -> None:
        """Keep what a way to deal sums up; arrays of shape (cells, groups), and (cells,)."""
        away = centre - (weights * centre).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
        self.sums = [of.T for of in (weights, weights * away, weights**2, weights**2 * away, (weights * away) ** 2)]
        self.floor = np.where(size > 0, 1e-6 * size, 1) ** 2  # of variances; what is below is rounding

    def __call__(self, in_a: np.ndarray) -> np.ndarray:
        """Return the statistic, b minus a, shape (ways, cells), of ways to deal of shape (ways, groups)."""
        n_groups, n_a = in_a.shape[1], in_a[0].sum()
        of_a = [in_a @ of for of in self.sums]
        of_b = [of.sum(axis=0) - part for of, part in zip(self.sums, of_a, strict=True)]
        means, variances = [], []
        for (w, wx, ww, wwx, wwxx), n in ((of_a, n_a), (of_b, n_groups - n_a)):
            mean = wx / w
            squares = wwxx - mean * (2 * wwx - mean * ww)
            means.append(mean)
            variances.append(squares * (n / (n - 1)) / w**2)
        return (means[1] - means[0]) / np.sqrt(np.maximum(variances[0] + variances[1], self.floor))


def _tail(
    observed: np.ndarray,
    tie: np.ndarray,
    rearranged: np.ndarray,
    alternative: Alternative,
    statistic: Callable[[np.ndarray], np.ndarray],
    exact: bool,  # noqa: FBT001
) -> np.ndarray:
    """Return which part of rearrangements has a statistic as extreme as the observed one, shape (cells,)."""
    side: Callable[[np.ndarray], np.ndarray] = {"greater": np.positive, "less": np.negative, "two-sided": np.abs}[
        alternative
    ]
    reached = side(observed) - tie
    count = np.zeros(observed.shape, dtype=np.int64)
    rows = max(1, BLOCK // max(1, observed.size))
    for start in range(0, len(rearranged), rows):
        block = rearranged[start : start + rows].astype(np.float64)
        count += np.count_nonzero(side(statistic(block)) >= reached, axis=0)
    return count / len(rearranged) if exact else (count + 1) / (len(rearranged) + 1)


@lru_cache(maxsize=8)
def _signs(n_groups: int, draws: int, seed: int) -> np.ndarray:
    """Return signs of groups, all patterns or drawn ones, shape (patterns, groups); not to be written to."""
    if exact_signs(n_groups, draws):
        bits = np.arange(2**n_groups)[:, None] >> np.arange(n_groups) & 1
    else:
        bits = np.random.default_rng([seed, n_groups]).integers(0, 2, (draws, n_groups))
    return _kept(1 - 2 * bits)


@lru_cache(maxsize=8)
def _labels(n_a: int, n_b: int, draws: int, seed: int) -> np.ndarray:
    """Return 1 where a group is dealt to a, all ways or drawn ones, shape (ways, groups); not to be written to."""
    n = n_a + n_b
    if exact_labels(n_a, n_b, draws):
        labels = np.zeros((comb(n, n_a), n), dtype=np.int8)
        chosen = np.array(list(combinations(range(n), n_a)))
        np.put_along_axis(labels, chosen, 1, axis=1)
    else:
        start = np.broadcast_to((np.arange(n) < n_a).astype(np.int8), (draws, n))
        labels = np.random.default_rng([seed, n_a, n_b]).permuted(start, axis=1)
    return _kept(labels)


def _kept(array: np.ndarray) -> np.ndarray:
    small = array.astype(np.int8)
    small.flags.writeable = False
    return small

"""Representational similarity: dissimilarities between the patterns of pairs of stimuli, and their comparison.

A representation is known by which stimuli it takes for alike (Kriegeskorte et al. 2008): the dissimilarity of a pair is
1 - Pearson's r of their patterns, and two representations are compared by the dissimilarities of all pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from distributed_trf.arrays import Array, namespace, take_columns
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import centred, varies

Comparison = Literal["spearman", "cosine"]
"""How dissimilarities are compared."""
GRID = 1e-12
"""Step of dissimilarities: pairs that are equally alike, of which counts of few units have many, are so whatever the
rounding of sums, and have one rank."""


def dissimilarities(patterns: Array) -> Array:
    """Compute 1 - Pearson's r between the patterns of each pair of rows.

    Parameters
    ----------
    patterns
        Shape (..., n, features): of n stimuli or bins, at least 3, the values of features or units.

    Returns
    -------
    array of shape (..., n (n - 1) / 2)
        float64, rounded to 1e-12; pairs (0, 1), (0, 2), ..., (n - 2, n - 1), as ``scipy.spatial.distance.pdist`` has
        them. NaN for pairs with a row that never varies over features.

    Raises
    ------
    DataError
        If there are fewer than 3 rows, or fewer than 2 features.
    """
    if patterns.ndim < 2 or patterns.shape[-2] < 3 or patterns.shape[-1] < 2:
        raise DataError(
            f"patterns of shape {tuple(patterns.shape)}; expected (stimuli, features) with at least 3 stimuli and 2 "
            "features or units: of fewer there is no correlation to compare"
        )
    xp, n = namespace(patterns), patterns.shape[-2]
    columns = xp.matrix_transpose(xp.astype(patterns, xp.float64, copy=False))
    mean, x = centred(columns)
    power = xp.sum(x * x, axis=-2)
    defined = varies(power, mean, columns.shape[-2])
    x = x / xp.sqrt(xp.where(defined, power, xp.ones_like(power)))[..., None, :]
    x = xp.where(defined[..., None, :], x, xp.nan * xp.ones_like(x))
    r = xp.matrix_transpose(x) @ x
    one, other = np.triu_indices(n, 1)
    found = 1 - take_columns(xp.reshape(r, (*r.shape[:-2], n * n)), one * n + other)
    return xp.round(found / GRID) * GRID


def compare_dissimilarities(one: Array, other: Array, how: Comparison = "spearman") -> Array:
    """Compare dissimilarities of the same pairs.

    Parameters
    ----------
    one, other
        Shapes (a, pairs) and (b, pairs), as ``dissimilarities`` gives them.
    how
        ``spearman``, the rank correlation, with the mean rank of equal values; or ``cosine``, the cosine of the angle
        between the vectors, which does not centre them.

    Returns
    -------
    array of shape (a, b)
        float64; NaN where dissimilarities are NaN, or all equal.

    Raises
    ------
    DataError
        If numbers of pairs differ, or ``how`` is unknown.
    """
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise DataError(
            f"dissimilarities of shapes {tuple(one.shape)} and {tuple(other.shape)}; expected (a, pairs) and (b, pairs)"
            " of the same pairs of stimuli"
        )
    scores = _scores(how)
    return scores(one) @ namespace(one, other).matrix_transpose(scores(other))


def rsa(x: Array, y: Array, how: Comparison = "spearman") -> Array:
    """Compare two representations of the same stimuli by the dissimilarities of all pairs.

    Parameters
    ----------
    x, y
        Shapes (n, p) and (n, q), of numpy or cupy: values of features or units for n stimuli or time bins.
    how
        See ``compare_dissimilarities``.

    Returns
    -------
    array of shape ()
        float64.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(20, 5))
    >>> float(rsa(x, 2 * x + 1).round(9))
    1.0
    """
    of_x, of_y = (dissimilarities(patterns)[None, ...] for patterns in (x, y))
    return compare_dissimilarities(of_x, of_y, how)[0, 0]


def rsa_ceiling(several: Array, how: Comparison = "spearman") -> tuple[Array, Array]:
    """Bound what the true representation would reach on average, given how much several measurements of it differ.

    Parameters
    ----------
    several
        Shape (m, pairs): dissimilarities by each of m subjects or repeats, at least 2.
    how
        See ``compare_dissimilarities``.

    Returns
    -------
    lower, upper
        Mean over subjects, each of shape (): of the comparison of each with the mean of all others, which is no better
        than the truth on average, and with the mean of all, which is about the best that any could reach. Before the
        mean each subject's dissimilarities are turned into ranks, or for ``cosine`` scaled to length 1 (Nili et al.
        2014, PLoS Comput Biol 10:e1003553).

    Raises
    ------
    DataError
        If there is only one.
    """
    m = several.shape[0]
    if several.ndim != 2 or m < 2:
        raise DataError(
            f"dissimilarities of shape {tuple(several.shape)}; a noise ceiling needs (m, pairs) of 2 or more subjects "
            "or repeats"
        )
    xp, prepared = namespace(several), ranks(several) if how == "spearman" else _scores(how)(several)
    total = xp.sum(prepared, axis=0, keepdims=True)
    upper = compare_dissimilarities(several, total / m, how)[:, 0]
    others = (total - prepared) / (m - 1)
    scores = _scores(how)
    lower = xp.sum(scores(several) * scores(others), axis=1)
    return xp.mean(lower), xp.mean(upper)


def ranks(values: Array) -> Array:
    """Rank values along the last axis of (m, n) from 1, equal ones by their mean rank; rows with NaN are NaN."""
    xp = namespace(values)
    found = []
    for k in range(values.shape[0]):
        row = values[k, :]
        ascending = xp.sort(row)
        below, up_to = (xp.searchsorted(ascending, row, side=side) for side in ("left", "right"))
        ranked = (xp.astype(below, xp.float64) + xp.astype(up_to, xp.float64) + 1) / 2
        found.append(xp.where(xp.any(xp.isnan(row)), xp.nan * ranked, ranked))
    return xp.stack(found)


def _scores(how: Comparison) -> Callable[[Array], Array]:
    """Return what makes vectors whose products are the comparison."""
    known: dict[str, Callable[[Array], Array]] = {
        "spearman": lambda values: _unit(_centred_rows(ranks(values))),
        "cosine": _unit,
    }
    if how not in known:
        raise DataError(f"how = {how!r}; expected one of {', '.join(known)}")
    return known[how]


def _centred_rows(values: Array) -> Array:
    return values - namespace(values).mean(values, axis=-1, keepdims=True)


def _unit(values: Array) -> Array:
    """Scale rows to length 1; NaN for one of zeros."""
    xp = namespace(values)
    length = xp.sqrt(xp.sum(values * values, axis=-1, keepdims=True))
    zero = length == 0
    return xp.where(zero, xp.nan * values, values / xp.where(zero, xp.ones_like(length), length))

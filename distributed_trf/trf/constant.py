"""Columns that never vary, told by their values: no threshold could tell a small variance from rounding."""

from __future__ import annotations

from distributed_trf.arrays import Array, namespace


def constants(columns: Array, counted: Array | None = None) -> Array:
    """Return the value of each column that is the same in all rows, NaN for one that varies.

    Parameters
    ----------
    columns
        Shape (n, k).
    counted
        Which rows are looked at, bool of shape (n,); by default all.
    """
    xp = namespace(columns)
    low, high = columns, columns
    if counted is not None:
        low, high = (xp.where(counted[:, None], columns, limit) for limit in (xp.inf, -xp.inf))
    low, high = xp.min(low, axis=0), xp.max(high, axis=0)
    return xp.astype(xp.where(low == high, low, xp.nan), xp.float64, copy=False)


def in_both(a: Array, b: Array) -> Array:
    """Return the value of each column that is constant over two sets of rows, given those over each of them."""
    xp = namespace(a, b)
    return xp.where(a == b, a, xp.nan)  # NaN equals nothing

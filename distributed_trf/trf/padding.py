"""Trials padded with the mean of the training rows: exact in sums that are taken before that mean is known.

Features are summed about a fixed centre, which is also what stands outside a trial, beside one more feature that is 0
inside a trial and 1 outside. A padded column is then the sum of two: its feature's, and the mean's distance from the
centre times the other's. So sums of padded trials follow from sums, whichever trials the mean is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.correlation import centred
from distributed_trf.trf.moments import Gram, Moments, constants, in_both


@dataclass(frozen=True)
class FeatureMeans:
    """Count and means of features over all rows of some trials, the lead-in included."""

    n: int
    mean: Array
    """Shape (F,)."""
    constant: Array
    """Value of each feature that never varies, NaN for one that does, shape (F,)."""

    @classmethod
    def of(cls, X: Sequence[Array]) -> FeatureMeans:
        """Average trials, each of shape (rows, F)."""
        xp = namespace(*X)
        rows = xp.concat([xp.astype(x, xp.float64, copy=False) for x in X])
        return cls(rows.shape[0], centred(rows)[0], constants(rows))

    def __add__(self, other: FeatureMeans) -> FeatureMeans:
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        return FeatureMeans(n, mean, in_both(self.constant, other.constant))


def with_outside(x: Array, centre: Array) -> Array:
    """Move a trial by the centre and put the feature beside it that tells inside from outside, shape (rows, F + 1)."""
    xp = namespace(x, centre)
    moved = xp.astype(x, xp.float64, copy=False) - centre
    return xp.concat([moved, xp.zeros_like(moved[:, :1])], axis=1)


def outside_of(centre: Array) -> Array:
    """Return what stands outside such trials, shape (F + 1,)."""
    xp = namespace(centre)
    return xp.concat([xp.zeros_like(centre), xp.ones((1,), dtype=centre.dtype, device=device_of(centre))])


def padded(moments: Moments, fill: Array, constant: Array) -> Moments:
    """Return the moments of trials outside of which the features have other values than the centre's.

    Parameters
    ----------
    moments
        Of trials as ``with_outside`` makes them.
    fill
        What to pad with, as a distance from the centre, shape (F,).
    constant
        Value of features that have it in all rows and in ``fill``, NaN elsewhere, shape (F,).
    """
    xp, F = namespace(fill), fill.shape[0]

    def columns(array: Array) -> Array:
        """Of the last axis."""
        parts = xp.reshape(array, (*array.shape[:-1], -1, F + 1))
        return xp.reshape(parts[..., :F] + fill * parts[..., F:], (*array.shape[:-1], -1))

    def values(known: Array) -> Array:
        parts = xp.reshape(known, (-1, F + 1))
        found = xp.where(fill == 0, parts[:, :F], parts[:, :F] + fill * parts[:, F:])
        return xp.reshape(xp.where(xp.isnan(constant), found, constant), (-1,))

    def means(mean: Array, known: Array) -> Array:
        return xp.where(xp.isnan(known), columns(mean), known)

    gram = moments.gram
    xx, known = columns(columns(gram.xx).T), values(gram.constant)
    gram = Gram(gram.n, means(gram.x_mean, known), (xx + xx.T) / 2, known).without_rounding()
    cross = []
    for c in moments.cross:
        known = values(c.constant)
        missing = None if c.missing is None else columns(c.missing)
        found = replace(c, x_mean=means(c.x_mean, known), xy=columns(c.xy.T).T, constant=known, missing=missing)
        cross.append(found)
    return Moments(gram, tuple(cross))

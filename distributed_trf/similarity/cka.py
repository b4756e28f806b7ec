"""Linear centred kernel alignment: how alike the rows of two representations are, up to rotation and scale.

With linear kernels ``K = X X'`` and ``L = Y Y'`` of representations with centred columns, over the same n rows ::

    cka(X, Y) = hsic(X, Y) / sqrt(hsic(X, X) hsic(Y, Y)),      hsic(X, Y) = tr(K L)

(Kornblith et al. 2019, ICML). With few rows for many features this is biased upwards: it tends to 1 for random numbers.
The debiased one (Murphy et al. 2024) takes the unbiased estimator of Song et al. (2012, JMLR 13:1393) instead, whose
``K`` has a diagonal of zeros, so that random numbers give 0 in the mean ::

    hsic(X, Y) ~ tr(K L) + sum(K) sum(L) / ((n - 1)(n - 2)) - 2 sum(K L) / (n - 2)

It does not change if ``a_i + a_j`` is added to all other entries of K, so that columns may be centred first. Then the
rows of the kernel with its diagonal d sum to 0, and those of K to -d; hence with ``tr`` of whole kernels ::

    hsic(X, Y) ~ tr(K L) - d.e + sum(d) sum(e) / ((n - 1)(n - 2)) - 2 d.e / (n - 2)

where d and e are the diagonals. No kernel is needed where features are fewer than rows: ``tr(K L) = |X'Y|^2``.
"""

from __future__ import annotations

from functools import cached_property

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import centred, varies


class Representation:
    """One representation, prepared for comparisons with others over the same rows.

    Parameters
    ----------
    x
        Shape (n, features), of numpy or cupy.

    Raises
    ------
    DataError
        If it has another shape, or fewer than 4 rows.
    """

    def __init__(self, x: Array) -> None:
        if x.ndim != 2 or x.shape[0] < 4:
            raise DataError(
                f"a representation of shape {tuple(x.shape)}; expected (rows, features) with at least 4 rows. For 3 "
                "axes put stimuli and bins into one"
            )
        xp = namespace(x)
        mean, moved = centred(xp.astype(x, xp.float64, copy=False))
        # Columns that never vary are zero but for rounding, which is all that a constant representation would have.
        constant = ~varies(xp.sum(moved * moved, axis=0), mean, x.shape[0])
        self._x = xp.where(constant[None, :], xp.zeros_like(moved), moved)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self._x.shape[0])

    @cached_property
    def _diagonal(self) -> Array:
        return namespace(self._x).sum(self._x * self._x, axis=1)

    def hsic(self, other: Representation, *, debiased: bool) -> Array:
        """Return the alignment of two kernels, not normalised, without the factor 1 / (n (n - 3)); shape ()."""
        x, y, xp, n = self._x, other._x, namespace(self._x, other._x), self.n_rows
        p, q = x.shape[1], y.shape[1]
        if p * q <= n * (p + q):
            product = x.T @ y
            trace = xp.sum(product * product)
        else:
            trace = xp.sum((x @ x.T) * (y @ y.T))
        if not debiased:
            return trace
        d, e = self._diagonal, other._diagonal
        return trace - (1 + 2 / (n - 2)) * xp.sum(d * e) + xp.sum(d) * xp.sum(e) / ((n - 1) * (n - 2))

    @cached_property
    def _biased_norm(self) -> Array:
        return self.hsic(self, debiased=False)

    @cached_property
    def _debiased_norm(self) -> Array:
        return self.hsic(self, debiased=True)

    def norm(self, *, debiased: bool) -> Array:
        """Return the alignment with itself, which is computed once; shape ()."""
        return self._debiased_norm if debiased else self._biased_norm

    def cka(self, other: Representation, *, debiased: bool) -> Array:
        """Return the alignment with another representation (see ``cka``), shape ()."""
        if self.n_rows != other.n_rows:
            raise DataError(
                f"representations of {self.n_rows} and {other.n_rows} rows; expected the same stimuli or bins in the "
                "same order"
            )
        both = self.hsic(other, debiased=debiased)
        xp, norms = namespace(both), (self.norm(debiased=debiased), other.norm(debiased=debiased))
        defined = (norms[0] > 0) & (norms[1] > 0)
        one = xp.ones_like(both)
        roots = xp.sqrt(xp.where(defined, norms[0], one)) * xp.sqrt(xp.where(defined, norms[1], one))
        return xp.where(defined, both / roots, xp.nan * one)


def cka(x: Array, y: Array, *, debiased: bool = True) -> Array:
    """Compare two representations of the same rows by linear centred kernel alignment.

    Parameters
    ----------
    x, y
        Shapes (n, p) and (n, q), of numpy or cupy: n stimuli or time bins, at least 4, in the same order.
    debiased
        Use the unbiased estimator of Song et al. (2012), which random numbers give 0 in the mean and which may be
        below 0; otherwise as in Kornblith et al. (2019), between 0 and 1.

    Returns
    -------
    array of shape ()
        float64; 1 for representations that are the same up to rotation, shift and scale. NaN if one never varies, or
        if an unbiased estimate of a representation with itself is not above 0, which takes few rows.

    Raises
    ------
    DataError
        If numbers of rows differ or are below 4.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> float(cka(x, 2 * x[:, ::-1] + 1).round(9))
    1.0
    """
    return Representation(x).cka(Representation(y), debiased=debiased)

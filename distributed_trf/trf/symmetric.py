"""Products with symmetric matrices, from their upper blocks: little more than half of the work."""

from __future__ import annotations

from collections.abc import Iterator

from distributed_trf.arrays import Array, blocks, namespace


def congruence(matrix: Array, vectors: Array) -> Array:
    """Return ``V'MV``, shape (k, k), for a symmetric M and any V of that shape."""
    moved = matrix @ vectors
    found = namespace(moved).empty_like(moved)
    for rows in _halves(moved.shape[0]):
        found[rows, rows.start :] = vectors[:, rows].T @ moved[:, rows.start :]
        found[rows.stop :, rows] = found[rows, rows.stop :].T
    return found


def quadratic_forms(matrix: Array, vectors: Array) -> Array:
    """Return ``v'Mv`` of each column v, float64 of shape (U,), for a symmetric M of shape (k, k)."""
    total: Array = 0.0
    for rows in _halves(vectors.shape[0]):
        product = matrix[rows, rows] @ vectors[rows, :]
        if rows.stop < vectors.shape[0]:
            product += 2 * (matrix[rows, rows.stop :] @ vectors[rows.stop :, :])
        total = total + inner(vectors[rows, :], product)
    return total


def inner(a: Array, b: Array) -> Array:
    """Return the columns' inner products, float64 of shape (U,)."""
    xp = namespace(a)
    return xp.astype(xp.sum(a * b, axis=0), xp.float64, copy=False)


def _halves(k: int) -> Iterator[slice]:
    """Blocks of rows, few enough for fast products and many enough to leave out nearly half."""
    return blocks(k, max(256, k // 8))

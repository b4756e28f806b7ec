"""X'Y of merged moments, and what scoring a fold takes, made of one block of units at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from distributed_trf.arrays import Array, block_rows, blocks, namespace
from distributed_trf.cores import cores_for, side_by_side
from distributed_trf.trf.fold_scores import Validation
from distributed_trf.trf.lags import padded_columns
from distributed_trf.trf.moments import Cross
from distributed_trf.trf.scaled_gram import Primal
from distributed_trf.trf.solvers import Diagonal, Solver

T = TypeVar("T")

WIDE = 8
"""Beside the cache of a core, blocks of units that are projected at once: products with wider blocks are quicker."""


@dataclass(frozen=True)
class Products:
    """X'Y of some sets of rows together, around given means; it is nowhere in memory as a whole."""

    parts: Sequence[Cross]
    """Of each set."""
    x_mean: Array
    """What the columns of ``parts`` are centred by, shape (d,)."""
    y_mean: Array
    """What units are centred by, shape (U,)."""
    fill: Array | None = None
    """What trials are padded with, where that is still to be done: as in ``padded``, shape (F,)."""

    def of(self, units: slice) -> Array:
        """Return those of some units, a new array of shape (d, U)."""
        # sum_j (X'Y_j + n_j dx_j dy_j') with dx_j (d,) and dy_j (U,) the distances of the sets' means from the given
        # ones: what moves J sums to other means is one product, (d, J) @ (J, U).
        xp = namespace(self.x_mean)
        dx = xp.stack([part.n * (part.x_mean - self.x_mean) for part in self.parts], axis=1)
        total = dx @ xp.stack([part.y_mean[units] - self.y_mean[units] for part in self.parts])
        for part in self.parts:
            total += part.xy[:, units]
        return total if self.fill is None else padded_columns(total.T, self.fill).T


@dataclass(frozen=True)
class MomentValidation:
    """As ``Validation``, whose X'Y is brought to the solver's coordinates where it is used: a block at a time."""

    primal: Primal
    solver: Solver
    n: float
    """Training rows."""
    training: Products
    held_out: Products
    """Around the training means."""
    root: Array
    """What units are multiplied by to have a held-out power of 1, shape (U,)."""
    quadratic: Array
    removed: Array | None
    base: Array
    """These as in ``Validation``."""

    def of_units(self, units: slice) -> Validation:
        """Bring some units to the coordinates."""
        found = [self.primal.project(products.of(units)) for products in (self.training, self.held_out)]
        for xy in found:
            xy *= namespace(xy).astype(self.root[units], xy.dtype, copy=False)
        return Validation(self.solver, self.n, found[0], found[1], self.quadratic, self.removed, self.base[units])

    @property
    def dtype(self) -> Any:
        """Of the coordinates."""
        return self.quadratic.dtype

    def gains(self, alphas: Sequence[float], unit_block: int) -> Array:
        """Score every penalty for every unit, shape (A, U)."""
        return namespace(self.base).concat(self._each(lambda v: v.gains(alphas, unit_block)), axis=1)

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return ``2 w'X'y`` and ``w'X'X w`` as ``Validation`` does."""
        linear, form = zip(*self._each(lambda v: v.terms(alpha, unit_block)), strict=True)
        return namespace(self.base).concat(linear), namespace(self.base).concat(form)

    def _each(self, score: Callable[[Validation], T]) -> list[T]:
        """Score blocks of units side by side; all at once where each penalty is factorised, which is done once."""
        if not isinstance(self.solver, Diagonal):
            return [score(self.of_units(slice(None)))]
        units = unit_blocks(self.base.shape[0], self.quadratic.shape[0], self.base)
        return side_by_side(lambda block: score(self.of_units(block)), units, cores_for(self.base))


def unit_blocks(n_units: int, k: int, reference: Array) -> Iterator[slice]:
    """Cut units into blocks in which k numbers of each are best brought to other coordinates at once."""
    return blocks(n_units, WIDE * block_rows(k, reference))

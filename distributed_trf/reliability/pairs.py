"""Which presentations are compared, and tables from which every comparison follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, namespace, take_rows
from distributed_trf.errors import DataError

EXACT_FLOAT32 = 2.0**24
"""Whole numbers up to this one are exact in float32, which is twice as quick to look up."""
ROUNDING = 1e-12
"""Of a sum of squares, below which what is left of it after its mean is none."""


@dataclass(frozen=True)
class Pairs:
    """Which two presentations of each stimulus each draw compares."""

    first: np.ndarray
    second: np.ndarray
    """Indices of presentations, never equal, shape (draws, S)."""
    order: np.ndarray
    """Order in which a draw puts the stimuli, shape (draws, S): it matters where responses are shifted."""

    def __len__(self) -> int:
        return self.first.shape[0]

    def __getitem__(self, draws: slice) -> Pairs:
        return Pairs(self.first[draws], self.second[draws], self.order[draws])


def draw_pairs(repeats: Sequence[int] | np.ndarray, draws: int, rng: np.random.Generator) -> Pairs:
    """Draw a pair of distinct presentations for each stimulus, and an order of the stimuli.

    Parameters
    ----------
    repeats
        Presentations of each stimulus.
    draws
        How many times.
    rng
        Source of every choice.

    Raises
    ------
    DataError
        If a stimulus was presented only once.
    """
    counts = np.asarray(repeats)
    for s in np.flatnonzero(counts < 2):
        raise DataError(f"test stimulus number {s + 1} of {counts.size} has {counts[s]} presentation; pairs need 2")
    shape = (draws, counts.size)
    first = rng.integers(counts, size=shape)
    second = (first + 1 + rng.integers(counts - 1, size=shape)) % counts
    order = np.argsort(rng.random(shape), axis=1)
    return Pairs(*(choice.astype(np.int32) for choice in (first, second, order)))


@dataclass(frozen=True)
class PairTables:
    """Sums over the bins of each stimulus, looked up for the pairs of a draw and added over stimuli.

    ``y`` are the responses to one stimulus, shape (R, T, U): counts as they are, and of what are not whole numbers the
    deviations from the unit's mean over all stimuli, since the squares of a signal far from zero would lose digits.
    """

    sums: tuple[Array, ...]
    """``sum_t y[i]`` and beside it ``sum_t y[i]^2``, of each stimulus, shape (R, 2U)."""
    products: tuple[Array, ...]
    """``sum_t y[i] y[j]`` in row ``i R + j``, of each stimulus, shape (R^2, U)."""
    counts: Array
    """``y`` of all presentations of all stimuli one after another, shape (sum of R T, U)."""
    silences: tuple[Array, ...]
    """Which presentations of each stimulus are zero throughout, as one without a spike is, shape (R, U)."""
    whole: bool
    """Whether responses are whole numbers, whose sums are exact."""
    bins: np.ndarray
    """T of each stimulus, shape (S,)."""
    repeats: np.ndarray
    """R of each stimulus, shape (S,)."""

    @classmethod
    def of(cls, trials: Sequence[Array]) -> PairTables:
        """Sum up the responses to each test stimulus.

        Parameters
        ----------
        trials
            Responses to each stimulus, shape (R, T, U); R and T may differ between stimuli.

        Raises
        ------
        DataError
            If there is no stimulus, or shapes do not fit together.
        """
        _check(trials)
        xp = namespace(*trials)
        y = [xp.astype(trial, xp.float64) for trial in trials]
        silences = tuple(xp.all(trial == 0, axis=1) for trial in y)
        whole = all(xp.isdtype(trial.dtype, "integral") for trial in trials)
        if not whole:
            mean = xp.mean(xp.concat([xp.reshape(trial, (-1, trial.shape[2])) for trial in y]), axis=0)
            y = [trial - mean for trial in y]
        power = [xp.sum(trial * trial, axis=1) for trial in y]
        # Integers whose sums stay small are exact in float32 too.
        largest = sum(float(xp.max(p)) for p in power)
        dtype = xp.float32 if whole and largest < EXACT_FLOAT32 else xp.float64
        return cls(
            sums=tuple(
                xp.astype(xp.concat([xp.sum(trial, axis=1), p], axis=1), dtype)
                for trial, p in zip(y, power, strict=True)
            ),
            products=tuple(xp.astype(_products(trial), dtype) for trial in y),
            counts=xp.astype(xp.concat([xp.reshape(trial, (-1, trial.shape[2])) for trial in y]), dtype),
            bins=np.array([trial.shape[1] for trial in trials]),
            repeats=np.array([trial.shape[0] for trial in trials]),
            silences=silences,
            whole=whole,
        )

    @property
    def n_units(self) -> int:
        """Number of units, U."""
        return int(self.counts.shape[1])

    def vary(self) -> Array:
        """Return which units vary at all, shape (U,)."""
        xp = namespace(self.counts)
        return xp.max(self.counts, axis=0) > xp.min(self.counts, axis=0)

    def cross(self, pairs: Pairs, stimuli: np.ndarray) -> Array:
        """``sum(a b)`` over the bins of each draw, shape (draws, U)."""
        rows = pairs.first * self.repeats[stimuli] + pairs.second
        return _add_rows([self.products[s] for s in stimuli], rows)

    def spread(self, pairs: Pairs, stimuli: np.ndarray) -> Spread:
        """Sums and norms of both sides of each draw."""
        xp, table, units = namespace(self.counts), [self.sums[s] for s in stimuli], self.n_units
        n = float(self.bins[stimuli].sum())
        sides = [_add_rows(table, rows) for rows in (pairs.first, pairs.second)]
        # n^2 times the variances: exact zeros for whole numbers that never vary
        power = [n * side[:, units:] - side[:, :units] ** 2 for side in sides]
        if not self.whole:
            power = [
                xp.where(p > ROUNDING * n * side[:, units:], p, xp.zeros_like(p))
                for p, side in zip(power, sides, strict=True)
            ]
        norm = xp.sqrt(power[0]) * xp.sqrt(power[1])
        return Spread(n, sides[0][:, :units] * sides[1][:, :units], norm)


@dataclass(frozen=True)
class Spread:
    """What turns the cross-products of draws into correlations."""

    n: float
    """Bins of a draw."""
    mean: Array
    """``sum(a) sum(b)``, shape (draws, U)."""
    norm: Array
    """``n^2 std(a) std(b)``, shape (draws, U)."""

    def r(self, cross: Array) -> Array:
        """Return Pearson's r of each draw given its ``sum(a b)``; 0 where a side never varies."""
        xp = namespace(cross)
        defined = self.norm > 0
        norm = xp.where(defined, self.norm, xp.ones_like(self.norm))
        return xp.where(defined, (self.n * cross - self.mean) / norm, xp.zeros_like(norm))


def _products(y: Array) -> Array:
    """Cross-products of all pairs of presentations, shape (R, T, U) to (R^2, U)."""
    xp = namespace(y)
    by_unit = xp.permute_dims(y, (2, 0, 1))
    products = xp.reshape(by_unit @ xp.matrix_transpose(by_unit), (y.shape[2], -1))
    return xp.asarray(xp.permute_dims(products, (1, 0)), copy=True)


def _add_rows(tables: Sequence[Array], rows: np.ndarray) -> Array:
    """Look up a row of each stimulus' table for each draw, and add over stimuli; float64."""
    xp = namespace(*tables)
    total = take_rows(tables[0], rows[:, 0])
    for k, table in enumerate(tables[1:], start=1):
        total += take_rows(table, rows[:, k])
    return xp.astype(total, xp.float64)


def _check(trials: Sequence[Array]) -> None:
    if not trials:
        raise DataError("there are no test stimuli; reliability needs at least one that was presented repeatedly")
    for s, trial in enumerate(trials):
        if trial.ndim != 3 or trial.shape[2] != trials[0].shape[2] or 0 in trial.shape:
            raise DataError(
                f"responses to test stimulus number {s + 1} have shape {tuple(trial.shape)}; expected (repeats, bins, "
                f"units) with no axis empty and {trials[0].shape[-1]} units as for the first"
            )

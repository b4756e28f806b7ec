"""Kernels between the rows of trials, centred and scaled as those of a training set are, whole or band by band.

With ``K_b`` the kernel of the columns of band b and ``g_b`` its weight, columns scaled by ``sqrt(g_b)`` have the kernel
``sum_b g_b K_b``: once the bands' kernels are known, other weights cost no product of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from distributed_trf.arrays import Array, take_columns
from distributed_trf.timing import timed
from distributed_trf.trf.row_products import RowProducts
from distributed_trf.trf.scaled_gram import BandFactor, Scaling
from distributed_trf.trf.scaled_rows import ScaledRows
from distributed_trf.trf.solver_choice import usable_memory

SPARE = 0.25
"""Of the memory that a fit may take, what bands' kernels may that are kept."""

Places = tuple[int, ...]
"""Trials, by their place among all."""


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a training set, and what they are centred and scaled by."""

    trials: Places
    centring: Places
    """Trials whose rows means and scales are of."""
    n_varying: int
    """Columns that vary over them, counted no further than to the number of rows."""
    scaling: Scaling | None
    """None where rows are not scaled, so that their products are parts of those of all rows; and of bands."""
    bands: tuple[tuple[float, TrainingKernels, TrainingRows], ...] = ()
    """Weights, and whose kernels they weigh."""


@dataclass
class TrainingKernels:
    """Kernels between the rows of some trials, each of shape (lead_in + T_i, F)."""

    X: Sequence[Array]
    rows: ScaledRows
    room: float = 0.0
    """Numbers that may be kept."""
    _kept: dict[tuple[Places, ...], tuple[TrainingRows, Array]] = field(default_factory=dict, repr=False)
    _bands: tuple[np.ndarray, list[TrainingKernels | None]] | None = field(default=None, repr=False)

    def of_features(self, features: np.ndarray, room: float = 0.0) -> TrainingKernels:
        """Return those of some of the features, given by host indices."""
        return TrainingKernels([take_columns(x, features) for x in self.X], self.rows, room)

    @timed("moments")
    def of(self, trials: Places, centring: Places, factor: BandFactor | None = None) -> tuple[TrainingRows, Array]:
        """Return rows of training trials and their kernel, shape (rows, rows)."""
        bands = [] if factor is None else self._weighted(factor)
        if bands:
            # sum_b g_b K_b: columns of a band are centred and scaled by themselves, so that their kernel is the same in
            # whatever company.
            found = [(weight, band, *band.of(trials, centring)) for weight, band in bands]
            parts = tuple((weight, band, rows) for weight, band, rows, _ in found)
            n_varying = sum(rows.n_varying for *_, rows in parts)
            kernel = sum(weight * kernel for weight, _, _, kernel in found)
            return TrainingRows(trials, centring, n_varying, None, parts), kernel
        if (trials, centring) in self._kept:
            return self._kept[trials, centring]
        unscaled = None
        if factor is None and self._without_scales:
            unscaled = self._products.kernel(self._products.rows_of(trials), self._products.rows_of(centring))
        if unscaled is not None:
            # Means are needed for weights alone, and scales for none: see ``scaling``.
            n_varying = self.rows.n_varying(self._of(centring), unscaled.shape[0])
            return TrainingRows(trials, centring, n_varying, None), self.rows.cast(unscaled)
        scaling, X = self.scaling(centring, factor), self._of(trials)
        made = TrainingRows(trials, centring, scaling.n_varying, scaling), self.rows.products(X, X, scaling)
        return self._keep((trials, centring), made)

    @timed("moments")
    def between(self, trials: Places, training: TrainingRows) -> Array:
        """Return products of the rows of trials with those of a training set, shape (rows, training rows)."""
        if training.bands:
            return sum(weight * band.between(trials, rows) for weight, band, rows in training.bands)
        if training.scaling is None:
            rows, columns, by = (self._products.rows_of(t) for t in (trials, training.trials, training.centring))
            return self.rows.cast(self._products.centred(rows, columns, by))
        key = trials, training.trials, training.centring
        if key in self._kept:
            return self._kept[key][1]
        made = self.rows.products(self._of(trials), self._of(training.trials), training.scaling)
        return self._keep(key, (training, made))[1]

    @timed("moments")
    def of_others(self, X: Sequence[Array], training: TrainingRows) -> Array:
        """Return products of the rows of other trials with those of a training set."""
        if training.scaling is not None:
            return self.rows.products(X, self._of(training.trials), training.scaling)
        columns, by = (self._products.rows_of(t) for t in (training.trials, training.centring))
        return self.rows.cast(self._products.of_others(X, columns, by))

    def forget(self) -> None:
        """Give room back before the last decomposition, the largest; ``of_others`` does without what is forgotten."""
        self._products.forget()

    def scaling(self, centring: Places, factor: BandFactor | None) -> Scaling:
        """Return mean and inverse scale of each lagged column over the rows of some trials."""
        return self.rows.scaling(self._of(centring), factor)

    def _of(self, trials: Places) -> list[Array]:
        return [self.X[i] for i in trials]

    @property
    def _without_scales(self) -> bool:
        return not self.rows.standardize and not self.rows.pad_with_mean and self._products.fits

    @cached_property
    def _products(self) -> RowProducts:
        return RowProducts(self.X, self.rows.lags, self.rows.lead_in, self.rows.precision)

    def _keep(self, key: tuple[Places, ...], made: tuple[TrainingRows, Array]) -> tuple[TrainingRows, Array]:
        size = made[1].shape[0] * made[1].shape[1]
        if size <= self.room:
            self._kept[key], self.room = made, self.room - size
        return made

    def _weighted(self, factor: BandFactor) -> list[tuple[float, TrainingKernels]]:
        """Bands with a weight; none where a feature is not in the same band at all lags."""
        of_features = factor.bands[: self.X[0].shape[1]]
        if not np.array_equal(factor.bands, np.tile(of_features, len(self.rows.lags))):
            return []
        if self._bands is None or not np.array_equal(self._bands[0], of_features):
            # No more than the lagged matrix would take that they stand for, and than there is to spare.
            numbers = sum(x.shape[0] - self.rows.lead_in for x in self.X) * len(factor.bands)
            # Each band's kernels are as large as the others', of however many features.
            room = min(numbers, SPARE * usable_memory(self.X[0]) / 8) / len(factor.weights)
            members = [np.flatnonzero(of_features == b) for b in range(len(factor.weights))]
            self._bands = of_features, [self.of_features(some, room) if len(some) else None for some in members]
        weighted = zip(factor.weights.tolist(), self._bands[1], strict=True)
        return [(weight, band) for weight, band in weighted if weight > 0 and band is not None]

"""Folds of trials in the kernel (dual) form: for more lagged features than rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, block_rows, blocks, joined, namespace, take_columns
from distributed_trf.trf.correlation import centred
from distributed_trf.trf.crossval import check_fold_trials, solve_each
from distributed_trf.trf.fold_scores import Scored, Validation, pooled_power
from distributed_trf.trf.lags import row_rounding
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.row_scores import RowValidation
from distributed_trf.trf.scaled_gram import BandFactor, Scaling
from distributed_trf.trf.scaled_rows import ScaledRows
from distributed_trf.trf.shared_training import TrainingOf
from distributed_trf.trf.solver_choice import FEW_HELD, Precision, ScalingRule
from distributed_trf.trf.solvers import Diagonal, eigh_clipped
from distributed_trf.trf.training_kernels import Places, TrainingKernels, TrainingRows

TIMES_FEWER = {"float64": 3.5, "float32": 1.8}
"""How many times fewer than training rows held-out ones are where that is quicker too, measured with 64 and 2000 units:
three folds in single precision. In double precision screening needs few forms of moments, so that it takes five."""


@dataclass(frozen=True)
class FoldTrials:
    """Trials of one fold, or of several."""

    X: Sequence[Array]
    """Features, one array of shape (lead_in + T_i, F) per trial."""
    Y: Sequence[Array]
    """Responses of all units, one array of shape (T_i, U) per trial."""
    presented: Sequence[Sequence[bool]] | None = None
    """For each trial, which groups of units it was presented to; None if all."""
    places: Places = ()
    """Of each trial among all that are collected, as ``numbered`` gives them."""

    def __add__(self, other: FoldTrials) -> FoldTrials:
        presented = None if self.presented is None or other.presented is None else [*self.presented, *other.presented]
        return FoldTrials([*self.X, *other.X], [*self.Y, *other.Y], presented, (*self.places, *other.places))

    def of_features(self, features: np.ndarray) -> FoldTrials:
        """Return the trials with some of the features, given by host indices."""
        return replace(self, X=[take_columns(x, features) for x in self.X])

    @property
    def n_rows(self) -> int:
        """Number of responses."""
        return sum(y.shape[0] for y in self.Y)


def numbered(folds: Sequence[FoldTrials]) -> list[FoldTrials]:
    """Give the trials of all folds their places."""
    first = np.cumsum([0, *(len(fold.X) for fold in folds)]).tolist()
    return [replace(fold, places=tuple(range(a, b))) for fold, a, b in zip(folds, first, first[1:], strict=False)]


@dataclass(frozen=True)
class Trained:
    """A training set of one group of units, decomposed."""

    trials: FoldTrials
    rows: TrainingRows
    solver: Diagonal
    """Eigenvalues of the kernel, k of them."""
    vectors: Array
    """Its eigenvectors, shape (rows, k)."""
    responses: Responses
    projected: Array
    """Products of the eigenvectors with the centred responses, shape (k, U)."""


@dataclass
class KernelFolds:
    """Folds of trials as kernels ``Z Z'`` between rows, lag by lag, without the lagged matrix Z.

    With ``K = Q diag(values) Q'`` of the training rows, predictions of other rows are ``K_other Q z`` with
    ``z = Q'y / (values + n alpha)``: the same form as with moments, in n coordinates instead of d.
    """

    folds: Sequence[FoldTrials]
    lags: Sequence[int]
    lead_in: int
    groups: Sequence[int]
    standardize: bool = True
    scaling: ScalingRule = "shared"
    precision: Precision = "float64"
    pad_with_mean: bool = False
    """Pad trials with the mean of the training rows instead of zeros."""
    record: list[str] = field(default_factory=list)
    trained: TrainingOf | None = None
    """Where training sets are that other splits have in common with these folds."""
    shared: TrainingKernels | None = None
    """Of the trials among which these have their places; by default of these alone."""

    def __post_init__(self) -> None:
        if self.shared is None:
            self.folds = numbered(self.folds)
        check_fold_trials(
            [[len(self._presented_to(fold, g).X) for g in range(len(self.groups))] for fold in self.folds]
        )

    def choose(self, n_alphas: int) -> str:
        """Return ``dual``."""
        return "dual"

    @property
    def screens(self) -> bool:
        """Whether screening in single precision pays: not where predicting the held-out rows is so little work."""
        return self.precision == "float64" and not self._by_rows

    @cached_property
    def _by_rows(self) -> bool:
        """Whether scores are best taken from held-out rows: where they are few, or far fewer than coordinates."""
        rows = [fold.n_rows for fold in self.folds]
        return all(held <= max(FEW_HELD, (sum(rows) - held) / TIMES_FEWER[self.precision]) for held in rows)

    @cached_property
    def responses(self) -> list[Responses]:
        """Sums of each group of units over all folds."""
        everything = _join(self.folds)
        return [self._responses(everything, g)[0] for g in range(len(self.groups))]

    def of_features(self, features: np.ndarray, n_features: int) -> KernelFolds:
        """Return the folds of some of the features."""
        return replace(
            self, folds=[fold.of_features(features) for fold in self.folds], record=[], trained=None, shared=None
        )

    def validations(self, n_alphas: int, factor: BandFactor | None = None) -> Iterator[list[Scored]]:
        """For each fold what scoring it takes."""
        groups = range(len(self.groups))
        sums_of = [[self._responses(fold, g) for fold in self.folds] for g in groups]
        pooled = [pooled_power([sums for sums, _ in of_folds]) for of_folds in sums_of]
        for k, held_out in enumerate(self.folds):
            group_validations: list[Scored] = []
            for g, train in enumerate(self._trained(k, factor)):
                # Predictions of held-out rows are K_held Q z, (rows, k) @ (k, U); so their X'Y and X'X in these
                # coordinates are (K_held Q)'y and (K_held Q)'(K_held Q), and all else goes as with moments.
                kernel = self._kernels.between(self._presented_to(held_out, g).places, train.rows)
                moved, (other, held_y) = kernel @ train.vectors, sums_of[g][k]  # moved: (held-out rows, k)
                # sum_t m_t (y_t - u)' = sum_t m_t (y_t - v)' + (sum_t m_t)(v - u)', about the training mean u.
                apart = namespace(moved).astype(other.y_mean - train.responses.y_mean, moved.dtype, copy=False)
                target = moved.T @ held_y + namespace(moved).sum(moved, axis=0)[:, None] * apart[None, :]
                known = train.solver, train.responses, other, (train.projected, target)
                if self._by_rows:
                    group_validations.append(RowValidation.of(*known, moved, pooled[g]))
                else:
                    group_validations.append(Validation.of(*known, moved.T @ moved, None, pooled[g]))
            yield group_validations

    def _trained(self, k: int, factor: BandFactor | None) -> Iterable[Trained]:
        """For each group the training set of fold k, which other splits may have decomposed."""
        if self.trained is None or factor is not None:
            return self._decomposed([*self.folds[:k], *self.folds[k + 1 :]], factor)
        return self.trained.get(
            k, "dual", lambda: list(self._decomposed([*self.folds[:k], *self.folds[k + 1 :]], None))
        )

    def _decomposed(self, folds: Sequence[FoldTrials], factor: BandFactor | None) -> Iterator[Trained]:
        everything = _join(folds)
        for g in range(len(self.groups)):
            trials = self._presented_to(everything, g)
            centring = trials if self.scaling == "per_session" else everything
            rows, kernel = self._kernels.of(trials.places, centring.places, factor)
            if self.shared is None and len(folds) == len(self.folds) and g == len(self.groups) - 1:
                self._kernels.forget()
            values, vectors, largest = self._eigen(kernel, rows.n_varying)
            responses, projected = self._responses(everything, g, vectors.T)
            yield Trained(trials, rows, Diagonal(values, largest), vectors, responses, projected)

    def _scaling(self, train: Trained, factor: BandFactor | None) -> Scaling:
        """Mean and inverse scale of the columns, where kernels did without."""
        return train.rows.scaling or self._kernels.scaling(train.rows.centring, factor)

    def solve(
        self, best: Sequence[np.ndarray], penalties: Sequence[float], factor: BandFactor | None = None
    ) -> list[tuple[Array, Scaling]]:
        """Fit all trials."""
        solved = []
        for train, z in self._solved(best, penalties, factor):
            scaling = self._scaling(train, factor)
            solved.append((self._kernels.rows.weights(train.trials.X, scaling, train.vectors @ z), scaling))
        return solved

    def predict(
        self,
        best: Sequence[np.ndarray],
        penalties: Sequence[float],
        X: Sequence[Array],
        lags: Sequence[int],
        lead_in: int,
    ) -> list[tuple[Array, Array]]:
        """Predict other trials by their products with the training rows."""
        predicted = []
        for train, z in self._solved(best, penalties, None):
            moved = self._kernels.of_others(X, train.rows) @ train.vectors
            xp = namespace(z)
            # Weights of the scaled columns are Z'Q z, and |Z'Q z|^2 = z'Q'K Q z = sum_i values_i z_i^2.
            norms = xp.astype(train.solver.values @ (z * z), xp.float64, copy=False)
            rounding = row_rounding(X, len(lags), self._scaling(train, None).inverse)[:, None] * norms[None, :]
            predicted.append((xp.astype(moved @ z, xp.float64, copy=False), rounding))
        return predicted

    def _solved(
        self, best: Sequence[np.ndarray], penalties: Sequence[float], factor: BandFactor | None
    ) -> Iterator[tuple[Trained, Array]]:
        """For each group all trials and, along their eigenvectors, the solutions, shape (k, U)."""
        for train, index in zip(self._decomposed(self.folds, factor), best, strict=True):
            yield train, solve_each(train.solver, train.projected, train.responses.n, index, penalties)

    def _presented_to(self, trials: FoldTrials, group: int) -> FoldTrials:
        if trials.presented is None:
            return trials
        kept = [i for i, presented in enumerate(trials.presented) if presented[group]]
        places = tuple(trials.places[i] for i in kept)
        return FoldTrials([trials.X[i] for i in kept], [trials.Y[i] for i in kept], None, places)

    def _responses(self, trials: FoldTrials, group: int, left: Array | None = None) -> tuple[Responses, Array]:
        """Sums of a group's responses to some trials, and the responses about their means, shape (rows, U).

        With ``left`` (k, rows) the product of it with them instead, shape (k, U).
        """
        trials, xp, found = self._presented_to(trials, group), namespace(trials.Y[0]), []
        first = sum(self.groups[:group])
        # Every step looks at each number once, so that blocks of units that stay in a cache are what makes it quick.
        for block in blocks(self.groups[group], block_rows(trials.n_rows, self._example)):
            units = slice(first + block.start, first + block.stop)
            mean, moved = centred(joined([y[:, units] for y in trials.Y], xp.float64))
            power = xp.sum(moved * moved, axis=0)
            moved = xp.astype(moved, getattr(xp, self.precision), copy=False)
            found.append((mean, power, moved if left is None else left @ moved))
        mean, power, moved = (xp.concat(parts, axis=-1) for parts in zip(*found, strict=True))
        return Responses(float(trials.n_rows), mean, power), moved

    @cached_property
    def _kernels(self) -> TrainingKernels:
        if self.shared is not None:
            return self.shared
        rows = ScaledRows(self.lags, self.lead_in, self.standardize, self.precision, self.pad_with_mean)
        return TrainingKernels(_join(self.folds).X, rows)

    @cached_property
    def _example(self) -> Array:
        """An array of the type that sums have."""
        y = self.folds[0].Y[0]
        return namespace(y).zeros((0,), dtype=namespace(y).float64, device=device_of(y))

    def _eigen(self, kernel: Array, n_varying: int) -> tuple[Array, Array, float]:
        """Eigenvalues and eigenvectors, ascending, without those that are zero because columns that vary are few.

        Responses have parts along them that a small penalty makes large, and only rounding keeps from the weights.
        """
        values, vectors, largest = eigh_clipped(kernel, self.record)
        # A kernel of n rows over d < n columns has rank d at most: its n - d smallest eigenvalues are zero but for
        # rounding.
        zero = max(values.shape[0] - max(n_varying, 1), 0)
        return values[zero:], vectors[:, zero:], largest


def _join(folds: Sequence[FoldTrials]) -> FoldTrials:
    total = folds[0]
    for fold in folds[1:]:
        total = total + fold
    return total

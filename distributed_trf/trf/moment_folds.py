"""Fits from the moments of folds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Literal

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace, take_columns
from distributed_trf.cores import cores_for, side_by_side
from distributed_trf.errors import ConfigError
from distributed_trf.trf.crossval import UNIT_BLOCK, RidgeFit, check_fold_trials, fit_folds, solve_each
from distributed_trf.trf.fold_scores import held_out_scale, pooled_power
from distributed_trf.trf.lags import FeatureMeans, drive, drive_rounding, padded
from distributed_trf.trf.moment_validation import MomentValidation, Products, unit_blocks
from distributed_trf.trf.moments import Cross, Gram, Moments, check_alike, leave_one_out, merge
from distributed_trf.trf.scaled_gram import BandFactor, Primal, Scaling, without
from distributed_trf.trf.shared_training import TrainingOf
from distributed_trf.trf.solver_choice import (
    Precision,
    ScalingRule,
    SolverName,
    check_choice,
    choose_factorisation,
    choose_solver,
    device_kind,
)
from distributed_trf.trf.solvers import Diagonal, Solver


def fit_moments(
    folds: Sequence[Moments],
    alphas: Sequence[float] | np.ndarray,
    *,
    standardize: bool = True,
    scaling: ScalingRule = "shared",
    solver: SolverName = "auto",
    precision: Precision = "float64",
    all_scores: bool = True,
    unit_block: int = UNIT_BLOCK,
) -> RidgeFit:
    """Choose each unit's penalty over folds, then fit it on all of them.

    Parameters
    ----------
    folds
        Moments of each fold's trials; at least two.
    alphas
        Penalties, positive and ascending; the term added to the sum of squares is ``rows * alpha * ||w||^2``.
    standardize
        Z-score the lagged columns with the training rows' mean and (population std + 1e-6); otherwise only centre.
    scaling
        For groups of units to which not every training trial was presented. ``shared``: columns are centred and scaled
        by the mean and std of all trials of the training folds; the rows that a group lacks are removed from the common
        decomposition by a low-rank correction. ``per_session``: by those of the trials presented to it, which takes a
        separate decomposition (the published way).
    solver
        ``eigh`` or ``cholesky``, or ``auto`` for the rule of ``choose_solver``.
    precision
        Of factorisations and products; sums stay float64.
    all_scores
        Score every penalty. Otherwise only those that could win are scored in full precision: the same choice for about
        half of the work with many units.
    unit_block
        Units solved together; changes memory, not numbers.

    Raises
    ------
    DataError
        If there are fewer than two folds, they are of different features or units, or no trial of a fold was presented
        to a group of units.
    ConfigError
        If penalties, solver or precision cannot be used.

    Notes
    -----
    One decomposition per fold and one for the final fit, whatever the number of penalties and units.
    """
    sums = MomentFolds(folds, standardize=standardize, scaling=scaling, solver=solver, precision=precision)
    return fit_folds(sums, alphas, all_scores=all_scores, unit_block=unit_block)


@dataclass
class MomentFolds:
    """Folds of trials as moments; parameters as in ``fit_moments``."""

    folds: Sequence[Moments]
    standardize: bool = True
    scaling: ScalingRule = "shared"
    solver: SolverName = "auto"
    precision: Precision = "float64"
    centre: Array | None = None
    """What the trials are padded about, shape (F,), if they are padded with the mean of the training rows."""
    means: Sequence[FeatureMeans] = ()
    """With a centre: of each fold, about it."""
    record: list[str] = field(default_factory=list)
    trained: TrainingOf | None = None
    """Where training sets are that other splits have in common with these folds."""

    def __post_init__(self) -> None:
        check_choice(self.solver, self.precision, self.scaling)
        if self.solver == "dual":
            raise ConfigError("solver='dual' works on trials, not on their moments; use collect_trials")
        check_fold_trials([[cross.n for cross in fold.cross] for fold in self.folds])
        check_alike(self.folds)

    @cached_property
    def _everything(self) -> Moments:
        """All but X'Y, which ``Products`` makes; the search has no need of it."""
        return merge([fold.without_products() for fold in self.folds])

    def choose(self, n_alphas: int) -> Literal["eigh", "cholesky"]:
        """Return the forced way to solve for some penalties, or that of ``choose_solver``."""
        if self.solver == "eigh" or self.solver == "cholesky":
            return self.solver
        gram = self.folds[0].gram.xx
        n_units = sum(cross.yy.shape[0] for cross in self.folds[0].cross)
        # The sums are there, so the dual form is no longer a choice: more rows than can be.
        rule = choose_solver(
            2**40, gram.shape[0], n_alphas=n_alphas, n_units=n_units, n_folds=len(self.folds), device=device_kind(gram)
        )
        return "cholesky" if rule == "cholesky" else "eigh"

    @property
    def responses(self) -> tuple[Cross, ...]:
        """Sums of each group of units."""
        return self._everything.cross

    @property
    def screens(self) -> bool:
        """Whether screening in single precision pays."""
        return True

    def of_features(self, features: np.ndarray, n_features: int) -> MomentFolds:
        """Return the folds of some of the features."""
        width, kept = n_features, features
        if self.centre is not None:  # each lag ends with the feature that is 1 outside the trials: see ``with_outside``
            width, kept = n_features + 1, np.append(features, n_features)
        # Column lag_index * width + feature, for each lag in turn.
        n_lags = self.folds[0].gram.x_mean.shape[0] // width
        columns = (np.arange(n_lags)[:, None] * width + kept).reshape(-1)
        return replace(
            self,
            folds=[fold.of_columns(columns) for fold in self.folds],
            centre=None if self.centre is None else take_columns(self.centre, features),
            means=[fold.of_features(features) for fold in self.means],
            record=[],
            trained=None,  # those are of all features
        )

    def validations(self, n_alphas: int, factor: BandFactor | None = None) -> Iterator[list[MomentValidation]]:
        """For each fold what scoring it takes."""
        # The training moments of fold k are the merge of those of the other folds,
        #   X'X_train = sum_{j != k} (X'X_j + n_j d_j d_j'),   d_j = mean_j - mean_train of shape (d,),
        # so no row is looked at again. In the coordinates z of the training set's solver, w = basis z, scoring takes
        #   projected = basis' X'Y_train (k, U),   target = basis' X'Y_held (k, U),
        #   quadratic = basis' X'X_held basis (k, k),
        # the last two about the training means, as held-out rows are centred and scaled like the training rows. Then
        #   |y - X w|^2 = y'y - 2 z'target + z'quadratic z
        # for every penalty: exactly what predicting each bin would give. X'Y is that of the folds, and is merged and
        # brought to the coordinates a block of units at a time.
        pooled = [pooled_power(group) for group in zip(*(fold.cross for fold in self.folds), strict=True)]
        light = [fold.without_products() for fold in self.folds]
        for k, (train, held_out) in enumerate(zip(leave_one_out(light), light, strict=True)):
            as_summed, fill, others = train, None, [fold for j, fold in enumerate(self.folds) if j != k]
            if self.centre is not None:
                means = reduce(add, [m for j, m in enumerate(self.means) if j != k])
                fill = means.mean
                train = padded(train, fill, means.constant)
                held_out = padded(held_out, fill, namespace(fill).full_like(fill, np.nan))
            validations: list[MomentValidation] = []
            quadratic: tuple[Primal, Array] | None = None
            coordinates = self._trained(k, train, self.choose(n_alphas), factor)
            for g, (cross, held, (primal, solver)) in enumerate(
                zip(train.cross, held_out.cross, coordinates, strict=True)
            ):
                # The same for all groups of units that share coordinates; a congruence is 2 k^3 operations, done once.
                if quadratic is None or quadratic[0] is not primal:
                    quadratic = primal, primal.quadratic(held_out.gram.around(primal.scaling.mean))
                root, base = held_out_scale(cross, held, pooled[g])
                x_mean = as_summed.gram.x_mean if self._shares(cross) else as_summed.cross[g].x_mean
                training, target = (
                    Products([fold.cross[g] for fold in folds], x_mean, cross.y_mean, fill)
                    for folds in (others, [self.folds[k]])
                )
                removed = None if held.missing is None else primal.project_rows(held.missing)
                validations.append(
                    MomentValidation(primal, solver, cross.n, training, target, root, quadratic[1], removed, base)
                )
            yield validations

    def solve(
        self, best: Sequence[np.ndarray], penalties: Sequence[float], factor: BandFactor | None = None
    ) -> list[tuple[Array, Scaling]]:
        """Fit all trials."""
        # Each group that lacks rows has its own number of them, and so its own shifts.
        chosen = {(cross.n, a) for cross, index in zip(self.responses, best, strict=True) for a in np.unique(index)}
        method = self.choose(len(chosen))
        if self.solver == "auto":
            method = choose_factorisation(len(chosen), device_kind(self.folds[0].gram.xx))
        solved, everything, fill = [], self._everything, None
        if self.centre is not None:
            means = reduce(add, self.means)
            fill = means.mean
            everything = padded(everything, fill, means.constant)
        for g, ((primal, solver), index) in enumerate(
            zip(self._coordinates(everything, method, factor), best, strict=True)
        ):
            # Around the units' own means, so that those of the columns do not matter.
            total = self._everything
            xy = Products([fold.cross[g] for fold in self.folds], total.gram.x_mean, total.cross[g].y_mean, fill)
            weights, scaling = _weights(primal, solver, xy, total.cross[g].n, index, penalties), primal.scaling
            if self.centre is not None:
                xp, mean = namespace(self.centre), scaling.mean
                # Sums were taken about ``centre``: weights do not depend on it, and column means are given back on the
                # features' scale.
                raw = xp.reshape(xp.reshape(mean, (-1, self.centre.shape[0])) + self.centre, (-1,))
                scaling = replace(scaling, mean=raw, outside=self.centre + fill)
            solved.append((weights, scaling))
        return solved

    def predict(
        self,
        best: Sequence[np.ndarray],
        penalties: Sequence[float],
        X: Sequence[Array],
        lags: Sequence[int],
        lead_in: int,
    ) -> list[tuple[Array, Array]]:
        """Predict other trials by the weights of the lagged columns."""
        predicted = []
        for weights, scaling in self.solve(best, penalties):
            about_mean = drive(X, weights, lags, lead_in, scaling.outside) - scaling.mean @ weights
            predicted.append((about_mean, drive_rounding(X, weights, len(lags), scaling.inverse)))
        return predicted

    def _trained(
        self, k: int, train: Moments, method: Literal["eigh", "cholesky"], factor: BandFactor | None
    ) -> Iterable[tuple[Primal, Solver]]:
        """Coordinates of the training set of fold k, which other splits may have made."""
        if self.trained is None or factor is not None or any(c.missing is not None for c in train.cross):
            return self._coordinates(train, method, factor)  # one after another, where groups have coordinates each
        return self.trained.get(k, method, lambda: list(self._coordinates(train, method, None)))

    def _shares(self, cross: Cross) -> bool:
        """Whether the columns of a group are those of all training trials."""
        return cross.missing is None or self.scaling == "shared"

    def _coordinates(
        self, train: Moments, method: Literal["eigh", "cholesky"], factor: BandFactor | None
    ) -> Iterator[tuple[Primal, Solver]]:
        """For each group its coordinates and its solver in them; those who can share them do."""
        shared: Primal | None = None
        for cross in train.cross:
            # Units that lack rows V (r, d) of the training set have X'X - V'V about the shared means. Where X'X + n
            # alpha I is inverted already, they come off by the Woodbury identity (``without``), in the same
            # coordinates.
            if self._shares(cross):
                shared = shared or self._primal(train.gram, method, factor)
                rows = None if cross.missing is None else shared.project_rows(cross.missing)
                yield shared, shared.solver if rows is None else without(shared.solver, rows, self.record)
            else:
                assert cross.missing is not None  # for the type checker
                primal = self._primal(train.gram.without(cross.missing, cross.constant), method, factor)
                yield primal, primal.solver

    def _primal(self, gram: Gram, method: Literal["eigh", "cholesky"], factor: BandFactor | None) -> Primal:
        scaling = Scaling.of(gram, standardize=self.standardize)
        scaling = scaling if factor is None else scaling.times(factor)
        return Primal.of(gram.xx, scaling, method, self.precision, self.record)


def _weights(
    primal: Primal, solver: Solver, products: Products, n: float, best: np.ndarray, penalties: Sequence[float]
) -> Array:
    """Fit every unit with its own penalty, given by host index: weights of the raw columns, shape (d, U)."""
    n_units, k = best.shape[0], primal.scaling.inverse.shape[0]
    units = list(unit_blocks(n_units, k, products.x_mean))
    if not isinstance(solver, Diagonal) or len(units) < 2:
        return primal.weights(solve_each(solver, primal.project(products.of(slice(None))), n, best, penalties))

    def of_units(block: slice) -> None:
        z = solve_each(solver, primal.project(products.of(block)), n, best[block], penalties)
        weights[:, block] = primal.weights(z)

    # Of d x U numbers there are the folds' sums and the weights; w = basis z with z_i = (basis' X'Y)_i / (values_i + n
    # alpha) is taken from block to block.
    xp = namespace(products.x_mean)
    weights = xp.empty((k, n_units), dtype=xp.float64, device=device_of(products.x_mean))
    side_by_side(of_units, units, cores_for(weights))
    return weights

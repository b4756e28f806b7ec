"""Cross-validation on lists of trials: each trial is predicted by fits that never saw it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from distributed_trf.arrays import Array, block_rows, blocks, namespace
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.correlation import EPSILON, mean_over_repeats
from distributed_trf.trf.crossval import Folds, RidgePrediction, predict_folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.lags import ROUNDING, FeatureMeans, drive, drive_rounding
from distributed_trf.trf.prepared import Prepared, TRFParameters
from distributed_trf.trf.solver_choice import device_kind, usable_memory
from distributed_trf.trf.split_collector import SplitCollector
from distributed_trf.trf.splits import Splits, nested_folds


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """How well units are predicted on trials that their fits never saw."""

    r_folds: Array
    """Pearson r of each split over its test trials one after another, shape (S, U); NaN for a unit whose response, or
    prediction, never varies there. Their mean is what scikit-learn's ``cross_val_score`` reports."""
    r: Array
    """Shape (U,). Where each trial is tested once, r of the out-of-fold predictions of all trials one after another
    (``cross_val_predict``); otherwise the mean over the splits in which r is defined."""
    alpha: Array
    """Penalty chosen in each split by its inner folds, shape (S, U)."""
    cv_scores: Array
    """R^2 of that penalty, mean over inner folds, shape (S, U)."""
    predicted: list[Array] | None = field(repr=False)
    """Out-of-fold predictions, shape (T_i, U) for each trial; None unless each trial is tested once."""
    splits: Splits
    """Which trials trained and tested."""
    solver: str
    """The solver that was used."""
    fallbacks: tuple[str, ...]
    """Factorisations that failed their check and what was done instead."""


def splits_of_trials(
    parameters: TRFParameters,
    n_trials: int,
    splits: Splits | None,
    folds: int | None,
    groups: Sequence[Hashable] | None,
) -> Splits:
    """Return the splits that are given, or deal trials into outer and inner folds.

    Raises
    ------
    ConfigError
        If not exactly one way to split is given, or there are too few trials or groups for it.
    DataError
        If splits or groups are those of another number of trials.
    """
    if splits is not None:
        if folds is not None or groups is not None:
            raise ConfigError("splits come with folds of their own; leave out folds and groups")
        if len(splits.block_of) != n_trials:
            raise DataError(f"splits divide {len(splits.block_of)} trials, but X has {n_trials}")
        return splits
    if folds is None and groups is None:
        raise ConfigError("give folds (how many), groups (a label of each trial), or splits")
    if groups is not None and len(groups) != n_trials:
        raise DataError(f"groups has {len(groups)} labels, but X has {n_trials} trials; give one label per trial")
    return nested_folds(range(n_trials) if groups is None else groups, folds, parameters.n_folds, parameters.seed)


def cross_validate_trials(parameters: TRFParameters, prepared: Prepared, splits: Splits) -> CrossValidated:
    """Fit and test every split."""
    X, Y = prepared.X, prepared.Y
    xp = namespace(*Y)
    # Trained on the mean of repeats, whose rows count once each.
    training = [xp.mean(xp.astype(y, xp.float64), axis=0) if y.ndim == 3 else y for y in Y]
    collector = SplitCollector(
        splits,
        FoldCollector(
            prepared.lags,
            prepared.lead_in,
            0,
            [training[0].shape[1]],
            standardize=parameters.standardize,
            solver=parameters.solver,
            precision=parameters.precision,
            centre=FeatureMeans.of(X).mean if parameters.padding == "mean" else None,
        ),
    )
    device, free = device_kind(training[0]), usable_memory(training[0])
    rows = [y.shape[0] for y in training]
    collector.choose(rows, X[0].shape[1], len(prepared.alphas), device=device, free=free)
    for i, (x, y) in enumerate(zip(X, training, strict=True)):
        collector.add(i, x, y)
    fits: list[RidgePrediction] = []
    r_folds: list[Array] = []
    out_of_fold: dict[int, tuple[Array, Array]] = {}
    for k, split in enumerate(splits.splits):
        tested = splits.members(split.test)
        outside = None
        if parameters.padding == "mean":
            outside = FeatureMeans.of([X[i] for i in splits.members(split.training)]).mean
        fit = _predict(prepared, collector.folds(k), [X[i] for i in tested], outside)
        r_folds.append(_correlate([Y[i] for i in tested], fit.predicted, xp.sum(fit.rounding, axis=0)))
        if splits.each_once:
            out_of_fold |= _by_trial(fit, tested, rows, fits[0].mean if fits else fit.mean)
        fits.append(replace(fit, predicted=fit.predicted[:0, :]))
    r, predicted = _mean_of_defined(xp.stack(r_folds)), None
    if splits.each_once:
        parts = [out_of_fold[i] for i in range(len(X))]
        # About the mean of the first split, so that predictions shrunk to nearly nothing keep their digits.
        # Between folds the intercepts differ, as in cross_val_predict, and are part of what is correlated.
        r = _correlate(Y, xp.concat([p for p, _ in parts]), sum(error for _, error in parts))
        predicted = [p + fits[0].mean for p, _ in parts]
    return CrossValidated(
        r_folds=xp.stack(r_folds),
        r=r,
        alpha=xp.stack([fit.alpha for fit in fits]),
        cv_scores=xp.stack([fit.cv_score for fit in fits]),
        predicted=predicted,
        splits=splits,
        solver=fits[0].solver,
        fallbacks=tuple(dict.fromkeys(line for fit in fits for line in fit.fallbacks)),
    )


def _predict(prepared: Prepared, folds: Folds, X: list[Array], outside: Array | None) -> RidgePrediction:
    """Predict the test trials of a split, with bands or without."""
    if prepared.bands is None:
        return predict_folds(folds, prepared.alphas, X, prepared.lags, prepared.lead_in)
    fit = prepared.fit_banded(folds)
    xp = namespace(fit.weights)
    mean = xp.concat([c.y_mean for c in folds.responses])
    return RidgePrediction(
        alpha=fit.alpha,
        cv_score=xp.max(fit.cv_scores, axis=0),
        predicted=drive(X, fit.weights, prepared.lags, prepared.lead_in, outside) + (fit.intercept - mean),
        rounding=drive_rounding(X, fit.weights, len(prepared.lags), fit.inverse),
        mean=mean,
        solver=fit.solver,
        fallbacks=fit.fallbacks,
    )


def _by_trial(
    fit: RidgePrediction, tested: Sequence[int], rows: Sequence[int], centre: Array
) -> dict[int, tuple[Array, Array]]:
    """Predictions of each tested trial about ``centre``, and what rounding may have added to their squares."""
    found, start = {}, 0
    for k, i in enumerate(tested):
        # The distance of two means is known to the rounding of a mean.
        rounding = fit.rounding[k, :] + rows[i] * (ROUNDING * EPSILON * centre) ** 2
        found[i] = fit.predicted[start : start + rows[i], :] + (fit.mean - centre), rounding
        start += rows[i]
    return found


def _correlate(Y: Sequence[Array], predicted: Array, rounding: Array) -> Array:
    """Correlate predictions (T, U) with trials one after another, a block of units that stays in a cache at a time."""
    xp, found = namespace(predicted), []
    for units in blocks(predicted.shape[1], block_rows(predicted.shape[0], predicted)):
        recorded = xp.concat([y[..., units] if y.ndim == 3 else y[None, :, units] for y in Y], axis=1)
        found.append(mean_over_repeats(recorded, predicted[:, units], rounding[units]))
    return xp.concat(found)


def _mean_of_defined(r: Array) -> Array:
    """Average over splits, (S, U) to (U,), those where r is defined; NaN where it never is."""
    xp = namespace(r)
    defined = ~xp.isnan(r)
    n = xp.sum(xp.astype(defined, r.dtype), axis=0)
    total = xp.sum(xp.where(defined, r, xp.zeros_like(r)), axis=0)
    return xp.where(n > 0, total / xp.where(n > 0, n, xp.ones_like(n)), xp.nan)

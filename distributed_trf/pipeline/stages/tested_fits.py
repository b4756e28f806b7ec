"""Fits of every split, each tested on the stimuli that it did not see: r, penalty and score of all units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from distributed_trf.arrays import Array, namespace, take_rows, to_numpy
from distributed_trf.config.study import RidgeSettings, StudySettings
from distributed_trf.names import FOLD_ALPHA, FOLD_R
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fold_groups import Collected, FoldGroup, collect_splits
from distributed_trf.pipeline.stages.unit_scores import R_ALONE, Scoring, UnitScores, over_splits, score_units
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import RidgeFit, fit_folds
from distributed_trf.trf.lags import drive, drive_rounding
from distributed_trf.trf.split_collector import SplitCollector


@dataclass
class SplitFits:
    """Results of the units, of shape (units,) or (splits, units) on the results' unit axis."""

    scores: dict[str, np.ndarray]
    """Of the predictions of all splits one after another if each stimulus is tested once, otherwise the mean over
    the splits in which a score is defined; see ``names``."""
    fold_r: np.ndarray
    fold_alpha: np.ndarray
    fold_score: np.ndarray
    left_out: dict[str, str]
    """Sessions that cannot fill the splits, and why."""
    final: list[tuple[FoldGroup, RidgeFit]] = field(default_factory=list)
    """The fit of each fold group that is kept as its model: of a fixed test set, or of all stimuli if it is wanted."""
    constant_columns: int = 0
    solvers: set[str] = field(default_factory=set)
    fallbacks: list[str] = field(default_factory=list)

    @property
    def alpha(self) -> np.ndarray:
        """Geometric mean over splits of each unit's penalty."""
        return geometric_mean(self.fold_alpha)

    def variables(self, *, by_split: bool) -> dict[str, np.ndarray]:
        """Return the results by the names of variables, with or without those of each split."""
        of_units = {**self.scores, "alpha": self.alpha, "cv_score": self.fold_score.mean(axis=0)}
        return of_units | ({FOLD_R: self.fold_r, FOLD_ALPHA: self.fold_alpha} if by_split else {})

    def enter(self, scores: UnitScores) -> None:
        """Enter the scores of some units."""
        for name, values in scores.values.items():
            self.scores.setdefault(name, np.full(self.fold_r.shape[1], np.nan))[scores.units] = values

    def note(self, fit: RidgeFit) -> None:
        """Take down how a fit went."""
        self.constant_columns = max(self.constant_columns, *(scaling.n_constant for scaling in fit.scalings))
        self.solvers.add(fit.solver)
        self.fallbacks += fit.fallbacks


def fit_and_test(data: LayerData, study: StudySettings, device: str, scoring: Scoring) -> SplitFits:
    """Fit all units in every split, and test them.

    Where splits overlap, predictions are neither compared with chance nor corrected for noise: those of one stimulus
    are several.

    Raises
    ------
    RecordingError
        If no session can be fitted.
    """
    collected = collect_splits(data, study, device)
    n_splits = len(data.evaluation.labels) or 1
    r, alpha, score = (np.full((n_splits, data.n_units), np.nan) for _ in range(3))
    found = SplitFits({}, r, alpha, score, collected.left_out)
    while collected.groups:  # the sums of each fold group are freed before the next group is solved
        _fit_group(*collected.groups.pop(0), collected, data, study.ridge, scoring, found)
    return found


def _fit_group(
    group: FoldGroup,
    collector: SplitCollector,
    collected: Collected,
    data: LayerData,
    ridge: RidgeSettings,
    scoring: Scoring,
    found: SplitFits,
) -> None:
    """Fit and test the units of a fold group in every split, and enter the results."""
    of_splits: list[UnitScores] = []
    kept: list[tuple[list[str], Array, Array]] = []
    first: Array | None = None
    each_once, n_tested = group.splits.each_once, sum(bool(split.test) for split in group.splits.splits)
    of_one = R_ALONE if each_once else scoring if n_tested == 1 else replace(scoring, chance=None, noise_corrected=None)
    for k, split in enumerate(group.splits.splits):
        fit = fit_folds(collector.folds(k), ridge.penalties, all_scores=False, unit_block=ridge.unit_block)
        found.note(fit)
        if not split.test or len(group.splits.splits) == 1:
            found.final.append((group, fit))
        if not split.test:
            continue
        with timed("test"):
            predicted, rounding = _predict(fit, collected, group.tested(k), data)
            scores = score_units(data, group.columns(), predicted, rounding, group.tested(k), of_one)
            alpha, best = (part[scores.columns] for part in (to_numpy(fit.alpha), _best(to_numpy(fit.cv_scores))))
        of_splits.append(scores)
        found.fold_r[k, scores.units], found.fold_alpha[k, scores.units] = scores.values["r"], alpha
        found.fold_score[k, scores.units] = np.where(np.isnan(alpha), np.nan, best)
        if each_once:
            # About the first split's intercept, so that predictions shrunk to nearly nothing keep their digits.
            first = fit.intercept if first is None else first
            kept.append((group.tested(k), predicted + (fit.intercept - first), rounding))
    if kept:
        with timed("test"):
            xp = namespace(kept[0][1])
            ids = [i for tested, *_ in kept for i in tested]
            predicted, rounding = xp.concat([part for _, part, _ in kept]), sum(part for *_, part in kept)
            found.enter(score_units(data, group.columns(), predicted, rounding, ids, scoring, out_of_fold=True))
    else:
        found.enter(over_splits(of_splits, data.n_units))


def geometric_mean(alpha: np.ndarray) -> np.ndarray:
    """Average penalties over the first axis; exact where all are equal."""
    first = alpha[0]
    mean: np.ndarray = first * np.exp(np.mean(np.log(alpha / first), axis=0))
    return mean


def _predict(fit: RidgeFit, collected: Collected, tested: list[str], data: LayerData) -> tuple[Array, Array]:
    """Predict stimuli, without intercept, shape (bins, U); and bound the rounding of each unit's prediction, (U,)."""
    X = [collected.tested[i] for i in tested]
    rounding = drive_rounding(X, fit.weights, len(data.lags), fit.inverse).sum(axis=0)
    return drive(X, fit.weights, data.lags, data.lead_in), rounding


def _best(scores: np.ndarray) -> np.ndarray:
    """Return the best score of each unit; penalties that screening excluded have none."""
    return np.max(np.where(np.isnan(scores), -np.inf, scores), axis=0)


def at_rows(parts: Array, rows: np.ndarray | None) -> Array:
    """Return some rows, by host indices, of predictions of shape (parts, bins, U); all for None."""
    if rows is None:
        return parts
    return namespace(parts).stack([take_rows(parts[k, :, :], rows) for k in range(parts.shape[0])])

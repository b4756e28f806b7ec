"""What is said of each unit's prediction on the test: all of it from the same predictions and responses.

``_scores`` is where a score is computed. A new one is an entry there, its name in ``names.RESULTS``, and in
``AVERAGED`` if it is the mean over splits where splits overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, take_columns, take_rows, to_numpy_together
from distributed_trf.config.study import ChanceSettings, StudySettings
from distributed_trf.pipeline.stages.design_data import LayerData, Recorded
from distributed_trf.pipeline.work_kind import Inputs
from distributed_trf.reliability.noise_intervals import Statistic, interval_of_all
from distributed_trf.reliability.response_side import response_side
from distributed_trf.trf.correlation import mean_of_repeats, pearson, unit_length
from distributed_trf.trf.shifted_predictions import Shifts, draw_shifts, shifted_p_of_mean

AVERAGED = ("r", "r_second_half")
"""Scores that are averaged over splits where these overlap; of others there is none then."""
INTERVAL = ("r2_er_low", "r2_er_high")
NOISE_CORRECTED = 1
"""Raise this number when noise-corrected scores come out as other numbers than before, so that fits are made again."""


@dataclass(frozen=True)
class Scoring:
    """Which scores are computed beside r."""

    chance: ChanceSettings | None = None
    """Of ``r_p``."""
    halves_seed: int | None = None
    """Of ``r_second_half``: what deals repeats into halves."""
    noise_corrected: int | None = None
    """Of ``r2_er``, its interval and ``cc_norm``: the revision of their code."""

    @classmethod
    def of(cls, study: StudySettings) -> Scoring:
        """Return those that a study requests for its grid of fits."""
        return cls(study.chance, study.halves_seed, NOISE_CORRECTED)

    def inputs(self) -> Inputs:
        """Return what scores depend on beyond fits and responses; nothing of what is not requested."""
        chance = None if self.chance is None else self.chance.model_dump()
        on = {"chance": chance, "halves of repeats": self.halves_seed, "noise correction": self.noise_corrected}
        return {name: value for name, value in on.items() if value is not None}


R_ALONE = Scoring()


@dataclass(frozen=True)
class UnitScores:
    """Scores of units, by the names of variables, each of shape (units,)."""

    values: dict[str, np.ndarray]
    columns: np.ndarray
    """Indices of the units in the fit."""
    units: np.ndarray
    """On the results' unit axis."""


def score_units(
    data: LayerData,
    columns: Mapping[str, slice],
    predicted: Array,
    rounding: Array,
    tested: Sequence[str],
    scoring: Scoring = R_ALONE,
    *,
    out_of_fold: bool = False,
) -> UnitScores:
    """Compare predictions with the repeats of sessions' responses.

    Parameters
    ----------
    data
        Of the layer.
    columns
        Columns of each session's units in a fit.
    predicted, rounding
        For all units of the fit, shapes (bins, U) and (U,); see ``drive`` and ``drive_rounding``.
    tested
        Stimuli of the predictions. A session is tested on those that were presented to it, of which there must be one.
    scoring
        Which scores are computed.
    out_of_fold
        Whether each stimulus is predicted by a fit on the others, see ``shifted_p``.
    """
    scored, indices, drawn, statistics = [], [], dict[tuple[str, ...], Shifts](), list[Statistic]()
    for recorded in data.presented(columns, tested):
        of_sessions = predicted if recorded.rows is None else take_rows(predicted, recorded.rows)
        # The bound for all stimuli is one for some of them.
        of_units = (take_columns(of_sessions, recorded.columns), take_columns(rounding, recorded.columns))
        scored.append(_scores(data, recorded, *of_units, scoring, drawn, statistics, out_of_fold=out_of_fold))
        indices.append((recorded.columns, recorded.units))
    names, groups = list(scored[0]), len(scored)
    intervals = interval_of_all(statistics) if statistics else ()
    found = to_numpy_together([*(scores[name] for name in names for scores in scored), *intervals])
    values = {name: np.concatenate(found[k * groups : (k + 1) * groups]) for k, name in enumerate(names)}
    values |= dict(zip(INTERVAL, found[len(names) * groups :], strict=False))
    return UnitScores(values, *(np.concatenate(part) for part in zip(*indices, strict=True)))


def over_splits(scores: Sequence[UnitScores], n_units: int) -> UnitScores:
    """Average the scores of overlapping splits, over those in which a unit has one; those of one split are its own.

    Parameters
    ----------
    scores
        Of the same units in each split, in any order.
    n_units
        Length of the results' unit axis.
    """
    first, values = scores[0], {}
    for name in first.values if len(scores) == 1 else [name for name in AVERAGED if name in first.values]:
        by_split = np.full((len(scores), n_units), np.nan)
        for row, of_split in zip(by_split, scores, strict=True):
            row[of_split.units] = of_split.values[name]
        values[name] = mean_of_defined(by_split[:, first.units])
    return UnitScores(values, first.columns, first.units)


def mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Average over splits, the first axis, those in which a unit has a value; NaN where none has.

    Examples
    --------
    >>> mean_of_defined(np.array([[1.0, np.nan], [3.0, np.nan]]))
    array([ 2., nan])
    """
    defined = ~np.isnan(values)
    total, n = np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _scores(
    data: LayerData,
    recorded: Recorded,
    predicted: Array,
    rounding: Array,
    scoring: Scoring,
    drawn: dict[tuple[str, ...], Shifts],
    statistics: list[Statistic],
    *,
    out_of_fold: bool,
) -> dict[str, Array]:
    """Compute all scores of some sessions' units: predictions (bins, units) on the bins of the responses.

    ``drawn`` keeps shifts by the stimuli that they are of. To ``statistics`` is added from what intervals follow.
    """
    r, stimuli = pearson(recorded.responses, predicted, rounding), recorded.stimuli
    scores = {"r": mean_of_repeats(r)}
    if scoring.halves_seed is not None:
        scores["r_second_half"] = mean_of_repeats(r, data.second_halves(recorded, scoring.halves_seed))
    if scoring.chance is None and scoring.noise_corrected is None:
        return scores
    side = response_side(recorded.responses, recorded.content)
    if scoring.chance is not None:
        if stimuli not in drawn:
            bins = {i: data.bins[i] for i in stimuli}
            drawn[stimuli] = draw_shifts(bins, scoring.chance.shifts, scoring.chance.seed, data.key)
        copies = drawn[stimuli]
        scores["r_p"] = shifted_p_of_mean(side.mean, side.varying, predicted, copies, rounding, out_of_fold=out_of_fold)
    if scoring.noise_corrected is not None:
        scores["r2_er"], scores["cc_norm"] = side.powers.r2_er(r), side.powers.cc_norm(r)
        statistics.append(side.noise.statistic(r, unit_length(predicted, rounding), side.powers))
    return scores

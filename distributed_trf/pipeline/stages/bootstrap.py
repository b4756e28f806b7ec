"""Bootstraps: how results depend on the amount of recorded data (Ahmed et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from distributed_trf.arrays import Array, all_to_device, take_columns, to_numpy
from distributed_trf.config.analyses import BootstrapSettings
from distributed_trf.config.study import StudySettings, Training
from distributed_trf.errors import DataError
from distributed_trf.names import UNIT
from distributed_trf.pipeline.costs import fit_cost
from distributed_trf.pipeline.items import BootstrapTest, BootstrapTraining
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fit import fit_inputs
from distributed_trf.pipeline.stages.fold_groups import collect, training_times, training_trials
from distributed_trf.pipeline.stages.unit_scores import score_units
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Files, Finding, Inputs, Job, Remarks, Upstream, WorkKind, analysis_group
from distributed_trf.store.analyses import store_analysis
from distributed_trf.timing import timed
from distributed_trf.trf.correlation_sums import CorrelationSums, bootstrap_r
from distributed_trf.trf.crossval import RidgeFit, assign_folds, fit_folds
from distributed_trf.trf.lags import drive, drive_rounding
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.resampling import draw_generator, draw_stimuli
from distributed_trf.trf.stream import MomentStream

REVISION = 2
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""


@dataclass(frozen=True)
class BootstrappedTraining(Finding):
    """Fits on drawn training stimuli."""

    draws: int = 0
    draws_of_too_few_stimuli: int = 0
    """Draws with fewer stimuli than folds, whose results are NaN."""
    seed: int = 0
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class BootstrappedTest(Finding):
    """Tests on drawn stimuli and repeats."""

    draws: int = 0
    seed: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(left_out=self.left_out)


def settings_of(study: StudySettings, item: BootstrapTraining | BootstrapTest) -> BootstrapSettings:
    """Return the settings of an item."""
    features = (item.network, item.layer, item.weights)
    return next(b for b in study.bootstraps if (b.network, b.layer, b.weights) == features)


def bootstrap_training(item: BootstrapTraining, job: Job) -> BootstrappedTraining:
    """Fit on drawn training stimuli, each weighted by how often it was drawn, and test on all test stimuli.

    Drawn stimuli are divided into folds, so that a stimulus drawn twice is never both fitted and held out. A draw of
    fewer stimuli than folds gives NaN, and is counted.
    """
    import xarray as xr

    study, device = job.study, job.device
    settings = settings_of(study, item)
    data = LayerData(item, [item.space], study, job.store, device, sessions=settings.sessions)
    features = {i: x for batch in data.batches() for i, x in batch.items()}
    test = [features[i] for i in data.test_ids]
    r = np.full((settings.draws, data.n_units), np.nan)
    alpha = np.full_like(r, np.nan)
    too_few = 0
    with data.explained_memory():
        for sessions in _group_by_presentations(data, study.training):
            ids = data.counts[sessions[0]].train_ids
            responses = [
                np.concatenate([training_trials(data.counts[s], i, study.training) for s in sessions], axis=2)
                for i in ids
            ]
            trials = dict(zip(ids, all_to_device(responses, device), strict=True))
            durations = [data.bins[i] for i in ids]
            ends = np.cumsum([0, *(data.counts[s].train.shape[1] for s in sessions)]).tolist()
            columns = {s: slice(*ends[k : k + 2]) for k, s in enumerate(sessions)}
            for draw in range(settings.draws):
                rng = draw_generator(settings.seed, "training", item.training_percent, draw)
                times = {
                    i: n for i, n in zip(ids, draw_stimuli(durations, item.training_percent, rng), strict=True) if n
                }
                if len(times) < study.ridge.n_folds:
                    too_few += 1
                    continue
                solution = _fit_drawn(times, features, trials, data, study)
                with timed("test"):
                    predicted = drive(test, solution.weights, data.lags, data.lead_in)
                    rounding = drive_rounding(test, solution.weights, len(data.lags), solution.inverse).sum(axis=0)
                    scores = score_units(data, columns, predicted, rounding, data.test_ids)
                    r[draw, scores.units] = scores.values["r"]
                    alpha[draw, scores.units] = to_numpy(solution.alpha)[scores.columns]
    ds = xr.Dataset({"r": (("draw", UNIT), r), "alpha": (("draw", UNIT), alpha)}, attrs={"seed": settings.seed})
    files = store_analysis(job.store, item.key, ds, item.cell)
    return BootstrappedTraining(draws=settings.draws, draws_of_too_few_stimuli=too_few, seed=settings.seed, files=files)


def bootstrap_test(item: BootstrapTest, job: Job) -> BootstrappedTest:
    """Fit once on all training stimuli, and test on drawn test stimuli and repeats.

    Raises
    ------
    DataError
        If none of the sessions in the settings was read.
    """
    import xarray as xr

    study, device = job.study, job.device
    settings, ridge = settings_of(study, item), study.ridge
    data = LayerData(item, [item.space], study, job.store, device, sessions=settings.sessions)
    with data.explained_memory():
        collected, test, left_out = collect(data, study, device)
    shape = (len(settings.test_percent), len(settings.n_repeats), settings.draws, data.n_units)
    r = np.full(shape, np.nan)
    durations = [data.bins[i] for i in data.test_ids]
    borders = np.cumsum([0, *durations]).tolist()
    cuts = [slice(a, b) for a, b in zip(borders, borders[1:], strict=False)]
    with data.explained_memory():
        for fold_group, folds in collected:
            solution = fit_folds(folds, ridge.penalties, all_scores=False, unit_block=ridge.unit_block)
            with timed("test"):
                predicted = drive(test, solution.weights, data.lags, data.lead_in)
                rounding = drive_rounding(test, solution.weights, len(data.lags), solution.inverse)
                for recorded in data.recorded(fold_group.columns()):
                    of_units = take_columns(predicted, recorded.columns)
                    parts = [recorded.responses[:, cut, :] for cut in cuts], [of_units[cut, :] for cut in cuts]
                    sums = CorrelationSums.of(*parts, take_columns(rounding, recorded.columns))
                    for p, percent in enumerate(settings.test_percent):
                        for k, n_repeats in enumerate(settings.n_repeats):
                            drawn = bootstrap_r(
                                sums,
                                durations,
                                percent_duration=percent,
                                n_repeats=n_repeats,
                                draws=settings.draws,
                                seed=settings.seed,
                            )
                            r[p, k][:, recorded.units] = to_numpy(drawn)
    ds = xr.Dataset(
        {"r": (("test_percent", "n_repeats", "draw", UNIT), r)},
        coords={"test_percent": settings.test_percent, "n_repeats": settings.n_repeats},
        attrs={"seed": settings.seed},
    )
    files = store_analysis(job.store, item.key, ds, item.cell)
    return BootstrappedTest(draws=settings.draws, seed=settings.seed, left_out=left_out, files=files)


def _fit_drawn(
    times: dict[str, int], features: dict[str, Array], trials: dict[str, Array], data: LayerData, study: StudySettings
) -> RidgeFit:
    """Fit on drawn stimuli, each weighted by how often it was drawn.

    ``trials`` have shape (trials, bins, U); a drawn stimulus contributes all its trials.
    """
    ridge, drawn = study.ridge, list(times)
    folds = []
    for fold in assign_folds(len(drawn), ridge.n_folds, ridge.seed):
        with timed("moments"):
            stream = MomentStream(data.lags, data.lead_in, dtype=ridge.precision)
            for stimulus in (drawn[i] for i in fold):
                for k in range(trials[stimulus].shape[0]):
                    stream.add(features[stimulus], trials[stimulus][k, :, :], weight=float(times[stimulus]))
            folds.append(stream.moments())
    return fit_moments(
        folds,
        ridge.penalties,
        standardize=ridge.standardize,
        solver="auto" if ridge.solver == "dual" else ridge.solver,
        precision=ridge.precision,
        all_scores=False,
        unit_block=ridge.unit_block,
    )


def _group_by_presentations(data: LayerData, presented: Training) -> Iterator[list[str]]:
    """Yield groups of sessions with the same training stimuli and equal numbers of trials.

    Raises
    ------
    DataError
        If there is no session.
    """
    if not data.counts:
        raise DataError("none of the sessions in `bootstraps: sessions` was read; name sessions that could be read")
    groups: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for session, counts in data.counts.items():
        groups.setdefault(tuple(training_times(counts, presented).items()), []).append(session)
    yield from groups.values()


def _items(scope: ItemSource) -> Iterator[BootstrapTraining | BootstrapTest]:
    study = scope.study
    for b, stimuli, bin_width in product(study.bootstraps, study.stimuli, study.bin_widths):
        for percent in b.training_percent:
            yield BootstrapTraining(stimuli, b.network, b.weights, b.layer, bin_width, percent)
        if b.test_percent:
            yield BootstrapTest(stimuli, b.network, b.weights, b.layer, bin_width)


def _inputs(item: BootstrapTraining | BootstrapTest, upstream: Upstream) -> Inputs:
    settings = settings_of(upstream.context.study, item)
    inputs = fit_inputs(item, upstream, [item.space], REVISION)
    inputs["bootstrap"] = [settings.sessions, settings.draws, settings.seed]
    if isinstance(item, BootstrapTest):
        inputs["test"] = [settings.test_percent, settings.n_repeats]
    return inputs


TRAINING_BOOTSTRAPS = WorkKind(
    item=BootstrapTraining,
    finding=BootstrappedTraining,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=lambda context, item, device: fit_cost(
        context, item, [item.space], device, fits=settings_of(context.study, item).draws
    ),
    run=bootstrap_training,
)
TEST_BOOTSTRAPS = WorkKind(
    item=BootstrapTest,
    finding=BootstrappedTest,
    items=lambda _: (),  # _items lists both kinds, in the order of the settings
    inputs=_inputs,
    outputs=analysis_group,
    cost=lambda context, item, device: fit_cost(context, item, [item.space], device),
    run=bootstrap_test,
)

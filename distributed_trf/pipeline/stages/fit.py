"""The fit stage: all units of all sessions on one layer, in one work item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from distributed_trf.arrays import to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.costs import fit_cost
from distributed_trf.pipeline.items import Extract, FeatureSpace, Fit, ReadSession, Source
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.extract import Extracted
from distributed_trf.pipeline.stages.fold_groups import FoldGroup
from distributed_trf.pipeline.stages.read_recordings import SessionRead
from distributed_trf.pipeline.stages.tested_fits import fit_and_test
from distributed_trf.pipeline.stages.unit_scores import R_ALONE, Scoring
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import (
    Files,
    Finding,
    Inputs,
    Job,
    Remarks,
    Upstream,
    Waiting,
    WorkKind,
    network_and_stage,
)
from distributed_trf.store.fingerprint import library_versions
from distributed_trf.store.models import unit_labels, write_model
from distributed_trf.store.receipts import Receipt
from distributed_trf.store.results import session_units, write_fit
from distributed_trf.store.stored_recordings import SPIKES, BinnedResponses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import RidgeFit, at_edges
from distributed_trf.trf.lags import lag_samples

REVISION = 3
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""


@dataclass(frozen=True)
class Fitted(Finding):
    """The fits of all units on one layer."""

    units: int = 0
    constant_units: int = 0
    """Units whose response or prediction never varies."""
    units_at_first_alpha: int = 0
    units_at_last_alpha: int = 0
    constant_columns: int = 0
    """Largest number of lagged columns in a scaling that never vary."""
    median_r: float | None = None
    """Over units; None if no unit varies."""
    solver: list[str] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)
    """Factorisations that failed their check."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    unused_presentations: int = 0
    """Presentations of training stimuli after the first of each."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(
            fitted=True,
            median_r=self.median_r,
            unused_presentations=self.unused_presentations,
            constant_units=self.constant_units,
            left_out=self.left_out,
            fallbacks=self.fallbacks,
        )


def fit_layer(item: Fit, job: Job) -> Fitted:
    """Fit and test all units on one layer, and store r, alpha and cross-validated R^2."""
    study, store = job.study, job.store
    data = LayerData(item, [item.space], study, store, job.device, with_final=study.save_models)
    data.evaluation.check_unchanged(job.fingerprint)
    results, solved, fitted = fit_units(data, study, job.device, Scoring.of(study))
    written = write_fit(store.results, item.cell, results, splits=data.evaluation.labels)
    files = {store.name(store.results): written}
    if study.save_models:
        files |= save_model(store, item, study, solved)
    return replace(fitted, files=files)


def fit_settings(study: StudySettings, bin_width: float, revision: int) -> Inputs:
    """Return what a fit depends on apart from features and responses."""
    return {
        "lags": study.lags.model_dump(),
        "bin width": bin_width,
        "ridge": study.ridge.model_dump(exclude={"unit_block"}),
        **study.test.inputs(),
        "versions": [revision, library_versions("numpy", "scipy")],
        **({} if study.feature_window is None else {"feature window": study.feature_window}),
    }


def training_setting(study: StudySettings, read: Iterable[Receipt | None]) -> str:
    """Return the study's ``training``, or the default where no training stimulus was presented several times.

    Parameters
    ----------
    study
        The study.
    read
        Receipts of the sessions' responses.
    """
    several = any(receipt is not None and SessionRead.of(receipt).further for receipt in read)
    return study.training if several else "first"


def fit_units(
    data: LayerData, study: StudySettings, device: str, scoring: Scoring = R_ALONE
) -> tuple[dict[str, np.ndarray], list[tuple[FoldGroup, RidgeFit]], Fitted]:
    """Fit and test all units.

    Returns
    -------
    results, final, fitted
        Variables of the results, on the study's unit axis; the fit of each fold group that is kept as its model; what
        the receipt holds, without the files.

    Raises
    ------
    RecordingError
        If no session can be fitted.
    """
    with data.explained_memory():
        found = fit_and_test(data, study, device, scoring)
    r = np.concatenate([found.scores["r"][data.units[s]] for s in data.counts if s not in found.left_out])
    # A unit counts if any of its splits chose the first, or the last, penalty.
    first, _ = at_edges(found.fold_alpha.min(axis=0), study.ridge.penalties)
    _, last = at_edges(found.fold_alpha.max(axis=0), study.ridge.penalties)
    fitted = Fitted(
        units=int(r.size),
        constant_units=int(np.isnan(r).sum()),
        units_at_first_alpha=first,
        units_at_last_alpha=last,
        constant_columns=found.constant_columns,
        median_r=median_r(r),
        solver=sorted(found.solvers),
        fallbacks=found.fallbacks,
        left_out=found.left_out,
        unused_presentations=data.further if study.training == "first" else 0,
    )
    return found.variables(by_split=bool(data.evaluation.labels)), found.final, fitted


def median_r(r: np.ndarray) -> float | None:
    """Return the median over units, for a receipt; None if no unit varies."""
    return float(np.nanmedian(r)) if np.isfinite(r).any() else None


@timed("write")
def save_model(
    store: StudyStore, item: Fit, study: StudySettings, fitted: Sequence[tuple[FoldGroup, RidgeFit]]
) -> dict[str, dict[str, str]]:
    """Write the weights of all units on one layer, and return the digests of their files."""
    units = session_units(store.results)
    n_units, d = max(part.stop for part in units.values()), fitted[0][1].weights.shape[0]
    weights = np.full((d, n_units), np.nan)
    intercept, alpha = np.full(n_units, np.nan), np.full(n_units, np.nan)
    for fold_group, solution in fitted:
        solved = [to_numpy(a) for a in (solution.weights, solution.intercept, solution.alpha)]
        for session, columns in fold_group.columns().items():
            weights[:, units[session]] = solved[0][:, columns]
            intercept[units[session]], alpha[units[session]] = solved[1][columns], solved[2][columns]
    mean, scale = _scaling(study, fitted)
    responses = next(iter(fitted[0][0].sessions.values()))
    path = store.model(*item.cell)
    files = write_model(
        path,
        item.cell,
        weights=weights,
        intercept=intercept,
        alpha=alpha,
        x_mean=mean,
        x_scale=scale,
        lags_seconds=[
            lag * item.bin_width / 1000 for lag in lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width)
        ],
        units=unit_labels(store.results),
        bins=responses.bins,
        settings={
            "lags": study.lags.model_dump(),
            "ridge": study.ridge.model_dump(exclude={"unit_block"}),
            "training": study.training,
            **_averaging(study, responses),
        },
    )
    return {store.name(path): files}


def _averaging(study: StudySettings, responses: BinnedResponses) -> Inputs:
    """Say of responses that are not counted what they are, and over which part of a sound features are averaged."""
    counted = responses.response == SPIKES
    return {} if counted else {"response": responses.response, "feature_window": study.feature_window}


def _scaling(study: StudySettings, fitted: Sequence[tuple[FoldGroup, RidgeFit]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and scale of each lagged column, shape (d,); NaN if sessions have their own."""
    scalings = [scaling for _, solution in fitted for scaling in solution.scalings]
    mean, inverse = to_numpy(scalings[0].mean), to_numpy(scalings[0].inverse)
    equal_times = all(fold_group.times == fitted[0][0].times for fold_group, _ in fitted)
    if not equal_times or (study.ridge.scaling == "per_session" and len(scalings) > 1):
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return mean, np.where(inverse == 0, 0, 1 / np.where(inverse == 0, 1, inverse))


def fit_inputs(item: Source, upstream: Upstream, spaces: Sequence[FeatureSpace], revision: int) -> Inputs:
    """Return what a fit on some feature spaces depends on: features, responses and settings."""
    study = upstream.context.study
    digests = [_feature_digests(item.stimuli, space, upstream) for space in spaces]
    read = [ReadSession(item.stimuli, session) for session in upstream.context.sessions_of(item.stimuli)]
    return {
        "features": [digest for batch in zip(*digests, strict=True) for of_space in batch for digest in of_space],
        "responses": _responses(item, upstream),
        "training": training_setting(study, map(upstream.receipt, read)),
        **fit_settings(study, item.bin_width, revision),
        **upstream.context.evaluations[item.stimuli].table_inputs,
    }


def _feature_digests(stimuli: str, space: FeatureSpace, upstream: Upstream) -> list[list[str]]:
    """Return the digests of features, for each batch those of each layer; read once for all layers of a network."""
    network = (stimuli, space.network, space.weights)
    batches = range(len(upstream.context.batches(stimuli)))

    def make() -> list[dict[str, str]]:
        return [Extracted.of(upstream.require(Extract(*network, batch))).digests for batch in batches]

    return [[digests[str(layer)] for layer in space.layers] for digests in upstream.once(("features", *network), make)]


def _responses(item: Source, upstream: Upstream) -> Inputs:
    """Return digests of the sessions' counts and names of units; sessions that failed for good are left out."""
    responses = {}
    for session in upstream.context.recordings.heard(item.stimuli):
        counts = ReadSession(item.stimuli, session.name)
        receipt = upstream.receipt(counts)
        if receipt is not None:
            responses[session.name] = [SessionRead.of(receipt).digests[f"{item.bin_width:g}"], *session.channels]
        elif not upstream.unreadable(counts):
            raise Waiting(f"waits for {counts.stage} {counts.key}")
    if not responses:
        raise Waiting("no session could be read")
    return responses


def _items(scope: ItemSource) -> Iterator[Fit]:
    for stimuli in scope.study.stimuli:
        for network in scope.study.networks:
            for weights in scope.weights(network):
                for layer in scope.layers(network):
                    for bin_width in scope.study.bin_widths:
                        yield Fit(stimuli, network.name, weights, layer.id, bin_width)


FITS = WorkKind(
    item=Fit,
    finding=Fitted,
    items=_items,
    inputs=lambda item, upstream: (
        fit_inputs(item, upstream, [item.space], REVISION) | Scoring.of(upstream.context.study).inputs()
    ),
    outputs=lambda item, context: iter([context.store.model(*item.cell)]),
    cost=lambda context, item, device: fit_cost(context, item, [item.space], device, in_grid=True),
    run=fit_layer,
    settings=lambda item, study: fit_settings(study, item.bin_width, REVISION) | Scoring.of(study).inputs(),
    label=network_and_stage,
)

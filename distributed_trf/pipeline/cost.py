"""What work items will need, counted before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.errors import ConfigError
from distributed_trf.features.planning import expected_work
from distributed_trf.pipeline.bootstrap import settings_of
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.items import (
    Analysis,
    Assess,
    BootstrapTest,
    BootstrapTraining,
    Extract,
    Fit,
    FitLowpass,
    FitTogether,
    Item,
    ReadSession,
    ReadSounds,
)
from distributed_trf.pipeline.survey import Planned, State
from distributed_trf.pipeline.together import layers as together_layers
from distributed_trf.recordings.time_grid import stimulus_bins
from distributed_trf.trf.choice import choose_solver
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.stream import BLOCK_ROWS

PROCESS_BYTES = 560 << 20
"""A worker with its libraries loaded, torch and transformers among them, and nothing in hand (peak resident memory)."""
SOUND_RATE = 16_000
"""Samples per second taken of sounds that are not read yet."""
EIGH_FLOPS = 9
"""Floating-point operations of a symmetric eigendecomposition with vectors, per d^3 (Golub & Van Loan)."""


@dataclass(frozen=True)
class Cost:
    """Needs of a work item."""

    written: int
    """Bytes on disk, before compression."""
    peak: int
    """Bytes of memory of the worker that does it."""
    flops: float


def cost(context: Context, item: Item) -> Cost:
    """Count what an item needs.

    Shapes are exact, but for networks that this version cannot extract; memory counts the largest arrays alive
    together.
    """
    match item:
        case ReadSounds():
            seconds = sum(s.duration for s in context.stimuli[item.stimuli])
            size = int(seconds * SOUND_RATE * 8)
            return Cost(size, PROCESS_BYTES + 4 * size, 0)
        case ReadSession():
            return _read_session(context, item)
        case Assess():
            return _assess(context, item)
        case Extract():
            return _extract(context, item)
        case Fit() | FitLowpass():
            return _fit(context, item, _width(context, item, [item.layer]), fits=1)
        case FitTogether():
            settings = next(t for t in context.study.together if t.network == item.network)
            fits = settings.candidates if settings.bands == "layer" else 1
            return _fit(context, item, _width(context, item, together_layers(context, item)), fits=fits)
        case BootstrapTraining() | BootstrapTest():
            draws = settings_of(context.study, item).draws if isinstance(item, BootstrapTraining) else 1
            return _fit(context, item, _width(context, item, [item.layer]), fits=draws)


def _read_session(context: Context, item: ReadSession) -> Cost:
    session = next(s for s in context.recordings.sessions if s.name == item.session)
    stimuli = context.stimuli[item.stimuli]
    bins = sum(stimulus_bins(s.duration, width) for width in context.study.bin_widths for s in stimuli)
    files = [f.stat().st_size for f in context.recordings.session_files(session)]
    # Files hold more than the spikes that are kept, but those are the most of what an analysis reads.
    return Cost(sum(files) // 2 + 2 * bins * len(session.channels), PROCESS_BYTES + sum(files) + 2 * max(files), 0)


def _assess(context: Context, item: Assess) -> Cost:
    settings = context.study.reliability
    assert settings is not None
    session = next(s for s in context.recordings.sessions if s.name == item.session)
    units = len(session.channels)
    test = [s for s in context.stimuli[item.stimuli] if s.is_test]
    bins = sum(stimulus_bins(s.duration, item.bin_width) for s in test)
    # Two distributions and a copy of one in blocks, and the choices of each draw.
    peak = 8 * settings.draws * (4 * units + 5 * len(test))
    # Products of the shifted draws, and of about a dozen repeats in the test for tuning.
    flops = 2.0 * bins * units * (settings.draws + 12 * settings.shifts)
    return Cost(8 * 10 * units, PROCESS_BYTES + peak, flops)


def _extract(context: Context, item: Extract) -> Cost:
    layout, lengths = context.expected_features[item.stimuli, item.network, item.weights]
    first, last = layout.batch_borders[item.batch]
    work = expected_work(context.tables[item.network], item.weights, lengths[first:last])
    # Frames of which fewer go to the store, and their spectrum, in double precision: of the sound that has most.
    resampled = max(
        (
            16 * n * x.width
            for x in layout.layers
            for n, m in zip(x.native[first:last], x.frames[first:last], strict=True)
            if m < n
        ),
        default=0,
    )
    # The batch before is written meanwhile: its features, and of one layer the chunk and what goes into it.
    written = layout.bytes // len(layout.batches)
    chunk = max(4 * layout.slot(x) * x.width for x in layout.layers)
    return Cost(written, PROCESS_BYTES + work.bytes + resampled + written + 3 * chunk, work.flops)


def _width(context: Context, item: Fit | Analysis, layers: Sequence[int]) -> int:
    return sum(layer.width for layer in context.tables[item.network].layers if layer.id in layers)


def _fit(context: Context, item: Fit | Analysis, width: int, *, fits: int) -> Cost:
    study = context.study
    units = sum(len(s.channels) for s in context.recordings.sessions)
    n_lags = len(lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width))
    rows = sum(stimulus_bins(s.duration, item.bin_width) for s in context.stimuli[item.stimuli] if not s.is_test)
    d, ridge = width * n_lags, study.ridge
    n_folds, n_alphas = ridge.n_folds, len(ridge.penalties)
    method: str = ridge.solver
    if method == "auto":
        method = choose_solver(rows, d, n_alphas=n_alphas, n_units=units, n_folds=n_folds)
    if method == "dual":
        k = rows
        doubles = 3 * rows * width + 7 * rows * rows
        flops = (n_folds + 1) * (2.0 * rows * rows * d + EIGH_FLOPS * float(rows) ** 3)
    else:
        k = d
        block = min(rows, BLOCK_ROWS)
        doubles = 4 * block * width + 3 * block * units + (3 * n_folds + 6) * d * d
        flops = 2.0 * rows * d * (width + units) + (n_folds + 1) * EIGH_FLOPS * float(d) ** 3 + n_folds * 4.0 * d**3
    doubles += (5 * n_folds + 2) * k * units + 4 * k * min(units, ridge.unit_block)
    flops += n_folds * 2.0 * k * k * units * n_alphas + 4.0 * k * k * units
    written = 3 * units * fits
    if study.save_models and isinstance(item, Fit):
        written += d * (units + 2) + 2 * units
        doubles += 2 * d * units
    return Cost(8 * written, PROCESS_BYTES + 8 * doubles, flops * fits)


def check_memory(context: Context, planned: Sequence[Planned], recipe: Recipe) -> None:
    """Refuse a study of which an item does not fit a worker.

    Raises
    ------
    ConfigError
        Naming the largest item, what it needs, what a worker has, and the remedy.
    """
    sizes = [(cost(context, p.item).peak, p.item) for p in planned if p.state is not State.DONE]
    if not sizes:
        return
    peak, item = max(sizes, key=lambda size: size[0])
    limit = recipe.worker_bytes
    if limit is not None and peak > limit:
        remedy = (
            "a smaller `extraction.batch`"
            if isinstance(item, Extract)
            else "fewer layers or a smaller `ridge.unit_block`"
        )
        raise ConfigError(
            f"{item.stage} {item.key} needs about {peak / 2**30:.1f} GiB, but a worker has {limit / 2**30:.1f} GiB; "
            f"give workers more memory (fewer workers, or `memory` in the recipe), or choose {remedy}"
        )

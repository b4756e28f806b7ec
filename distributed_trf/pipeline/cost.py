"""What work items will need, counted before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.errors import ConfigError
from distributed_trf.features.network import family
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.extract import feature_layout, network_settings
from distributed_trf.pipeline.items import Extract, Fit, Item, ReadCounts, ReadSounds
from distributed_trf.pipeline.survey import Planned, State
from distributed_trf.recordings.binning import n_bins
from distributed_trf.trf.lags import lag_samples

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
    """Count what an item needs. Shapes are exact; memory counts the largest arrays alive together."""
    match item:
        case ReadSounds():
            seconds = sum(s.duration for s in context.stimuli[item.stimuli])
            size = int(seconds * SOUND_RATE * 8)
            return Cost(size, PROCESS_BYTES + 4 * size, 0)
        case ReadCounts():
            session = next(s for s in context.recordings.sessions if s.name == item.session)
            bins = sum(n_bins(s.duration, item.bin_width) for s in context.stimuli[item.stimuli])
            files = sum(f.stat().st_size for f in context.recordings.session_files(session))
            return Cost(2 * bins * len(session.channels), PROCESS_BYTES + 2 * files, 0)
        case Extract():
            return _extract(context, item)
        case Fit():
            return _fit(context, item)


def _extract(context: Context, item: Extract) -> Cost:
    settings = network_settings(context.study, item.network)
    table, layers = context.tables[item.network], context.layers(settings)
    stimuli = context.stimuli[item.stimuli]
    sounds = {
        "ids": [s.id for s in stimuli],
        "n_samples": [round(s.duration * table.sfreq) for s in stimuli],
        "sfreq": table.sfreq,
    }
    layout = feature_layout(context.study, table, layers, sounds, context.batches(item.stimuli))
    n_sounds = layout.batches[item.batch]
    flops, memory = family(table).work(table, n_sounds)
    return Cost(layout.bytes // len(layout.batches), PROCESS_BYTES + memory, flops)


def _fit(context: Context, item: Fit) -> Cost:
    study = context.study
    layer = next(x for x in context.tables[item.network].layers if x.id == item.layer)
    units = sum(len(s.channels) for s in context.recordings.sessions)
    n_lags = len(lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width))
    lead_in = n_bins(study.lags.lead_in, item.bin_width)
    rows = sum(lead_in + n_bins(s.duration, item.bin_width) for s in context.stimuli[item.stimuli])
    d, folds, penalties = layer.width * n_lags, study.ridge.n_folds, len(study.ridge.penalties)
    doubles = (
        4 * rows * layer.width  # features: as binned, centred, and two shifted
        + 3 * rows * units
        + (folds + 6) * d * d  # fold moments, their merge, the decomposition and its workspace
        + (2 * folds + 2) * d * units
        + 4 * d * min(units, study.ridge.unit_block)
    )
    flops = (
        2.0 * rows * d * (layer.width + units)
        + (folds + 1) * EIGH_FLOPS * float(d) ** 3
        + folds * (4.0 * d**3 + 2.0 * d * d * units * penalties)
        + 4.0 * d * d * units
    )
    return Cost(3 * 8 * units, PROCESS_BYTES + 8 * doubles, flops)


def worker_memory(recipe: Recipe) -> int:
    """Bytes that one worker of a recipe may use."""
    return psutil.virtual_memory().total // recipe.n_workers if recipe.memory == "auto" else int(recipe.memory)


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
    limit = worker_memory(recipe)
    if peak > limit:
        remedy = "a smaller `batch`" if isinstance(item, Extract) else "fewer layers or a smaller `ridge.unit_block`"
        raise ConfigError(
            f"{item.stage} {item.key} needs about {peak / 2**30:.1f} GiB, but a worker has {limit / 2**30:.1f} GiB; "
            f"give workers more memory (fewer workers, or `memory` in the recipe), or choose {remedy}"
        )

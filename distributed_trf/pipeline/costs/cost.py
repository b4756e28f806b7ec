"""What work items will need, counted before anything is spent."""

from __future__ import annotations

from math import ceil, log2

from distributed_trf.features.families.registry import expected_work, loads_file
from distributed_trf.names import RELIABILITY
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.costs.fit_cost import fit_cost
from distributed_trf.pipeline.costs.operations import Cost, Operations
from distributed_trf.pipeline.costs.responses import REPEATS, response_bytes
from distributed_trf.pipeline.items import (
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
from distributed_trf.pipeline.stages.bootstrap import settings_of
from distributed_trf.pipeline.stages.together import layers as together_layers
from distributed_trf.recordings.recording_set import stimulus_bins

SOUND_RATE = 16_000
"""Samples per second taken of sounds that are not read yet."""
CHUNK = 32 << 20
"""Bytes of a chunk of what is written whole."""
RANKED = 8
"""Units whose draws are ranked at once, which takes ten times the memory of the draws and their null."""


def cost(context: Context, item: Item, device: str = "cpu") -> Cost:
    """Count what an item needs.

    Shapes are exact, but for networks that this version cannot extract; memory counts the largest arrays alive
    together.

    Parameters
    ----------
    context
        The study.
    item
        One of its items.
    device
        What calculates, ``cpu`` or ``cuda``.
    """
    match item:
        case ReadSounds():
            return _read_sounds(context, item)
        case ReadSession():
            return _read_session(context, item)
        case Assess():
            return _assess(context, item)
        case Extract():
            return _extract(context, item, device)
        case Fit() | FitLowpass():
            return fit_cost(context, item, [item.layer], device)
        case FitTogether():
            settings = next(t for t in context.study.together if t.network == item.network)
            fits = settings.candidates if settings.bands == "layer" else 1
            return fit_cost(
                context, item, together_layers(context.study, context.tables[item.network], item), device, fits=fits
            )
        case BootstrapTraining() | BootstrapTest():
            draws = settings_of(context.study, item).draws if isinstance(item, BootstrapTraining) else 1
            return fit_cost(context, item, [item.layer], device, fits=draws)


def _read_sounds(context: Context, item: ReadSounds) -> Cost:
    files = context.recordings.sound_files(item.stimuli)
    size = int(sum(s.duration for s in context.stimuli[item.stimuli]) * SOUND_RATE * 8)
    # The file as it is read, the sounds that are cut out of it, and these one after another while they are written.
    return Cost(read=sum(f.stat().st_size for f in files), written=size, files=3 + ceil(size / CHUNK), host=5 * size)


def _read_session(context: Context, item: ReadSession) -> Cost:
    study, session = context.study, next(s for s in context.recordings.sessions if s.name == item.session)
    files = [f.stat().st_size for f in context.recordings.session_files(session)]
    # Files hold more than the spikes that are kept, but those are the most of what an analysis reads.
    spikes, counts = sum(files) // 2, [response_bytes(context, item.stimuli, w, [session]) for w in study.bin_widths]
    return Cost(
        read=sum(files),
        written=spikes + sum(counts),
        files=10 + 5 * len(counts),
        host=sum(files) + 2 * max(files) + 5 * max(counts),  # counts are int64, and once more as they are stored
        operations=Operations(transform=40.0 * spikes / 8),
    )


def _assess(context: Context, item: Assess) -> Cost:
    settings = context.study.reliability
    assert settings is not None
    session = next(s for s in context.recordings.sessions if s.name == item.session)
    units, draws = len(session.channels), settings.draws
    test = [s for s in context.stimuli[item.stimuli] if s.is_test]
    bins = sum(stimulus_bins(s.duration, item.bin_width) for s in test)
    # The choices of each draw as they are made; then what is kept of them, the draws and their null, and beside these
    # what ranking some units takes, or both halves of each split of the repeats, centred, and their products.
    ranking, splitting = 20 * draws * min(units, RANKED), 7 * settings.splits * bins * units
    values = max(5 * draws * len(test), 2 * draws * (len(test) + units) + max(ranking, splitting))
    # Products of the shifted draws and of the repeats in the test for tuning, and ranking.
    flops = 2.0 * bins * units * (draws + REPEATS * settings.shifts) + 20.0 * draws * units * log2(2 * draws)
    return Cost(
        read=response_bytes(context, item.stimuli, item.bin_width, [session]),
        written=8 * len(RELIABILITY) * units,
        files=2 + 2 * len(RELIABILITY),
        host=8 * values,
        operations=Operations(transform=flops),
    )


def _extract(context: Context, item: Extract, device: str) -> Cost:
    layout, lengths = context.expected_features[item.stimuli, item.network, item.weights]
    first, last = layout.batch_borders[item.batch]
    table = context.tables[item.network]
    on_gpu = device != "cpu" and not table.is_spectrogram
    work = expected_work(table, item.weights, lengths[first:last])
    # A GPU takes what its free memory holds, in as many passes as that needs: at least one sound.
    at_once = 1 if on_gpu else context.study.extraction.heard(device)
    passes = [lengths[k : min(k + at_once, last)] for k in range(first, last, at_once)]
    heard = max(expected_work(table, item.weights, of_one).hearing for of_one in passes)
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
    # Features that are heard, those of the batch before, which are written meanwhile, and of one layer the chunk and
    # what goes into it.
    written = layout.bytes // len(layout.batches)
    kept = 2 * written + 3 * max(4 * layout.slot(x) * x.width for x in layout.layers)
    loading = work.weights if loads_file(item.weights) else 0  # a file's tensors beside the network's own
    hearing = heard + resampled
    samples = sum(lengths[first:last])
    operations = Operations(transform=work.flops) if table.is_spectrogram else Operations(single=work.flops)
    return Cost(
        read=8 * samples + loading,
        written=written,
        files=1 + len(layout.layers),
        host=max(work.weights + loading, kept) if on_gpu else work.weights + max(loading, hearing + kept),
        device=work.weights + hearing if on_gpu else 0,
        operations=operations,
    )

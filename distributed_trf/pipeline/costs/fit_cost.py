"""What fits need, by the shapes that decide how they are solved."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

from distributed_trf.arrays import DEVICE_BLOCK_BYTES
from distributed_trf.features.families.registry import expected_work, loads_file
from distributed_trf.features.fourier_matrices import CACHE_BYTES, matrix_bytes
from distributed_trf.features.resample import MATRIX_BYTES
from distributed_trf.names import RELIABILITY
from distributed_trf.pipeline.costs.operations import (
    EIGH,
    REPEATS,
    Cost,
    Operations,
    response_bytes,
    test_bins,
    training_bins,
)
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
from distributed_trf.pipeline.stages.bootstrap import settings_of
from distributed_trf.pipeline.stages.joint_fit import layers as together_layers
from distributed_trf.pipeline.study_context import Context
from distributed_trf.recordings import recording_set
from distributed_trf.recordings.recording_set import stimulus_bins
from distributed_trf.store.features import FeatureLayout, StoredLayer
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.solver_choice import CHOLESKY, FORM, ROTATION, Precision, choose_solver
from distributed_trf.trf.stream import BLOCK_ROWS

MAKING = 7
"""How many arrays as large as the matrices are alive while these are made."""


def fit_cost(context: Context, item: Fit | Analysis, layers: Sequence[int], device: str, *, fits: int = 1) -> Cost:
    """Count what a fit of all units on some layers side by side needs.

    Parameters
    ----------
    context, item
        The study, and which of its items.
    layers
        Ids of the layers.
    device
        What calculates, ``cpu`` or ``cuda``.
    fits
        How often the fit is repeated on other weights, stimuli or columns.
    """
    study, ridge, sessions = context.study, context.study.ridge, context.recordings.heard(item.stimuli)
    layout, _ = context.expected_features[item.stimuli, item.network, item.weights]
    chosen = [x for x in layout.layers if x.id in layers]
    width = sum(x.width for x in chosen)
    units = sum(len(s.channels) for s in sessions)
    d = width * len(lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width))
    rows, held_out = (count(context, item.stimuli, item.bin_width) for count in (training_bins, test_bins))
    method: str = ridge.solver
    if method == "auto":
        method = choose_solver(
            rows, d, n_alphas=len(ridge.penalties), n_units=units, n_folds=ridge.n_folds, device=device
        )
    block = BLOCK_ROWS if device == "cpu" else max(BLOCK_ROWS, DEVICE_BLOCK_BYTES // (4 * 8 * (width + units)))
    if method == "dual":
        values = _dual_values(rows, width, units, ridge.n_folds, ridge.precision)
    else:
        values = _primal_values(d, units, ridge.n_folds, ridge.precision) + min(rows, block) * (4 * width + 3 * units)
    largest = max(len(s.channels) for s in sessions)
    values += 4 * (rows if method == "dual" else d) * min(units, ridge.unit_block)
    values += held_out * (width + units + REPEATS * largest)  # test features, predictions, and one session's repeats
    written = 3 * units * fits
    if study.save_models and isinstance(item, Fit):
        written += d * (units + 2) + 2 * units
        values += 2 * d * units
    responses = response_bytes(context, item.stimuli, item.bin_width, sessions)
    read, binned = _features_bytes(layout, chosen, item.bin_width, device)
    host = responses + read
    return Cost(
        read=responses + sum(4 * sum(x.frames) * x.width for x in chosen),
        written=8 * written,
        files=4 if isinstance(item, Fit) else 8,
        host=host if device != "cpu" else host + 8 * values + binned,
        device=8 * values + binned if device != "cpu" else 0,
        operations=_operations(method, rows, d, width, units, len(ridge.penalties), ridge.n_folds, device) * fits,
    )


def _features_bytes(
    layout: FeatureLayout, layers: Sequence[StoredLayer], bin_width: float, device: str
) -> tuple[int, int]:
    """Count what features take on the host as they are read, and as they are brought onto bins where that is done."""
    bins = [recording_set.rows(seconds, layout.lead_in, bin_width) for seconds in layout.durations]
    matrices, batches = {(n, m) for x in layers for n, m in zip(x.frames, bins, strict=True)}, layout.batch_borders
    read = 2 * sum(4 * layout.slot(x) * x.width for x in layers)  # one batch that is worked on, the next one
    binned = min(8 * sum(n * m for n, m in matrices), CACHE_BYTES)
    binned += 8 * max(sum(bins[a:b]) for a, b in batches) * sum(x.width for x in layers)
    if device == "cpu":
        return read, binned
    for x in layers:
        padded = max((b - a) * max(x.frames[a:b]) for a, b in batches)
        binned += (4 * layout.slot(x) + 12 * padded) * x.width  # as stored; padded, and in float64
    most = max(matrix_bytes(x.frames[a:b], bins[a:b]) for x in layers for a, b in batches)
    return read + read // 2, binned + MAKING * min(most, MATRIX_BYTES)  # a batch in pinned memory


def _primal_values(d: int, units: int, n_folds: int, precision: Precision) -> int:
    """Count the numbers of the sums of each fold, of the merges, and of what one fold is factorised and scored in.

    Only the last are of the precision; all are counted in double.
    """
    factors = 6 if precision == "float64" else 3
    return (3 * n_folds + factors) * d * d + (5 * n_folds + 2) * d * units


def _dual_values(rows: int, width: int, units: int, n_folds: int, precision: Precision) -> int:
    """Count the numbers of all trials, of their columns at one lag as they are scaled, and of kernels between rows."""
    kernels = 7 if precision == "float64" else 5
    return 3 * rows * width + kernels * rows * rows + (5 * n_folds + 2) * rows * units


def _operations(
    method: str, rows: int, d: int, width: int, units: int, n_alphas: int, n_folds: int, device: str
) -> Operations:
    """Count as the rule does that chooses between the ways to solve, two operations to a multiply-add."""
    d3, d2u = float(d) ** 3, float(d) * d * units
    sums = float(rows) * d * (width + units)
    if method == "cholesky":
        factor, solve = CHOLESKY[device]
        return Operations(double=2 * (sums + n_alphas * ((n_folds + 1) * factor * d3 + n_folds * (solve + FORM) * d2u)))
    if method == "eigh":
        search = n_folds * (ROTATION * d3 + (2 + n_alphas * FORM) * d2u)
        return Operations(double=2 * (sums + search), eigh=EIGH * (n_folds + 1) * d3)
    n, train = float(rows), rows * (n_folds - 1) / n_folds
    fold = train**3 + 1.5 * train**2 * d + (1.5 + n_alphas * FORM) * train**2 * units
    return Operations(double=2 * (n * n * d + n_folds * fold), eigh=EIGH * (n**3 + n_folds * train**3))


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

"""What one work item needs: floating-point operations, disk traffic and memory; counted from shapes for fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf import arrays, names
from distributed_trf.arrays import DEVICE_BLOCK_BYTES
from distributed_trf.features.fourier_matrices import CACHE_BYTES, matrix_bytes
from distributed_trf.features.resample import MATRIX_BYTES
from distributed_trf.pipeline.evaluation import TESTED, splits_of
from distributed_trf.pipeline.items import FeatureSpace, Source
from distributed_trf.pipeline.study_context import Context
from distributed_trf.recordings import recording_set
from distributed_trf.recordings.recording_set import Session, stimulus_bins
from distributed_trf.reliability.response_side import CACHE_BYTES as SIDE_BYTES
from distributed_trf.reliability.response_side import side_values
from distributed_trf.store.features import FeatureLayout, StoredLayer
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.shifted_predictions import ARRAYS
from distributed_trf.trf.solver_choice import EIGH as RELATIVE
from distributed_trf.trf.solver_choice import Method, Precision, SolverCost, cheapest, solver_costs
from distributed_trf.trf.stream import BLOCK_ROWS

EIGH = 9
"""Floating-point operations of a symmetric eigendecomposition with vectors, per d^3 (Golub & Van Loan)."""


@dataclass(frozen=True)
class Operations:
    """Floating-point operations, by kinds that run at different rates."""

    single: float = 0.0
    """Products and convolutions in single precision: networks."""
    double: float = 0.0
    """Products in double precision: fits."""
    eigh: float = 0.0
    """Eigendecompositions in double precision."""
    transform: float = 0.0
    """Few operations per number: Fourier transforms, look-ups, ranking."""

    @property
    def kinds(self) -> tuple[float, ...]:
        """Each kind, in order; ``dataclasses.astuple`` would copy them, which is slow for thousands of items."""
        return (self.single, self.double, self.eigh, self.transform)

    @property
    def flops(self) -> float:
        """All kinds together."""
        return sum(self.kinds)

    def __add__(self, other: Operations) -> Operations:
        return Operations(*(a + b for a, b in zip(self.kinds, other.kinds, strict=True)))

    def __mul__(self, times: float) -> Operations:
        return Operations(*(n * times for n in self.kinds))


@dataclass(frozen=True)
class Cost:
    """Needs of a work item."""

    read: int
    """Bytes read from disk."""
    written: int
    """Bytes on disk, before compression."""
    files: int
    """Files written, the receipt among them."""
    host: int
    """Bytes of a worker's memory, without its libraries."""
    device: int = 0
    """Bytes of the GPU's memory, without its context; 0 where the CPU calculates."""
    operations: Operations = Operations()

    @property
    def flops(self) -> float:
        """Floating-point operations of all kinds."""
        return self.operations.flops

    @property
    def size(self) -> int:
        """Bytes of both memories, to compare items."""
        return self.host + self.device


REPEATS = 12
"""Presentations of each test stimulus that are assumed before sessions are read."""


@dataclass(frozen=True)
class SplitShapes:
    """How large the fits are that test a study on one stimulus set."""

    rows: int
    """Bins of the largest training set, all trials counted."""
    all_rows: int
    """Bins of everything that is trained on."""
    tested: int
    """Bins of everything that is tested, once each."""
    predicted: int
    """Bins whose predictions are kept at once."""
    repeats: int
    """Presentations that a prediction is compared with."""
    n_splits: int
    """Number of fits."""
    n_sums: int
    """Matrices of all pairs of lagged features that are kept beside those of the folds of a fit, none where there is
    one fit: sums of blocks, with as many factorised training sets, or sums of all inner folds (``SplitCollector``)."""

    @classmethod
    def of(cls, context: Context, stimuli: str, bin_width: float) -> SplitShapes:
        """Count them for a stimulus set at one bin width."""
        evaluation, times = context.evaluations[stimuli], context.training_trials[stimuli]
        bins = np.array([stimulus_bins(s.duration, bin_width) for s in context.stimuli[stimuli]])
        trials = bins * np.array([times.get(s.id, 0) for s in context.stimuli[stimuli]])
        trained, tested = evaluation.shared > TESTED, evaluation.shared == TESTED
        splits = splits_of(evaluation.shared)
        n_splits, of_tests = len(splits.splits), (bins @ tested)
        n_folds = sum(len(split.folds) for split in splits.splits)
        return cls(
            rows=int((trials @ trained).max()),
            all_rows=int(trials @ trained.any(axis=1)),
            tested=int(bins @ tested.any(axis=1)),
            predicted=int(of_tests.sum() if splits.each_once else of_tests.max()),
            repeats=REPEATS if evaluation.fixed else context.shared_repeats[stimuli],
            n_splits=n_splits,
            n_sums=0 if n_splits == 1 else 2 * splits.n_blocks if splits.n_blocks <= n_folds else n_folds,
        )


def response_bytes(context: Context, stimuli: str, bin_width: float, sessions: Sequence[Session]) -> int:
    """Return the bytes of the stored responses of all units of some sessions, whatever stimuli a study tests."""
    times = context.training_trials[stimuli]
    bins = sum(
        (REPEATS if s.is_test else times[s.id]) * stimulus_bins(s.duration, bin_width)
        for s in context.recordings.stimuli(stimuli)
    )
    return bins * sum((2 if s.response == "spikes" else 8) * len(s.channels) for s in sessions)


MAKING = 7
"""Arrays of the matrices' size in memory while the matrices are made."""


def fit_cost(
    context: Context, item: Source, spaces: Sequence[FeatureSpace], device: str, *, fits: int = 1, in_grid: bool = False
) -> Cost:
    """Count what a fit of all units on some feature spaces, joined side by side, needs.

    Parameters
    ----------
    context, item
        The study and one of its items.
    spaces
        The features.
    device
        ``cpu`` or ``cuda``.
    fits
        How often the fit is repeated on other weights, stimuli or columns.
    in_grid
        Whether the results go into the grid; then the model is saved if the study saves models.
    """
    study, ridge, sessions = context.study, context.study.ridge, context.recordings.heard(item.stimuli)
    layouts = [context.expected_features[item.stimuli, space.network, space.weights][0] for space in spaces]
    chosen = [(of, x) for of, space in zip(layouts, spaces, strict=True) for x in of.layers if x.id in space.layers]
    width = sum(x.width for _, x in chosen)
    units = sum(len(s.channels) for s in sessions)
    d = width * len(lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width))
    shapes = SplitShapes.of(context, item.stimuli, item.bin_width)
    rows, n_splits = shapes.rows, shapes.n_splits
    found = solver_costs(
        rows,
        d,
        n_alphas=len(ridge.penalties),
        n_units=units,
        n_folds=ridge.n_folds,
        n_lags=d // width,
        standardize=ridge.standardize,
        device=device,
    )
    method = cheapest(found) if ridge.solver == "auto" else ridge.solver
    block = BLOCK_ROWS if device == "cpu" else max(BLOCK_ROWS, DEVICE_BLOCK_BYTES // (4 * 8 * (width + units)))
    if method == "dual":
        values = _dual_values(rows, width, units, ridge.n_folds, ridge.precision)
        values += (shapes.all_rows - rows) * (width + units)
    else:
        values = _primal_values(d, units, ridge.n_folds, ridge.precision) + min(rows, block) * (4 * width + 3 * units)
        values += shapes.n_sums * (d * d + d * units)
    largest = max(len(s.channels) for s in sessions)
    values += 4 * (rows if method == "dual" else d) * min(units, ridge.unit_block)
    # Features of what is tested, predictions, and one session's repeats.
    values += shapes.tested * width + shapes.predicted * (units + shapes.repeats * largest)
    compared, copied = _chance_cost(context, item, shapes, units, device) if in_grid else (Operations(), 0)
    values += copied
    if in_grid:  # what scores need of the responses, of the last session beside what is kept
        kept = side_values(shapes.repeats, shapes.tested, units), SIDE_BYTES // 8
        values += min(kept) + side_values(shapes.repeats, shapes.tested, largest)
    n_variables = len(names.RESULTS) - (study.chance is None) if in_grid else 3
    written = (n_variables if n_splits == 1 else n_variables + 2 * n_splits) * units * fits
    if study.save_models and in_grid:
        written += d * (units + 2) + 2 * units
        values += 2 * d * units
    responses = response_bytes(context, item.stimuli, item.bin_width, sessions)
    read, binned = _features_bytes(chosen, item.bin_width, device)
    host = responses + read
    return Cost(
        read=responses + sum(4 * sum(x.frames) * x.width for _, x in chosen),
        written=8 * written,
        files=n_variables + 1 if in_grid else 8,
        host=host if device != "cpu" else host + 8 * values + binned,
        device=8 * values + binned if device != "cpu" else 0,
        operations=_operations(found[method], method, device, n_splits) * fits + compared,
    )


PADDED = 3
"""At most so many times the bins of what is tested are transformed where copies of predictions are made."""


def _chance_cost(
    context: Context, item: Source, shapes: SplitShapes, units: int, device: str
) -> tuple[Operations, int]:
    """Count the operations, and the numbers in memory, of comparing predictions with copies (``shifted_p``)."""
    chance, n_tested = context.study.chance, len(context.evaluations[item.stimuli].tested)
    if chance is None:
        return Operations(), 0
    padded = PADDED * shapes.tested
    transforms = 3 * 2.5 * padded * np.log2(max(padded / n_tested, 2))
    operations = units * (transforms + 2 * chance.shifts * n_tested + 6 * shapes.repeats * shapes.tested)
    block = arrays.CACHE_BYTES if device == "cpu" else DEVICE_BLOCK_BYTES
    at_once = min(max(block // (8 * ARRAYS * padded), 1), units)
    # Predictions and responses padded, centred and transformed, and their products; repeats, centred and scaled.
    values = at_once * (10 * padded + 3 * shapes.repeats * shapes.tested)
    values += 2 * min(block // 8, chance.shifts * at_once)
    return Operations(transform=operations), values


def _features_bytes(
    chosen: Sequence[tuple[FeatureLayout, StoredLayer]], bin_width: float, device: str
) -> tuple[int, int]:
    """Count the bytes of features: as read on the host, and while they are resampled to bins on the device."""
    layout, layers = chosen[0][0], [x for _, x in chosen]  # of all networks sounds and batches are the same
    bins = [recording_set.rows(seconds, layout.lead_in, bin_width) for seconds in layout.durations]
    matrices, batches = {(n, m) for x in layers for n, m in zip(x.frames, bins, strict=True)}, layout.batch_borders
    read = 2 * sum(4 * of.slot(x) * x.width for of, x in chosen)  # the current batch and the next one
    binned = min(8 * sum(n * m for n, m in matrices), CACHE_BYTES)
    binned += 8 * max(sum(bins[a:b]) for a, b in batches) * sum(x.width for x in layers)
    if device == "cpu":
        return read, binned
    for of, x in chosen:
        padded = max((b - a) * max(x.frames[a:b]) for a, b in batches)
        binned += (4 * of.slot(x) + 12 * padded) * x.width  # as stored; padded, and in float64
    most = max(matrix_bytes(x.frames[a:b], bins[a:b]) for x in layers for a, b in batches)
    return read + read // 2, binned + MAKING * min(most, MATRIX_BYTES)  # a batch in pinned memory


def _primal_values(d: int, units: int, n_folds: int, precision: Precision) -> int:
    """Count the numbers in the sums of each fold, in their merges, and in factorising and scoring one fold.

    Only the last part is in ``precision``; all parts are counted in double precision.
    """
    factors = 6 if precision == "float64" else 3
    return (3 * n_folds + factors) * d * d + (5 * n_folds + 2) * d * units


def _dual_values(rows: int, width: int, units: int, n_folds: int, precision: Precision) -> int:
    """Count the numbers in all trials, in their scaled columns at one lag, and in the kernels between rows."""
    kernels = 7 if precision == "float64" else 5
    return 3 * rows * width + kernels * rows * rows + (5 * n_folds + 2) * rows * units


def _operations(cost: SolverCost, method: Method, device: str, n_splits: int) -> Operations:
    """Turn what ``choose_solver`` counts into operations; a multiply-add is two."""
    sums, search, factorisations = cost
    double = sums + n_splits * search
    if method == "cholesky":
        return Operations(double=2 * (double + n_splits * factorisations))
    return Operations(double=2 * double, eigh=n_splits * EIGH * factorisations / RELATIVE[device])

"""Collects trials, fold by fold, in the form in which they are best solved: moments or kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import reduce
from operator import add

from distributed_trf.arrays import Array, wait_for
from distributed_trf.errors import DataError
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import Folds, check_fold_trials
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.lags import FeatureMeans, outside_of, with_outside
from distributed_trf.trf.solver_choice import (
    Precision,
    ScalingRule,
    SolverName,
    check_choice,
    choose_solver,
    device_kind,
    usable_memory,
)
from distributed_trf.trf.split_folds import Blocks, KernelBlocks, MomentBlocks
from distributed_trf.trf.splits import Split
from distributed_trf.trf.stream import MomentStream


def collect_trials(
    folds: Sequence[FoldTrials],
    lags: Sequence[int],
    lead_in: int,
    n_alphas: int,
    *,
    groups: Sequence[int] | None = None,
    standardize: bool = True,
    scaling: ScalingRule = "shared",
    solver: SolverName = "auto",
    precision: Precision = "float64",
    pad_with_mean: bool = False,
) -> Folds:
    """Bring trials that are in memory to moments or kernels, ready for ``fit_folds``.

    Parameters
    ----------
    folds
        Trials of each fold; at least two.
    lags, lead_in
        Consecutive lags in samples; rows of X before a trial's first response.
    n_alphas
        Number of penalties that will be tried.
    groups
        Number of units in each group of units to which the same trials were presented; by default one group of all.
    standardize, scaling, precision
        As in ``fit_moments``.
    solver
        ``eigh``, ``cholesky`` or ``dual``, or ``auto`` for the rule of ``choose_solver``.
    pad_with_mean
        Pad trials with the mean of the training rows instead of zeros; in cross-validation, of each fold's.

    Raises
    ------
    DataError
        If there are fewer than two folds, or no trial of a fold was presented to a group of units.
    ConfigError
        If solver, precision or scaling cannot be used, or nothing fits into memory.
    """
    check_fold_trials([[len(fold.X)] for fold in folds])
    y = folds[0].Y[0]
    collector = FoldCollector(
        lags,
        lead_in,
        len(folds),
        [y.shape[1]] if groups is None else groups,
        standardize=standardize,
        scaling=scaling,
        solver=solver,
        precision=precision,
        centre=FeatureMeans.of([x for fold in folds for x in fold.X]).mean if pad_with_mean else None,
    )
    rows, n_features = sum(fold.n_rows for fold in folds), folds[0].X[0].shape[1]
    collector.choose(rows, n_features, n_alphas, device=device_kind(y), free=usable_memory(y))
    for k, fold in enumerate(folds):
        for i, (x, response) in enumerate(zip(fold.X, fold.Y, strict=True)):
            collector.add(k, x, response, presented=None if fold.presented is None else fold.presented[i])
    return collector.folds()


@dataclass
class FoldCollector:
    """Trials as they arrive, each summed up at once, or kept where the kernel form is the better one.

    Parameters
    ----------
    lags, lead_in
        Consecutive lags in samples; rows of X before a trial's first response.
    n_folds
        Number of folds.
    groups
        Number of units in each group of units to which the same trials were presented.
    standardize, scaling, solver, precision
        As in ``collect_trials``; ``auto`` is settled by ``choose``, and otherwise means moments.
    centre
        To pad with the mean of the training rows: something near it, shape (F,); None pads with zeros.
    """

    lags: Sequence[int]
    lead_in: int
    n_folds: int
    groups: Sequence[int]
    _: KW_ONLY
    standardize: bool = True
    scaling: ScalingRule = "shared"
    solver: SolverName = "auto"
    precision: Precision = "float64"
    centre: Array | None = None
    _trials: list[FoldTrials] = field(init=False)
    _streams: list[MomentStream] = field(init=False)
    _means: list[list[FeatureMeans]] = field(init=False)

    def __post_init__(self) -> None:
        check_choice(self.solver, self.precision, self.scaling)
        self._trials = [FoldTrials([], [], []) for _ in range(self.n_folds)]
        outside = None if self.centre is None else outside_of(self.centre)
        self._streams = [
            MomentStream(self.lags, self.lead_in, groups=self.groups, dtype=self.precision, outside=outside)
            for _ in range(self.n_folds)
        ]
        self._means = [[] for _ in range(self.n_folds)]

    def choose(
        self, rows: int, n_features: int, n_alphas: int, *, device: str, free: float, n_folds: int | None = None
    ) -> None:
        """Settle between moments and kernels by the rule of ``choose_solver``, before the first trial.

        ``n_folds`` are those of a fit, where it takes not all that is collected, with so many ``rows``.
        """
        if self.solver != "auto":
            return
        method = choose_solver(
            rows,
            n_features * len(self.lags),
            n_alphas=n_alphas,
            n_units=sum(self.groups),
            n_folds=n_folds or self.n_folds,
            n_lags=len(self.lags),
            standardize=self.standardize,
            device=device,
            free=free,
        )
        if method == "dual":
            self.solver = method

    @timed("moments")
    def add(self, fold: int, x: Array, y: Array, presented: Sequence[bool] | None = None) -> None:
        """Add a trial to a fold; arguments as in ``MomentStream.add``."""
        presented = [True] * len(self.groups) if presented is None else presented
        if self.solver == "dual":
            self._trials[fold] = self._trials[fold] + FoldTrials([x], [y], [presented])
            return
        if self.centre is not None:
            x = with_outside(x, self.centre)
            self._means[fold].append(FeatureMeans.of([x[:, :-1]]))
        self._streams[fold].add(x, y, presented=presented)

    def folds(self) -> Folds:
        """Return what has been collected.

        Raises
        ------
        DataError
            If a fold is empty, or no trial of it was presented to a group of units.
        """
        return self.blocks().folds(Split((), tuple((k,) for k in range(self.n_folds))))

    @timed("moments")
    def blocks(self) -> Blocks:
        """Return what has been collected, of which each split takes its own folds.

        Raises
        ------
        DataError
            If that is nothing.
        """
        if self.solver == "dual":
            return KernelBlocks(
                self._trials,
                self.lags,
                self.lead_in,
                self.groups,
                self.standardize,
                self.scaling,
                self.precision,
                self.centre is not None,
            )
        sums = [stream.moments() if stream.n_trials else None for stream in self._streams]
        last = next((s for s in reversed(sums) if s is not None), None)
        if last is None:
            raise DataError("no trial was added, so that there is nothing to fit")
        wait_for(last.gram.xx)
        means = [reduce(add, fold) if fold else None for fold in self._means]
        return MomentBlocks(sums, self.standardize, self.scaling, self.solver, self.precision, self.centre, means)

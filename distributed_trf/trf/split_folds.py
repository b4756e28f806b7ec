"""Inner folds of many splits from the sums, or the trials, of the blocks that all splits are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

from distributed_trf.arrays import Array
from distributed_trf.trf.crossval import Folds, check_fold_trials
from distributed_trf.trf.kernel_folds import FoldTrials, KernelFolds, numbered
from distributed_trf.trf.lags import FeatureMeans
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.moments import Moments, merge
from distributed_trf.trf.scaled_rows import ScaledRows
from distributed_trf.trf.shared_training import TrainingOf
from distributed_trf.trf.solver_choice import Precision, ScalingRule, SolverName
from distributed_trf.trf.splits import Split
from distributed_trf.trf.training_kernels import TrainingKernels


class Blocks(Protocol):
    """Trials by block, whatever form their sums have."""

    def folds(self, split: Split, trained: TrainingOf | None = None) -> Folds:
        """Return a split's training trials in its inner folds; ``trained`` is where it shares training sets.

        Raises
        ------
        DataError
            If there are fewer than two inner folds, or no trial of one was presented to a group of units.
        """


@dataclass
class MomentBlocks:
    """Blocks as moments; an inner fold is their merge."""

    sums: Sequence[Moments | None]
    """Of each block; None of one without trials."""
    standardize: bool
    scaling: ScalingRule
    solver: SolverName
    precision: Precision
    centre: Array | None
    means: Sequence[FeatureMeans | None]
    """Of each block, with a centre; as in ``MomentFolds``."""

    def folds(self, split: Split, trained: TrainingOf | None = None) -> MomentFolds:
        """Return a split's training trials in its inner folds."""
        # Moments of disjoint blocks add up; a block may be without trials where its stimuli were not presented.
        folds = [[part for b in fold if (part := self.sums[b]) is not None] for fold in split.folds]
        n_groups = max(len(part.cross) for part in self.sums if part is not None)
        check_fold_trials([[sum(part.cross[g].n for part in fold) for g in range(n_groups)] for fold in folds])
        sums, means = [merge(fold) for fold in folds], []
        if self.centre is not None:
            means = [reduce(add, [m for b in fold if (m := self.means[b]) is not None]) for fold in split.folds]
        return MomentFolds(
            sums, self.standardize, self.scaling, self.solver, self.precision, self.centre, means, trained=trained
        )


@dataclass
class KernelBlocks:
    """Blocks as trials; an inner fold takes theirs."""

    trials: Sequence[FoldTrials]
    """Of each block."""
    lags: Sequence[int]
    lead_in: int
    groups: Sequence[int]
    standardize: bool
    scaling: ScalingRule
    precision: Precision
    pad_with_mean: bool

    def __post_init__(self) -> None:
        self.trials = numbered(self.trials)
        rows = ScaledRows(self.lags, self.lead_in, self.standardize, self.precision, self.pad_with_mean)
        self.kernels = TrainingKernels([x for block in self.trials for x in block.X], rows)

    def folds(self, split: Split, trained: TrainingOf | None = None) -> KernelFolds:
        """Return a split's training trials in its inner folds."""
        return KernelFolds(
            [reduce(add, [self.trials[b] for b in fold], FoldTrials([], [], [])) for fold in split.folds],
            self.lags,
            self.lead_in,
            self.groups,
            self.standardize,
            self.scaling,
            self.precision,
            self.pad_with_mean,
            trained=trained,
            shared=self.kernels,
        )

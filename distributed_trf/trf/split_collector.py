"""Collects trials once for the fits of many splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distributed_trf.arrays import Array
from distributed_trf.trf.crossval import Folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.shared_training import SharedTraining
from distributed_trf.trf.split_folds import Blocks
from distributed_trf.trf.splits import Split, Splits


class SplitCollector:
    """Trials as they arrive, for all splits together; no sum over time is taken twice.

    Parameters
    ----------
    splits
        How stimuli are divided, again and again.
    collector
        With the parameters of all fits; its number of folds does not matter.

    Notes
    -----
    There are sums for each block, of which inner folds are merged, or for each inner fold of each split, whichever are
    fewer: they are what takes memory, a matrix of all pairs of lagged features each. The numbers are the same. With
    sums of blocks, training sets that inner folds of several splits have in common are factorised once; of those that
    a later split takes again as many are kept as there are blocks, so that memory at most doubles.

    Examples
    --------
    >>> import numpy as np
    >>> from distributed_trf.trf.crossval import fit_folds
    >>> from distributed_trf.trf.splits import nested_folds
    >>> splits = nested_folds(range(6), 3, 2, seed=0)
    >>> collector = SplitCollector(splits, FoldCollector([0], 0, 0, [1]))
    >>> for i in range(6):
    ...     collector.add(i, np.arange(5.0)[:, None] ** 2 + i, np.arange(5.0)[:, None] ** 2 + i)
    >>> fits = [fit_folds(collector.folds(k), [1e-9, 1.0]) for k in range(3)]
    >>> [round(float(fit.weights[0, 0]), 6) for fit in fits]
    [1.0, 1.0, 1.0]
    """

    def __init__(self, splits: Splits, collector: FoldCollector) -> None:
        self._splits = splits
        # A Gram matrix of d^2 numbers for each block, or for each of the K inner folds of S splits: n_blocks or S K of
        # them. Nested folds are few blocks; random splits make nearly every stimulus a block of its own, and then
        # summing S times is also less work than merging so many matrices S times.
        inner = sum(len(split.folds) for split in splits.splits)
        self._by_block = splits.n_blocks <= inner
        counts = [splits.n_blocks] if self._by_block else [len(split.folds) for split in splits.splits]
        self._collectors = [replace(collector, n_folds=n) for n in counts]
        self._fold_of = [{block: f for f, fold in enumerate(split.folds) for block in fold} for split in splits.splits]
        self._blocks: list[Blocks] | None = None
        self._shared = SharedTraining(splits)

    def choose(self, rows: Sequence[float], n_features: int, n_alphas: int, *, device: str, free: float) -> None:
        """Settle between moments and kernels by the rule of ``choose_solver``, before the first trial.

        Parameters
        ----------
        rows
            Of each stimulus, those of all its trials.
        n_features, n_alphas, device, free
            As in ``FoldCollector.choose``.
        """
        # The same for all splits: that of the largest training set.
        training = max(
            (sum(rows[i] for i in self._splits.members(split.training)), len(split.folds))
            for split in self._splits.splits
        )
        for collector in self._collectors:
            collector.choose(int(training[0]), n_features, n_alphas, device=device, free=free, n_folds=training[1])

    def add(self, stimulus: int, x: Array, y: Array, presented: Sequence[bool] | None = None) -> None:
        """Add a trial of a stimulus, given by index; other arguments as in ``MomentStream.add``."""
        block = self._splits.block_of[stimulus]
        if block < 0:
            return
        if self._by_block:
            self._collectors[0].add(block, x, y, presented)
            return
        for collector, fold_of in zip(self._collectors, self._fold_of, strict=True):
            if block in fold_of:
                collector.add(fold_of[block], x, y, presented)

    def folds(self, k: int) -> Folds:
        """Return the training trials of split k in its inner folds.

        Raises
        ------
        DataError
            If no trial of an inner fold was presented to a group of units.
        """
        if self._blocks is None:
            self._blocks = [collector.blocks() for collector in self._collectors]
        split = self._splits.splits[k]
        if self._by_block:
            return self._blocks[0].folds(split, self._shared.of(k))
        return self._blocks[k].folds(Split((), tuple((f,) for f in range(len(split.folds)))))

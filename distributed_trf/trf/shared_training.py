"""Training sets that several splits have in common, factorised once.

Where inner folds are outer folds, "all but i and j" trains outer fold i with j held out, and outer fold j with i.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from distributed_trf.trf.splits import Splits

T = TypeVar("T")


class SharedTraining:
    """What was made of training sets, kept while a later split takes it again; as many sets as there are blocks."""

    def __init__(self, splits: Splits) -> None:
        self._most = splits.n_blocks
        self._kept: dict[Hashable, tuple[int, Any]] = {}
        training = [frozenset(split.training) for split in splits.splits]
        self._sets = [[t - set(fold) for fold in s.folds] for s, t in zip(splits.splits, training, strict=True)]

    def of(self, split: int) -> TrainingOf:
        """Return the training sets of the inner folds of a split."""
        return TrainingOf(self, split)

    def get(self, split: int, fold: int, how: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` makes of the training set of an inner fold, or made of the same set before."""
        blocks = self._sets[split][fold]
        key = how, blocks
        # A set is known by its blocks: in whatever order they are merged, sums differ by rounding alone.
        _, value = self._kept.pop(key, (0, None))
        value = make() if value is None else value
        later = next((k for k, sets in enumerate(self._sets) if k > split and blocks in sets), None)
        if later is not None:
            self._kept[key] = later, value
            if len(self._kept) > self._most:  # what is taken last makes room
                del self._kept[max(self._kept, key=lambda k: self._kept[k][0])]
        return value


class TrainingOf:
    """The training sets of one split."""

    def __init__(self, shared: SharedTraining, split: int) -> None:
        self._shared, self._split = shared, split

    def get(self, fold: int, how: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` makes of the training set of an inner fold, or made of the same set before."""
        return self._shared.get(self._split, fold, how, make)

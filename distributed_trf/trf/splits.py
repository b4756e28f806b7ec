"""Splits of stimuli into training and test, each with inner folds that choose the penalty.

All splits are made of the same blocks of stimuli, so that the sums of the blocks serve them all: the training set of a
split, or of an inner fold, is a merge of blocks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.errors import ConfigError
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.parameters import whole


@dataclass(frozen=True)
class Split:
    """One division of blocks into training and test."""

    test: tuple[int, ...]
    """Blocks that are predicted."""
    folds: tuple[tuple[int, ...], ...]
    """Training blocks, by the inner fold that holds them out together."""

    @property
    def training(self) -> tuple[int, ...]:
        """All training blocks, ascending."""
        return tuple(sorted(block for fold in self.folds for block in fold))


@dataclass(frozen=True)
class Splits:
    """Several divisions of the same stimuli."""

    block_of: tuple[int, ...]
    """Block of each stimulus; -1 for one that no split uses."""
    splits: tuple[Split, ...]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return max(self.block_of) + 1

    @property
    def each_once(self) -> bool:
        """Whether each block is tested in one split, so that out-of-fold predictions can be put one after another."""
        tested = sorted(block for split in self.splits for block in split.test)
        return tested == list(range(self.n_blocks))

    def members(self, blocks: Sequence[int]) -> list[int]:
        """Return the indices of the stimuli of some blocks, ascending."""
        return [i for i, block in enumerate(self.block_of) if block in set(blocks)]


def nested_folds(groups: Sequence[Hashable], n_outer: int | None, n_inner: int, seed: int) -> Splits:
    """Test each outer fold once, on a fit of all the others; inner folds are made of whole outer folds.

    Parameters
    ----------
    groups
        Group of each stimulus; the stimuli of a group are never divided. Stimuli that are groups of their own have
        labels of their own.
    n_outer
        Number of outer folds that groups are dealt into; None takes each group as an outer fold.
    n_inner
        Number of inner folds, at most one less than there are outer folds.
    seed
        Of the shuffles (see ``assign_folds``).

    Raises
    ------
    ConfigError
        If there would be fewer than three outer folds, or fewer groups than outer folds.

    Examples
    --------
    >>> splits = nested_folds(range(6), 3, 2, seed=0)
    >>> splits.splits[0].test, splits.splits[0].folds, splits.each_once
    ((0,), ((1,), (2,)), True)
    """
    labels = list(dict.fromkeys(groups))
    if n_outer is None:
        block = {label: k for k, label in enumerate(labels)}
        n_outer = len(labels)
    else:
        n_outer = whole("folds", n_outer, 3)
        block = {labels[i]: k for k, fold in enumerate(assign_folds(len(labels), n_outer, seed)) for i in fold}
    if n_outer < 3:
        raise ConfigError(
            f"{n_outer} groups of stimuli cannot be tested in turn: expected 3 at least, since of those that train the "
            "penalty is chosen by holding one out"
        )
    splits = []
    for k in range(n_outer):
        others = [j for j in range(n_outer) if j != k]
        dealt = assign_folds(len(others), min(whole("n_folds", n_inner, 2), len(others)), seed)
        splits.append(Split((k,), tuple(sorted(tuple(others[i] for i in fold) for fold in dealt))))
    return Splits(tuple(block[label] for label in groups), tuple(splits))


def given_splits(
    n: int, train: Sequence[Sequence[int]], test: Sequence[Sequence[int]], n_inner: int, seed: int
) -> Splits:
    """Take training and test stimuli as given; inner folds are dealt anew in each split.

    Parameters
    ----------
    n
        Number of stimuli.
    train, test
        Of each split, indices of its stimuli.
    n_inner, seed
        Number of inner folds, and the seed of the shuffle that deals training stimuli into them.

    Raises
    ------
    ConfigError
        If a split has fewer training stimuli than inner folds.

    Examples
    --------
    >>> given_splits(4, [[0, 1], [1, 2]], [[2, 3], [0, 3]], 2, seed=0).n_blocks
    4
    """
    roles = np.full((n, len(train)), -1)  # -1: not used, 0: test, 1 and up: inner fold
    for k, (training, tested) in enumerate(zip(train, test, strict=True)):
        roles[list(tested), k] = 0
        for f, fold in enumerate(assign_folds(len(training), n_inner, seed)):
            roles[np.asarray(training)[fold], k] = f + 1
    used = np.any(roles >= 0, axis=1)
    # Stimuli that have the same part in every split are one block, numbered by their first stimulus.
    kinds: dict[tuple[int, ...], int] = {}
    block_of = tuple(
        kinds.setdefault(tuple(row), len(kinds)) if use else -1 for row, use in zip(roles, used, strict=True)
    )
    parts = np.array(list(kinds)).reshape(len(kinds), -1)
    splits = []
    for k, training in enumerate(train):
        folds = (tuple(np.flatnonzero(parts[:, k] == f + 1).tolist()) for f in range(min(n_inner, len(training))))
        splits.append(Split(tuple(np.flatnonzero(parts[:, k] == 0).tolist()), tuple(folds)))
    return Splits(block_of, tuple(splits))

"""The splits of a stimulus set that a study tests its fits on, and how they are dealt for a session."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.pipeline.split_tables import TEST, TRAIN, read_groups, read_splits, single_members
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import RecordingSet, Stimulus
from distributed_trf.store.fingerprint import digest
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.splits import Split, Splits, given_splits, nested_folds

TABLE = "evaluation table"
"""Input of fits: the content of the table that their evaluation names."""
NO_PART, TESTED = -1, 0
"""Roles of a stimulus in a split; from 1 on it is the number of the inner fold."""


@dataclass(frozen=True)
class Evaluation:
    """How a study tests its fits on one stimulus set.

    The *roles* of stimuli are integers of shape (stimuli, splits): the stimulus is not used (-1), tested (0), or in
    inner fold 1, 2, ... Stimuli with equal rows are a block of ``Splits``.
    """

    stimuli: tuple[str, ...]
    """Of the set, in its order."""
    test_ids: tuple[str, ...]
    """The set's own test stimuli; with other schemes none."""
    n_folds: int
    seed: int
    outer: int | None = None
    """Number of outer folds."""
    groups: Mapping[str, str] | None = None
    """Group of each stimulus; groups are dealt or left out whole."""
    given: Mapping[str, Mapping[str, str]] | None = None
    """Part of each stimulus, by split."""
    with_final: bool = False
    """Whether there is one more fit, on all stimuli that any split trains on."""

    @classmethod
    def of(
        cls,
        study: StudySettings,
        stimulus_set: str,
        stimuli: Sequence[str],
        test_ids: Sequence[str],
        *,
        with_final: bool = False,
    ) -> Evaluation:
        """Read the tables that a study names, and check that its scheme fits a stimulus set.

        Parameters
        ----------
        study, stimulus_set
            The study and one of its sets.
        stimuli, test_ids
            Ids of the set's stimuli and of its own test stimuli.
        with_final
            Whether splits, folds or groups are followed by one more fit, on all stimuli that any split trains on.

        Raises
        ------
        ConfigError, RecordingError
            If the scheme, or a table of it, does not fit the stimuli.
        """
        test, ridge, several = study.test, study.ridge, len(study.stimuli) > 1
        if test.fixed:
            if not test_ids:
                raise ConfigError(
                    f"test: {stimulus_set} has no test stimuli in these recordings; write `test: {{folds: 5}}` to test "
                    "all stimuli in turn, or give splits (`splits`, `leave_out`)"
                )
            return cls(tuple(stimuli), tuple(test_ids), ridge.n_folds, ridge.seed)
        groups = given = None
        if test.splits is not None:
            given = read_splits(test.splits, stimulus_set, stimuli, several=several)
        elif test.table is not None and test.leave_out is not None:
            groups = read_groups(test.table, test.leave_out, stimulus_set, stimuli, several=several)
        found = cls(tuple(stimuli), (), ridge.n_folds, ridge.seed, test.folds, groups, given, with_final)
        found._check(stimulus_set)
        return found

    def _check(self, stimulus_set: str) -> None:
        """Check that there are enough stimuli or groups of them for the splits and for the folds within each."""
        if self.given is not None:
            if reason := self.shortage(self.stimuli):
                raise ConfigError(f"test: splits: {reason}; train more stimuli there, or choose fewer ridge.n_folds")
            return
        what = "stimuli" if self.groups is None else "groups of stimuli"
        n_outer, n_things = self.outer or len(self._things), len(self._things)
        alone = single_members(list(self.groups.values())) if self.groups is not None and self.outer is None else []
        if alone:
            raise ConfigError(
                f"test: leave_out: {some_of(alone)} of {stimulus_set} has one stimulus only, so that its r would be "
                "that of a single sound; join it with another group in the table, or test several groups together: "
                "{leave_out: ..., table: ..., folds: 5}"
            )
        needed = max(n_outer, 3)
        if n_things < needed:
            fewer = f", or `folds` of {n_things} at most" if 3 <= n_things < n_outer else ""
            raise ConfigError(
                f"test: {stimulus_set} has {n_things} {what}, too few for {needed} folds: one is tested, and of the "
                f"others one at a time is held out to choose the penalty; expected {needed} {what} at least{fewer}"
            )
        if n_outer - 1 < self.n_folds:
            raise ConfigError(
                f"test: of {n_outer} outer folds of {stimulus_set}, {n_outer - 1} train a fit, which ridge.n_folds = "
                f"{self.n_folds} cannot divide; choose n_folds of {n_outer - 1} at most, or more outer folds"
            )

    @cached_property
    def _things(self) -> list[str]:
        """What is dealt into outer folds: stimuli, or their groups."""
        return list(dict.fromkeys(self.stimuli if self.groups is None else self.groups.values()))

    @property
    def fixed(self) -> bool:
        """Whether the set's own test stimuli are tested."""
        return self.outer is None and self.groups is None and self.given is None

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each split: number of the outer fold, group, or name; none for a fixed test set."""
        if self.fixed:
            return ()
        if self.given is not None:
            return tuple(self.given)
        return tuple(self._things) if self.outer is None else tuple(map(str, range(self.outer)))

    @cached_property
    def tested(self) -> tuple[str, ...]:
        """Stimuli that are tested in any split."""
        if self.given is None:
            return self.test_ids if self.fixed else self.stimuli
        return tuple(i for i in self.stimuli if any(parts[i] == TEST for parts in self.given.values()))

    @cached_property
    def shared(self) -> np.ndarray:
        """Roles as dealt once for the whole set."""
        return self.roles(self.stimuli)

    @cached_property
    def table_inputs(self) -> dict[str, str]:
        """What fits depend on in the content of a table, for their fingerprints; nothing without a table."""
        if self.groups is not None:
            return {TABLE: digest([self.groups[i] for i in self.stimuli])}
        given = [[split, [parts[i] for i in self.stimuli]] for split, parts in (self.given or {}).items()]
        return {TABLE: digest(given)} if given else {}

    def check_unchanged(self, fingerprint: Mapping[str, str]) -> None:
        """Check that the table is what it was when the run began.

        Parameters
        ----------
        fingerprint
            That of a fit.

        Raises
        ------
        ConfigError
            If it is not.
        """
        for name, value in self.table_inputs.items():
            if fingerprint.get(name) != digest(value):
                raise ConfigError(
                    "test: the table of stimuli has changed since the run began; run the study again, which does what "
                    "depends on it anew"
                )

    def roles(self, among: Collection[str]) -> np.ndarray:
        """Deal some of the stimuli; the others are not used.

        Raises
        ------
        ConfigError
            If they are too few for the folds.
        """
        ids = [i for i in self.stimuli if i in set(among)]
        dealt = np.full((len(ids), len(self.labels) or 1), NO_PART)
        if self.fixed:
            training = [k for k, i in enumerate(ids) if i not in self.test_ids]
            dealt[[k for k, i in enumerate(ids) if i in self.test_ids]] = TESTED
            self._deal_inner(dealt[:, 0], training)
        elif self.given is not None:
            train, test = (
                [[k for k, i in enumerate(ids) if parts[i] == part] for parts in self.given.values()]
                for part in (TRAIN, TEST)
            )
            dealt = _roles_of(given_splits(len(ids), train, test, self.n_folds, self.seed))
        else:
            of = ids if self.groups is None else [self.groups[i] for i in ids]
            dealt = _roles_of(nested_folds(of, self.outer, self.n_folds, self.seed))
        if self.with_final:
            final = np.full((len(ids), 1), NO_PART)
            if self.given is None:
                outer = np.argmax(dealt == TESTED, axis=1)
                for f, fold in enumerate(assign_folds(dealt.shape[1], self.n_folds, self.seed)):
                    final[np.isin(outer, fold)] = f + 1
            else:
                self._deal_inner(final[:, 0], np.flatnonzero((dealt > TESTED).any(axis=1)).tolist())
            dealt = np.concatenate([dealt, final], axis=1)
        roles = np.full((len(self.stimuli), dealt.shape[1]), NO_PART)
        roles[np.isin(self.stimuli, ids)] = dealt
        return roles

    def _deal_inner(self, roles: np.ndarray, training: Sequence[int]) -> None:
        for f, fold in enumerate(assign_folds(len(training), self.n_folds, self.seed)):
            roles[np.asarray(training)[fold]] = f + 1

    def shortage(self, presented: Collection[str]) -> str:
        """Say why stimuli that were presented to a session cannot fill the splits; empty if they can."""
        ids = set(presented)
        if self.fixed:
            n = len([i for i in ids if i not in self.test_ids])
            return f"{n} training stimuli cannot fill {self.n_folds} folds" if n < self.n_folds else ""
        for split, parts in (self.given or {}).items():
            n_train, n_test = (sum(parts[i] == part for i in ids) for part in (TRAIN, TEST))
            if n_test == 0:
                return f"no test stimulus of split {split} was presented"
            if n_train < self.n_folds:
                return f"{n_train} training stimuli of split {split} cannot fill {self.n_folds} folds"
        if self.given is not None:
            return ""
        there = ids if self.groups is None else {self.groups[i] for i in ids}
        absent = [thing for thing in self._things if thing not in there]
        if self.outer is None and absent:
            return f"no stimulus of {some_of(absent)} was presented, which is a group to be tested"
        what = "stimuli" if self.groups is None else "groups of stimuli"
        few = self.outer is not None and len(there) < self.outer
        return f"{len(there)} {what} cannot fill {self.outer} folds" if few else ""

    def for_session(self, presented: Collection[str], *, own: bool) -> np.ndarray:
        """Return the roles of all stimuli for a session that can fill the splits (see ``shortage``).

        Parameters
        ----------
        presented
            Stimuli that were presented to it.
        own
            Deal them anew for the session, as is done anyway where a shared fold would be empty. Those that were not
            presented stay as they are shared.
        """
        was = np.isin(self.stimuli, list(presented))
        if not own and not _lacks(self.shared, self.shared[was]):
            return self.shared
        return np.where(was[:, np.newaxis], self.roles(presented), self.shared)


def stimuli_of(study: StudySettings, recordings: RecordingSet, stimulus_set: str) -> tuple[Stimulus, ...]:
    """Return the stimuli of a set as a study uses them: with folds, splits or groups none is for testing only."""
    stimuli = recordings.stimuli(stimulus_set)
    return stimuli if study.test.fixed else tuple(replace(s, is_test=False) for s in stimuli)


def _lacks(whole: np.ndarray, part: np.ndarray) -> bool:
    """Tell whether some of the stimuli have no stimulus for a test or an inner fold that all stimuli have."""
    return any(set(whole[:, k]) - {NO_PART} - set(part[:, k]) for k in range(whole.shape[1]))


def _roles_of(splits: Splits) -> np.ndarray:
    """Return the role of each stimulus in each split."""
    n_blocks = splits.n_blocks
    roles = np.full((n_blocks + 1, len(splits.splits)), NO_PART)  # the last row is that of block -1
    for k, split in enumerate(splits.splits):
        roles[list(split.test), k] = TESTED
        for f, fold in enumerate(split.folds):
            roles[list(fold), k] = f + 1
    return roles[list(splits.block_of)]


def splits_of(roles: np.ndarray) -> Splits:
    """Return splits of blocks of stimuli with equal roles.

    Examples
    --------
    >>> splits_of(np.array([[1], [2], [0], [1]]))
    Splits(block_of=(1, 2, 0, 1), splits=(Split(test=(0,), folds=((1,), (2,))),))
    """
    used = (roles != NO_PART).any(axis=1)
    kinds, block = np.unique(roles[used], axis=0, return_inverse=True)
    block_of = np.full(len(roles), -1)
    block_of[used] = block.reshape(-1)
    splits = []
    for column in kinds.T:
        folds = tuple(tuple(np.flatnonzero(column == f).tolist()) for f in range(1, int(column.max()) + 1))
        splits.append(Split(tuple(np.flatnonzero(column == TESTED).tolist()), folds))
    return Splits(tuple(block_of.tolist()), tuple(splits))

"""Fold groups: sessions that are fitted together because they share folds, and the sums of their folds.

If every presentation of a training stimulus is a trial, only sessions with equal numbers of presentations share their
sums. A stimulus that was not presented to a session counts as one presentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from distributed_trf.arrays import Array, all_to_device, namespace
from distributed_trf.config.study import RidgeSettings, StudySettings, Training
from distributed_trf.errors import RecordingError
from distributed_trf.pipeline.evaluation import Evaluation, splits_of
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.store.stored_recordings import BinnedResponses
from distributed_trf.trf.crossval import Folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.split_collector import SplitCollector
from distributed_trf.trf.splits import Splits


@dataclass(frozen=True)
class FoldGroup:
    """Sessions with the same splits and folds, to which each training stimulus was presented equally often."""

    stimuli: tuple[str, ...]
    """Of the set, in its order."""
    splits: Splits
    """Of these stimuli: what is tested, and the folds of what is trained on."""
    times: dict[str, int]
    """Number of trials of every stimulus of the set that is trained on."""
    presented: Training
    """Which presentations of a stimulus are its trials."""
    sessions: dict[str, BinnedResponses]
    """Counts by session; sessions with the same training stimuli follow each other."""

    def tested(self, k: int) -> list[str]:
        """Return the stimuli that split k tests."""
        return [self.stimuli[i] for i in self.splits.members(self.splits.splits[k].test)]

    @property
    def groups(self) -> list[int]:
        """Number of units in each group of sessions with the same training stimuli."""
        return [sum(c.train.shape[1] for c in group) for group in self._groups()]

    def columns(self) -> dict[str, slice]:
        """Return the columns of each session's units."""
        ends = np.cumsum([c.train.shape[1] for c in self.sessions.values()]).tolist()
        return {s: slice(end - c.train.shape[1], end) for (s, c), end in zip(self.sessions.items(), ends, strict=True)}

    def responses(self, stimulus: str, bins: int) -> tuple[np.ndarray, list[bool]]:
        """Return the responses of all units to a training stimulus, shape (trials, bins, U), and which groups have it.

        Units to which it was not presented have zeros.
        """
        blocks = [
            training_trials(c, stimulus, self.presented)
            if stimulus in c.train_trials
            else np.zeros((self.times[stimulus], bins, c.train.shape[1]), c.train.dtype)
            for c in self.sessions.values()
        ]
        return np.concatenate(blocks, axis=2), [stimulus in group[0].train_trials for group in self._groups()]

    def _groups(self) -> list[list[BinnedResponses]]:
        return [list(group) for _, group in groupby(self.sessions.values(), key=lambda c: c.train_ids)]


def training_trials(counts: BinnedResponses, stimulus: str, presented: Training) -> np.ndarray:
    """Return the responses to a training stimulus that are fitted, shape (trials, bins, units)."""
    first = counts.train_trials[stimulus][np.newaxis]
    if presented == "first":
        return first
    every = np.concatenate([first, counts.further_trials[stimulus]])
    return every if presented == "all" else every.mean(axis=0, keepdims=True)


def training_times(counts: BinnedResponses, presented: Training) -> dict[str, int]:
    """Return the number of trials of each training stimulus that was presented to a session."""
    times = counts.presentations if presented == "all" else (1,) * len(counts.train_ids)
    return dict(zip(counts.train_ids, times, strict=True))


def fold_groups(
    counts: Mapping[str, BinnedResponses], evaluation: Evaluation, ridge: RidgeSettings, presented: Training = "first"
) -> tuple[list[FoldGroup], dict[str, str]]:
    """Deal stimuli into splits and folds, and group sessions with the same ones.

    Parameters
    ----------
    counts
        Responses by session.
    evaluation
        The splits of the stimulus set.
    ridge
        With ``folds: shared`` the set's stimuli are dealt once, and a session has the stimuli of each fold that were
        presented to it. With ``per_session``, and where a shared fold would be empty, the session's own stimuli are
        dealt; stimuli that were not presented to it stay in their shared folds. So it is with outer folds too.
    presented
        Which presentations of a training stimulus are fitted.

    Returns
    -------
    fold_groups, left_out
        ``left_out`` says by session why it cannot fill the splits.
    """
    sessions_by_deal: dict[bytes, dict[str, BinnedResponses]] = {}
    dealt: dict[bytes, tuple[np.ndarray, dict[str, int]]] = {}
    left_out = {}
    for session, c in counts.items():
        there = (*c.train_ids, *c.test_ids)
        if reason := evaluation.shortage(there):
            left_out[session] = reason
            continue
        roles = evaluation.for_session(there, own=ridge.folds == "per_session")
        of_session = training_times(c, presented)
        times = {i: of_session.get(i, 1) for i, row in zip(evaluation.stimuli, roles, strict=True) if row.max() > 0}
        key = roles.tobytes() + np.array(list(times.values())).tobytes()
        dealt[key] = roles, times
        sessions_by_deal.setdefault(key, {})[session] = c
    groups = []
    for key, sessions in sessions_by_deal.items():
        first_seen = {ids: k for k, ids in reversed(list(enumerate(c.train_ids for c in sessions.values())))}
        ordered = sorted(sessions.items(), key=lambda item: first_seen[item[1].train_ids])
        roles, times = dealt[key]
        groups.append(FoldGroup(evaluation.stimuli, splits_of(roles), times, presented, dict(ordered)))
    return groups, left_out


@dataclass
class Collected:
    """Sums over the training stimuli of all splits of each fold group, and the features of what is tested."""

    groups: list[tuple[FoldGroup, SplitCollector]]
    tested: dict[str, Array]
    """Features by stimulus, shape (lead_in + bins, F)."""
    left_out: dict[str, str]
    """Why sessions are left out."""


def collect_splits(data: LayerData, study: StudySettings, device: str) -> Collected:
    """Read features once, and sum over the training stimuli for each fold group.

    Raises
    ------
    RecordingError
        If no session is left.
    """
    session_groups, left_out = fold_groups(data.counts, data.evaluation, study.ridge, study.training)
    if not session_groups:
        raise RecordingError(f"no session can be fitted: {'; '.join(f'{s}: {why}' for s, why in left_out.items())}")
    index = {i: k for k, i in enumerate(data.evaluation.stimuli)}
    collectors = [_collector(fold_group, data, study, device) for fold_group in session_groups]
    tested = set(data.evaluation.tested)
    collected = Collected(list(zip(session_groups, collectors, strict=True)), {}, left_out)
    for batch in data.batches():
        # Copies: views would keep the whole batch in memory.
        collected.tested |= {i: namespace(x).asarray(x, copy=True) for i, x in batch.items() if i in tested}
        for fold_group, collector in collected.groups:
            training = [i for i in batch if i in fold_group.times]
            if not training:
                continue
            responses, presented = zip(*(fold_group.responses(i, data.bins[i]) for i in training), strict=True)
            for i, trials, groups in zip(training, all_to_device(responses, device), presented, strict=True):
                for k in range(trials.shape[0]):
                    collector.add(index[i], batch[i], trials[k, :, :], groups)
    return collected


def collect(
    data: LayerData, study: StudySettings, device: str
) -> tuple[list[tuple[FoldGroup, Folds]], list[Array], dict[str, str]]:
    """Read features once, and sum over the training stimuli for each fold group, where a fixed test set is tested.

    Returns
    -------
    collected, test, left_out
        Fold groups with the sums of their folds; the test stimuli's features; why sessions are left out.

    Raises
    ------
    RecordingError
        If no session is left.
    """
    collected = collect_splits(data, study, device)
    sums = [(fold_group, collector.folds(0)) for fold_group, collector in collected.groups]
    return sums, [collected.tested[i] for i in data.test_ids], collected.left_out


def _collector(fold_group: FoldGroup, data: LayerData, study: StudySettings, device: str) -> SplitCollector:
    """Prepare the sums of a fold group; the solver is chosen by shape alone, so it is the same on every machine."""
    ridge = study.ridge
    sums = FoldCollector(
        data.lags,
        data.lead_in,
        ridge.n_folds,
        fold_group.groups,
        standardize=ridge.standardize,
        scaling=ridge.scaling,
        solver=ridge.solver,
        precision=ridge.precision,
    )
    collector = SplitCollector(fold_group.splits, sums)
    rows = [data.bins[i] * fold_group.times.get(i, 0) for i in fold_group.stimuli]
    collector.choose(rows, sum(data.widths), len(ridge.penalties), device=device, free=float("inf"))
    return collector

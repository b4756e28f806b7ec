"""Fold groups: sessions that are fitted together because they share folds, and the sums of their folds.

If every presentation of a training stimulus is a trial, only sessions with equal numbers of presentations share their
sums. A stimulus that was not presented to a session counts as one presentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from distributed_trf.arrays import Array, all_to_device, namespace
from distributed_trf.config.study import RidgeSettings, StudySettings, Training
from distributed_trf.errors import RecordingError
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.store.stored_recordings import BinnedResponses
from distributed_trf.trf.crossval import Folds, assign_folds
from distributed_trf.trf.fold_collector import FoldCollector


@dataclass(frozen=True)
class FoldGroup:
    """Sessions with the same folds, to which each training stimulus was presented equally often."""

    fold_of: dict[str, int]
    """Fold of every training stimulus of the set."""
    times: dict[str, int]
    """Number of trials of every training stimulus of the set."""
    presented: Training
    """Which presentations of a stimulus are its trials."""
    sessions: dict[str, BinnedResponses]
    """Counts by session; sessions with the same training stimuli follow each other."""

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
            else np.zeros((self.times[stimulus], bins, c.train.shape[1]), np.uint16)
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
    counts: Mapping[str, BinnedResponses], training: Sequence[str], ridge: RidgeSettings, presented: Training = "first"
) -> tuple[list[FoldGroup], dict[str, str]]:
    """Divide stimuli into folds, and group sessions with the same folds.

    Parameters
    ----------
    counts
        Responses by session.
    training
        Training stimuli of the set, in its order.
    ridge
        With ``folds: shared`` the set's stimuli are divided once, and a session has the stimuli of each fold that were
        presented to it. With ``per_session``, and where a shared fold would be empty, the session's own stimuli are
        divided; stimuli that were not presented to it stay in their shared folds.
    presented
        Which presentations of a training stimulus are fitted.

    Returns
    -------
    fold_groups, left_out
        ``left_out`` says by session why it cannot be cross-validated.
    """
    shared = _divide(training, ridge)
    sessions_by_folds: dict[tuple[tuple[int, int], ...], dict[str, BinnedResponses]] = {}
    left_out = {}
    for session, c in counts.items():
        if len(c.train_ids) < ridge.n_folds:
            left_out[session] = f"{len(c.train_ids)} training stimuli cannot fill {ridge.n_folds} folds"
            continue
        folds = shared
        if ridge.folds == "per_session" or len({shared[i] for i in c.train_ids}) < ridge.n_folds:
            folds = shared | _divide(c.train_ids, ridge)
        times = training_times(c, presented)
        sessions_by_folds.setdefault(tuple((folds[i], times.get(i, 1)) for i in training), {})[session] = c
    groups = []
    for folds_and_times, sessions in sessions_by_folds.items():
        first_seen = {ids: k for k, ids in reversed(list(enumerate(c.train_ids for c in sessions.values())))}
        ordered = sorted(sessions.items(), key=lambda item: first_seen[item[1].train_ids])
        fold_of, times = (dict(zip(training, column, strict=True)) for column in zip(*folds_and_times, strict=True))
        groups.append(FoldGroup(fold_of, times, presented, dict(ordered)))
    return groups, left_out


def _divide(ids: Sequence[str], ridge: RidgeSettings) -> dict[str, int]:
    folds = assign_folds(len(ids), ridge.n_folds, ridge.seed)
    return {ids[i]: k for k, fold in enumerate(folds) for i in fold}


def collect(
    data: LayerData, study: StudySettings, device: str
) -> tuple[list[tuple[FoldGroup, Folds]], list[Array], dict[str, str]]:
    """Read features once, and sum over the training stimuli for each fold group.

    Returns
    -------
    collected, test, left_out
        Fold groups with the sums of their folds; the test stimuli's features; why sessions are left out.

    Raises
    ------
    RecordingError
        If no session is left.
    """
    session_groups, left_out = fold_groups(data.counts, data.training, study.ridge, study.training)
    if not session_groups:
        raise RecordingError(f"no session can be fitted: {'; '.join(f'{s}: {why}' for s, why in left_out.items())}")
    collectors = [_collector(fold_group, data, study, device) for fold_group in session_groups]
    test: dict[str, Array] = {}
    for batch in data.batches():
        # Copies: views would keep the whole batch in memory.
        test |= {i: namespace(x).asarray(x, copy=True) for i, x in batch.items() if i in data.test_ids}
        training = [i for i in batch if i not in test]
        if not training:
            continue
        for fold_group, collector in zip(session_groups, collectors, strict=True):
            responses, presented = zip(*(fold_group.responses(i, data.bins[i]) for i in training), strict=True)
            for i, trials, groups in zip(training, all_to_device(responses, device), presented, strict=True):
                for k in range(trials.shape[0]):
                    collector.add(fold_group.fold_of[i], batch[i], trials[k, :, :], groups)
    sums = [collector.folds() for collector in collectors]
    return list(zip(session_groups, sums, strict=True)), [test[i] for i in data.test_ids], left_out


def _collector(fold_group: FoldGroup, data: LayerData, study: StudySettings, device: str) -> FoldCollector:
    """Prepare the sums of a fold group; the solver is chosen by shape alone, so it is the same on every machine."""
    ridge = study.ridge
    collector = FoldCollector(
        data.lags,
        data.lead_in,
        ridge.n_folds,
        fold_group.groups,
        standardize=ridge.standardize,
        scaling=ridge.scaling,
        solver=ridge.solver,
        precision=ridge.precision,
    )
    rows = sum(data.bins[i] * fold_group.times[i] for i in data.training)
    collector.choose(rows, sum(data.widths), len(ridge.penalties), device=device, free=float("inf"))
    return collector

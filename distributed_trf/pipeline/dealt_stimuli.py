"""Which stimuli results were fitted, held out and tested on, to be stored with them: how they were dealt, in JSON."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.evaluation import Evaluation
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.stored_recordings import load_presented

DEALT_ATTR = "dealt_stimuli"
"""Attribute of results that holds it."""
FIXED_SPLIT = "test"
"""Stands for the label of a split where the recordings' own test stimuli are tested."""


class DealtSession(TypedDict, total=False):
    """What a session was presented, and how its stimuli are dealt."""

    repeats: int
    """Presentations that all its test stimuli have; in a study by splits all repeated stimuli."""
    not_presented: list[str]
    """Stimuli, if any."""
    roles: dict[str, list[int]]
    """As of the set, if stimuli were dealt anew for the session."""


class DealtSet(TypedDict):
    """How the stimuli of a set are dealt."""

    stimuli: list[str]
    """Ids, in the order in which they are tested."""
    roles: dict[str, list[int]]
    """By split (``test`` for a fixed test set) an integer for each stimulus: 0 where it is tested, k in fold k of the
    training stimuli, -1 where it is not used."""
    sessions: dict[str, DealtSession]


def dealt_stimuli(context: Context) -> dict[str, DealtSet]:
    """Describe how the stimuli of each set are dealt, by its name.

    Parameters
    ----------
    context
        The study. Sessions that are not read yet, or not in its bins, are not described.
    """
    return {name: _of_set(context, name, evaluation) for name, evaluation in context.evaluations.items()}


def _of_set(context: Context, name: str, evaluation: Evaluation) -> DealtSet:
    sessions: dict[str, DealtSession] = {}
    for session in context.sessions_of(name):
        try:
            presented = load_presented(context.store, name, context.study.bin_widths[0], session)
        except StoreError:  # not read in these bins, or damaged: fits meet it too, and say so
            continue
        sessions[session] = {"repeats": presented.shared_repeats}
        if absent := [i for i in evaluation.stimuli if i not in presented.times]:
            sessions[session]["not_presented"] = absent
        if not evaluation.shortage(list(presented.times)):
            own = evaluation.for_session(list(presented.times), own=context.study.ridge.folds == "per_session")
            if not np.array_equal(own, evaluation.shared):
                sessions[session]["roles"] = _by_split(evaluation, own)
    return {
        "stimuli": list(evaluation.stimuli),
        "roles": _by_split(evaluation, evaluation.shared),
        "sessions": sessions,
    }


def _by_split(evaluation: Evaluation, roles: np.ndarray) -> dict[str, list[int]]:
    return dict(zip(evaluation.labels or (FIXED_SPLIT,), roles.T.tolist(), strict=True))

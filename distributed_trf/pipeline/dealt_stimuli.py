"""Which stimuli results were fitted, held out and tested on, to be stored with them: how they were dealt, in JSON."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import numpy as np

from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.evaluation import Evaluation
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.receipts import READ, read_receipt
from distributed_trf.store.stored_recordings import load_presented, session_key

DEALT_ATTR = "dealt_stimuli"
"""Attribute of results that holds it."""
FIXED_SPLIT = "test"
"""Stands for the label of a split where the recordings' own test stimuli are tested."""


Roles = dict[str, list[int]]
"""By split, of each stimulus: 0 where it is tested, k in fold k, -1 where it is not used."""


class OfSession(TypedDict):
    """What is told of a session."""

    repeats: int
    not_presented: NotRequired[list[str]]
    roles: NotRequired[Roles]


class OfSet(TypedDict):
    """What is told of a stimulus set."""

    stimuli: list[str]
    roles: Roles
    sessions: dict[str, OfSession]


def dealt_stimuli(context: Context) -> dict[str, OfSet]:
    """Describe how the stimuli of each set are dealt.

    Parameters
    ----------
    context
        The study. Sessions that are not read yet are not described.

    Returns
    -------
    dict
        By stimulus set: ``stimuli``, ids in the order in which they are tested; ``roles``, by split an integer for each
        stimulus, 0 where it is tested, k in fold k (of the training stimuli, those that are held out together), -1
        where it is not used. The split of a fixed test set is ``test``. ``sessions``: by session ``repeats``, those
        that all its test stimuli have (in a study by splits all repeated stimuli); the stimuli that were
        ``not_presented``, if any; and its own ``roles``, if stimuli were dealt anew for it.
    """
    return {name: _of_set(context, name, evaluation) for name, evaluation in context.evaluations.items()}


def _of_set(context: Context, name: str, evaluation: Evaluation) -> OfSet:
    sessions: dict[str, OfSession] = {}
    for session in context.sessions_of(name):
        if read_receipt(context.store, READ, session_key(name, session)) is None:
            continue
        try:
            presented = load_presented(context.store, name, context.study.bin_widths[0], session)
        except DamagedError:  # fits meet it too, and say so
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


def _by_split(evaluation: Evaluation, roles: np.ndarray) -> Roles:
    return dict(zip(evaluation.labels or (FIXED_SPLIT,), roles.T.tolist(), strict=True))

"""What comes before a stage's items: arrays to write into, and what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.execute import Task
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT
from distributed_trf.pipeline.lay import gather_reliability, lay_feature_arrays, lay_result_grid
from distributed_trf.pipeline.shared import Shared, share
from distributed_trf.pipeline.survey import Planned, State, survey
from distributed_trf.store.receipts import revoke_receipt


def prepare(context: Context, stage: str) -> list[Planned]:
    """Make the arrays that a stage writes into, and find out where each of its items stands."""
    if stage == EXTRACT:
        lay_feature_arrays(context)
    planned = survey(context, stage)
    if stage == FIT and planned:
        lay_result_grid(context, [p.item for p in planned if p.state is State.DONE])
        assessed = survey(context, ASSESS)
        gather_reliability(context, [p.item for p in assessed if p.state is State.DONE])
    return planned


def tasks(context: Context, todo: Sequence[Planned], *, device: str, run: Path) -> list[Task]:
    """Take back the receipts of items and return what workers need to do them."""
    for p in todo:
        revoke_receipt(context.store, p.item.stage, p.item.key)
    share(run, Shared(study=context.study, tables=context.tables))
    return [Task(p.item, p.fingerprint, run, device) for p in todo if p.fingerprint is not None]

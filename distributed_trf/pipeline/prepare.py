"""What comes before a stage's items: arrays to write into, and what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distributed_trf.pipeline.allocate import (
    allocate_features,
    allocate_results,
    gather_reliability,
    result_attrs,
    result_grid,
)
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.execute import Task
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT
from distributed_trf.pipeline.repair import take_back_damaged
from distributed_trf.pipeline.run_record import RunSettings, write_run_settings
from distributed_trf.pipeline.status import Planned, State, survey
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.item_locks import claim
from distributed_trf.store.receipts import revoke_receipt
from distributed_trf.store.result_allocation import repair_results


def prepare(context: Context, stage: str, removed: list[str]) -> list[Planned]:
    """Make the arrays that a stage writes into, and return the status of each of its items.

    What the study does not ask for and could not be kept is added to ``removed``.
    """
    if stage == EXTRACT:
        gone, mended = allocate_features(context)
        removed += gone
        take_back_damaged(context.store, mended)
    results = context.store.results
    if stage == FIT and repair_results(results, result_grid(context), result_attrs(context)):
        take_back_damaged(context.store, {context.store.name(results)})
    planned = survey(context, stage)
    _withdraw_stale(context, planned)
    if stage == FIT and planned:
        if allocate_results(context, [p.item for p in planned if p.state is State.DONE]):
            planned = survey(context, stage)
        assessed = survey(context, ASSESS)
        gather_reliability(context, [p.item for p in assessed if p.state is State.DONE])
    return planned


def _withdraw_stale(context: Context, planned: Sequence[Planned]) -> None:
    """Take back receipts that do not hold, unless another process is at their item or has done it since.

    Whoever does an item takes one that carries its fingerprint for good, and only a survey looks whether what it
    vouches for is still there.
    """
    dependencies = Dependencies(context)
    for p in planned:
        if p.state is State.STALE:
            with claim(context.store, p.item.stage, p.item.key) as claimed:
                if claimed.file is not None and dependencies.receipt(p.item) is None:
                    revoke_receipt(context.store, p.item.stage, p.item.key)


def tasks(context: Context, todo: Sequence[Planned], *, device: str, run: Path, limit: float | None) -> list[Task]:
    """Return what workers need to do items; whoever does one takes back its receipt first."""
    write_run_settings(run, RunSettings(study=context.study, tables=context.tables))
    return [Task(p.item, p.fingerprint, run, device, limit) for p in todo if p.fingerprint is not None]

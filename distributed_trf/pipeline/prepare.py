"""Prepare the folder for work: revoke the receipts of damaged output, allocate a stage's arrays, list what is to do.

Receipts hold digests of all files, so damage is an error and never reads back as other numbers. An item that reads
damaged output fails and records it. The receipts of the items that wrote it are revoked before the next run, when no
other process is working.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.allocate import (
    allocate_features,
    allocate_results,
    gather_reliability,
    result_attrs,
    result_grid,
)
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.execute import Task
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT, STAGES
from distributed_trf.pipeline.run_record import DELETE_RUN, RunSettings, past_runs, write_run_settings
from distributed_trf.pipeline.status import Planned, State, survey
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.allocation import read_allocation
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.item_locks import claim
from distributed_trf.store.receipts import SPIKES, read_failure, read_intact_receipt, revoke_receipt
from distributed_trf.store.result_allocation import repair_results
from distributed_trf.store.results import located, stored_grid
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import StudyStore


class Damaged(NamedTuple):
    """The writer of something that is damaged."""

    stage: str
    """Stage of a work item; or ``laid`` for allocated arrays, ``runs`` for records of runs."""
    key: str


def repair_study(context: Context) -> dict[Damaged, str]:
    """Verify all files, and revoke the receipts of what is damaged; return what is wrong, by writer.

    Raises
    ------
    StoreBusyError
        If a run is writing in the folder.
    """
    store = context.store
    with run_lock(store):
        shared = dict(_damaged_shared(store))
        repair_results(store.results, result_grid(context), result_attrs(context))  # locates the numbers of fits
        damage = dict(_damaged_items(store))
        for damaged in damage:
            revoke_receipt(store, *damaged)
        return damage | shared


def revoke_reported_damage(context: Context, planned: Sequence[Planned]) -> None:
    """Revoke the receipts of items whose damaged output made other items fail."""
    store, reported = context.store, set()
    for p in planned:
        failure = read_failure(store, p.item.stage, p.item.key) if p.state is not State.DONE else None
        if failure is not None and failure.damaged is not None:
            reported.add(store.name(Path(failure.damaged)))
    revoke_damaged(store, reported)


def revoke_damaged(store: StudyStore, names: set[str]) -> None:
    """Revoke the receipts of items with damaged output in files, arrays or groups of these names."""
    for damaged, _ in [*_damaged_items(store, names)] if names else ():
        revoke_receipt(store, *damaged)


def _damaged_items(store: StudyStore, names: set[str] | None = None) -> Iterator[tuple[Damaged, str]]:
    """Find items with damaged output, and say what is damaged; in all files, or at or below paths in ``names``."""
    for stage in (*STAGES, SPIKES):
        for path in sorted((store.receipts / stage).glob("*.json")):
            try:
                receipt = read_intact_receipt(store, stage, path.stem)
                for name, digest in _files(store, stage, receipt.files if receipt is not None else {}).items():
                    if names is None or any(name == part or name.startswith(f"{part}/") for part in names):
                        check_files(store.root, {name: digest})
            except DamagedError as error:
                yield Damaged(stage, path.stem), str(error)


def _files(store: StudyStore, stage: str, groups: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the digests that a receipt holds, by path in the study's folder."""
    digests: dict[str, str] = {}
    for group, files in groups.items():
        if stage == FIT and group == store.name(store.results):
            files = located(stored_grid(store.results).axes, files)
        digests |= {f"{group}/{key}": digest for key, digest in files.items()}
    return digests


def _damaged_shared(store: StudyStore) -> Iterator[tuple[Damaged, str]]:
    """Find damage in allocated arrays, which the next run repairs, and in the records of runs."""
    known = {
        (store.root / r.relative_to(store.allocations)).with_suffix(".zarr") for r in store.allocations.rglob("*.json")
    }
    for path in sorted(known.union(store.root.glob("features/*/*/*.zarr"), store.root.glob(store.results.name))):
        try:
            allocation = read_allocation(store.root, path)
            check_files(path, allocation.files | allocation.gathered)
        except DamagedError as error:
            yield Damaged("laid", store.name(path.with_suffix(""))), str(error)
    for run in past_runs(store):
        try:
            check_files(store.runs / run.name, run.manifest.get("files", {}))
        except DamagedError as error:
            run = replace(run, damage=f"{error.path}: damaged; {DELETE_RUN}")
        if run.damage:
            yield Damaged("runs", run.name), run.damage


def prepare(context: Context, stage: str, removed: list[str]) -> list[Planned]:
    """Allocate the arrays that a stage writes into, and return the status of each of its items.

    Output outside the study that could not be kept is added to ``removed``.
    """
    if stage == EXTRACT:
        dropped, repaired = allocate_features(context)
        removed += dropped
        revoke_damaged(context.store, repaired)
    results = context.store.results
    if stage == FIT and repair_results(results, result_grid(context), result_attrs(context)):
        revoke_damaged(context.store, {context.store.name(results)})
    planned = survey(context, stage)
    _revoke_stale(context, planned)
    if stage == FIT and planned:
        if allocate_results(context, [p.item for p in planned if p.state is State.DONE]):
            planned = survey(context, stage)
        assessed = survey(context, ASSESS)
        gather_reliability(context, [p.item for p in assessed if p.state is State.DONE])
    return planned


def _revoke_stale(context: Context, planned: Sequence[Planned]) -> None:
    """Revoke receipts that are not valid, unless another process is running their item or has done it since.

    A process that runs an item trusts a receipt with the right fingerprint; only the survey checks whether the output
    still exists.
    """
    dependencies = Dependencies(context)
    for p in planned:
        if p.state is State.STALE:
            with claim(context.store, p.item.stage, p.item.key) as claimed:
                if claimed.file is not None and dependencies.receipt(p.item) is None:
                    revoke_receipt(context.store, p.item.stage, p.item.key)


def tasks(context: Context, todo: Sequence[Planned], *, device: str, run: Path, limit: float | None) -> list[Task]:
    """Return the tasks of items, and write the settings that they share."""
    write_run_settings(run, RunSettings(study=context.study, tables=dict(context.tables)))
    return [Task(p.item, p.fingerprint, run, device, limit) for p in todo if p.fingerprint is not None]

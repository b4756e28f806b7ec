"""What is damaged on disk loses its receipt, so that the next run makes it anew.

Receipts hold digests of all files: damage never reads back as other numbers, it is an error. Whoever meets one cannot
tell whether others are working with the rest, so the items that wrote it are looked up before the next run begins.

What comes before a stage's items: arrays to write into, and what is left to do.
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
from distributed_trf.store.item_locks import claim
from distributed_trf.store.receipts import SPIKES, read_failure, read_intact_receipt, revoke_receipt
from distributed_trf.store.result_allocation import repair_results
from distributed_trf.store.results import located, stored_grid
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files


class Damaged(NamedTuple):
    """What wrote something that is damaged."""

    stage: str
    """Of a work item; or ``laid``, ``runs``."""
    key: str


def repair_study(context: Context) -> dict[Damaged, str]:
    """Read all that was written, and take back the receipts of what is damaged; what is wrong with each.

    Raises
    ------
    StoreBusyError
        If a run is writing in the folder.
    """
    store = context.store
    with run_lock(store):
        beside = dict(_damaged_beside(store))
        repair_results(store.results, result_grid(context), result_attrs(context))  # tells where numbers of fits are
        found = dict(_damaged_items(store))
        for damaged in found:
            revoke_receipt(store, *damaged)
        return found | beside


def take_back_met_damage(context: Context, planned: Sequence[Planned]) -> None:
    """Take back the receipts of items that wrote what others failed on because it is damaged."""
    store, met = context.store, set()
    for p in planned:
        failure = read_failure(store, p.item.stage, p.item.key) if p.state is not State.DONE else None
        if failure is not None and failure.damaged is not None:
            met.add(store.name(Path(failure.damaged)))
    take_back_damaged(store, met)


def take_back_damaged(store: StudyStore, met: set[str]) -> None:
    """Take back the receipts of items of which something is damaged in files, arrays or groups of these names."""
    for damaged, _ in [*_damaged_items(store, met)] if met else ():
        revoke_receipt(store, *damaged)


def _damaged_items(store: StudyStore, met: set[str] | None = None) -> Iterator[tuple[Damaged, str]]:
    """Find items of which something is damaged, and say what; of all files, or only of those at or below ``met``."""
    for stage in (*STAGES, SPIKES):
        for path in sorted((store.receipts / stage).glob("*.json")):
            try:
                receipt = read_intact_receipt(store, stage, path.stem)
                for name, digest in _files(store, stage, receipt.files if receipt is not None else {}).items():
                    if met is None or any(name == part or name.startswith(f"{part}/") for part in met):
                        check_files(store.root, {name: digest})
            except DamagedError as error:
                yield Damaged(stage, path.stem), str(error)


def _files(store: StudyStore, stage: str, groups: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the digests that a receipt holds, by where in the study's folder each file is."""
    found: dict[str, str] = {}
    for group, files in groups.items():
        if stage == FIT and group == store.name(store.results):
            files = located(stored_grid(store.results).axes, files)
        found |= {f"{group}/{key}": digest for key, digest in files.items()}
    return found


def _damaged_beside(store: StudyStore) -> Iterator[tuple[Damaged, str]]:
    """Find what is damaged of what items share, which a run puts right by itself, and of the records of runs."""
    known = {
        (store.root / r.relative_to(store.allocations)).with_suffix(".zarr") for r in store.allocations.rglob("*.json")
    }
    for path in sorted(known.union(store.root.glob("features/*/*/*.zarr"), store.root.glob(store.results.name))):
        try:
            laid = read_allocation(store.root, path)
            check_files(path, laid.files | laid.gathered)
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

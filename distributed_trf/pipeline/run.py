"""A whole run: find what is missing, do it stage by stage, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.start import start_cluster
from distributed_trf.config.study import StudySettings
from distributed_trf.features.network import networks_let_go
from distributed_trf.pipeline.allocate import allocate_results, gather_reliability
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dashboard_link import DashboardLink
from distributed_trf.pipeline.dask_run import ended_by_scheduler, run_here, run_on
from distributed_trf.pipeline.events import (
    Dashboard,
    Event,
    EventLog,
    ItemEnded,
    RunEnded,
    RunStarted,
    StageBegan,
    Watcher,
)
from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.extra_items import find_extra_items
from distributed_trf.pipeline.items import STAGES, Item, ReadSession
from distributed_trf.pipeline.memory_check import check_devices, check_memory
from distributed_trf.pipeline.prepare import prepare, revoke_reported_damage, tasks
from distributed_trf.pipeline.progress_grid import ProgressGrid
from distributed_trf.pipeline.run_record import EVENTS, Report, new_run, write_manifest
from distributed_trf.pipeline.source_check import check_sources
from distributed_trf.pipeline.stages.read_recordings import SessionRead
from distributed_trf.pipeline.status import Planned, State, survey_all
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import modules_of
from distributed_trf.recordings.recording_set import unusable_sessions
from distributed_trf.store.atomic import sweep
from distributed_trf.store.receipts import read_receipt
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import StudyStore

if TYPE_CHECKING:
    from distributed_trf.clusters.worker_proof import Proof


OF_EVERY_ITEM = ("distributed_trf.pipeline.dask_run", "distributed_trf.store.verified_store")
"""Modules that a worker loads to do items; the second brings zarr, which the driver may do without."""


def run_study(
    study: StudySettings, recipe: str | Path | Recipe | None = "local", *, watcher: Watcher | None = None
) -> Report:
    """Do everything of a study that is not done yet; see ``Study.run``."""
    context = open_context(study)
    settings = load_recipe(recipe) if isinstance(recipe, (str, Path)) else recipe
    planned = survey_all(context)
    if settings is not None:
        check_memory(context, planned, settings)
    check_sources(context, planned)
    StudyStore.create(study.output)
    with run_lock(context.store):
        sweep(context.store.root)
        revoke_reported_damage(context, planned)
        return nothing_to_do(context, planned) or Run(context, settings, planned, watcher).go()


def nothing_to_do(context: Context, planned: Sequence[Planned]) -> Report | None:
    """Report that all items are done; None if some are not. The results are updated to the study's current grid."""
    done = [p.item for p in planned if p.state is State.DONE]
    if len(done) < len(planned) or allocate_results(context, done):
        return None
    gather_reliability(context, done)
    report = _report_on_recordings(context, done)
    report.skipped = dict(Counter(item.stage for item in done))
    report.beside = str(find_extra_items(context) or "")
    return report


def _report_on_recordings(context: Context, done: Sequence[Item]) -> Report:
    """Report what looks wrong in the recordings that were read before."""
    doubts = {}
    for item in done:
        receipt = read_receipt(context.store, item.stage, item.key) if isinstance(item, ReadSession) else None
        if receipt is not None and (of_session := SessionRead.of(receipt).doubts):
            doubts[item.key] = of_session
    return Report(doubts=doubts, unusable=unusable_sessions(context.recordings))


def modules_for(context: Context, planned: Sequence[Planned]) -> list[str]:
    """Name the modules that workers need for what is to be done."""
    return [*OF_EVERY_ITEM, *modules_of((p.item for p in planned if p.state is not State.DONE), context)]


class Run:
    """One run: a driver that gives items to workers, or does them itself."""

    def __init__(
        self, context: Context, recipe: Recipe | None, planned: Sequence[Planned], watcher: Watcher | None
    ) -> None:
        self.context = context
        self.recipe = recipe
        self.folder = new_run(context.store.runs)
        done = [p.item for p in planned if p.state is State.DONE]
        self.report = _report_on_recordings(context, done)
        self.report.folder = self.folder
        self.client: Any = None
        self._initially_planned = planned
        self.grid = ProgressGrid(planned, _layers(context))
        self._watchers: list[Watcher] = [self.grid] if watcher is None else [self.grid, watcher]
        self._watcher_lock = RLock()
        self._proofs: dict[str, Proof] = {}
        """Device and libraries of each worker at the end of a stage, by its address."""

    def go(self) -> Report:
        """Do every stage and report; if an error ends the run, what is done is kept."""
        self._write_manifest("running")
        state = "interrupted"
        with EventLog(self.folder / EVENTS) as log, ExitStack() as workers:
            self._watchers.insert(0, log)
            try:
                workers.enter_context(self._workers())
                for stage in STAGES:
                    start = time.perf_counter()
                    if self._stage(stage):
                        self.report.seconds[stage] = round(time.perf_counter() - start, 3)
                        self._describe_workers()
                self.report.beside = str(find_extra_items(self.context) or "")
                state = "finished"
            finally:  # now, since workers may take long to stop
                self._tell(RunEnded(state, self.report))
                self._watchers.clear()  # workers leave now because the run is over
                self._write_manifest(state)
        return self.report

    @contextmanager
    def _workers(self) -> Iterator[None]:
        if self.recipe is None:
            with networks_let_go("cpu"):
                self._started("this process", "cpu", {}, None)
                yield
            return
        preload = modules_for(self.context, self._initially_planned)
        with ended_by_scheduler(), start_cluster(self.recipe, preload=preload) as self.client:
            from distributed import performance_report

            if self.recipe.device != "cpu":
                from distributed_trf.clusters.worker_proof import describe_workers

                check_devices(self.context, self._initially_planned, describe_workers(self.client))
            with DashboardLink(self.client, self.grid, self._tell) as link:
                dashboard = link.dashboard(self.recipe.dashboard)
                self._started(self.recipe.kind, self.recipe.device, link.workers, dashboard)
                with performance_report(filename=str(self.folder / "performance.html"), mode="inline"):
                    yield

    def _started(self, cluster: str, device: str, workers: Mapping[str, str], dashboard: Dashboard | None) -> None:
        study = self.context.study
        self._tell(RunStarted(study.name, study.output, self.folder, cluster, device, workers, dashboard))

    def _stage(self, stage: str) -> bool:
        """Do a stage; return False if the study has no items in it."""
        planned = self._planned(stage)
        if not planned:
            return False
        todo = [p for p in planned if p.state not in (State.DONE, State.WAITING)]
        self.report.skipped[stage] = sum(p.state is State.DONE for p in planned)
        self.report.blocked |= {f"{stage} {p.item.key}": p.reason for p in planned if p.state is State.WAITING}
        self.report.done[stage] = 0
        self._tell(StageBegan(stage, planned))
        for outcome in self._outcomes(stage, todo):
            if outcome.ok:
                self.report.done[stage] += 1
                self._note(outcome)
            else:
                self.report.failed[f"{stage} {outcome.item.key}"] = outcome.message
            self._tell(ItemEnded(outcome))
        return True

    def _planned(self, stage: str) -> list[Planned]:
        return prepare(self.context, stage, self.report.removed)

    def _note(self, outcome: Outcome) -> None:
        report, remarks = self.report, outcome.finding.remarks()
        if remarks.notes:
            report.notes[outcome.item.key] = list(remarks.notes)
        if remarks.doubts:
            report.doubts[outcome.item.key] = list(remarks.doubts)
        report.unused_presentations = max(report.unused_presentations, remarks.unused_presentations)
        report.constant_units = max(report.constant_units, remarks.constant_units)
        report.left_out |= remarks.left_out
        report.heard_in_parts += remarks.parts > 1
        report.fallbacks += len(remarks.fallbacks)
        if remarks.features:
            report.features.setdefault(getattr(outcome.item, "network", ""), []).extend(remarks.features)
        if remarks.upsampled is not None:
            report.upsampled[getattr(outcome.item, "network", "")] = remarks.upsampled

    def _outcomes(self, stage: str, todo: Sequence[Planned]) -> Iterator[Outcome]:
        device = self.recipe.device if self.recipe else "cpu"
        limit = self.recipe.item_limit if self.recipe else None
        to_run = tasks(self.context, todo, device=device, run=self.folder, limit=limit)
        if self.client is None:
            yield from run_here(to_run)
            return
        assert self.recipe is not None
        from distributed import span

        with span(self.context.study.name, stage):
            yield from run_on(self.client, to_run, attempts=self.context.study.attempts, workers=self.recipe.n_workers)

    def _describe_workers(self) -> None:
        if self.client is not None:
            from distributed_trf.clusters.worker_proof import describe_workers

            self._proofs |= {proof.address: proof for proof in describe_workers(self.client)}

    def _write_manifest(self, state: str) -> None:
        study = self.context.study
        write_manifest(
            self.folder,
            study,
            self.report,
            state=state,
            recipe=self.recipe.model_dump(mode="json") if self.recipe else None,
            workers=[asdict(proof) for proof in self._proofs.values()],
            sessions={stimuli: self.context.sessions_of(stimuli) for stimuli in study.stimuli},
            n_sounds={name: len(stimuli) for name, stimuli in self.context.stimuli.items()},
        )

    def _tell(self, event: Event) -> None:
        with self._watcher_lock:  # workers come and go in another thread
            for watcher in self._watchers:
                watcher(event)


def _layers(context: Context) -> dict[str, list[tuple[int, str, str]]]:
    """Return ids, names and types of the layers of each network."""
    return {
        network.name: [(layer.id, layer.name, layer.type) for layer in context.layers(network)]
        for network in context.study.networks
    }

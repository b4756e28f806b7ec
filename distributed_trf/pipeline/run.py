"""A whole run: find out what is missing, do it stage by stage, report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.start import start_cluster
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.cost import check_memory
from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.items import STAGES, ReadSession
from distributed_trf.pipeline.lay import gather_reliability, lay_result_grid
from distributed_trf.pipeline.manifest import new_run, now, provenance
from distributed_trf.pipeline.prepare import prepare, tasks
from distributed_trf.pipeline.repair import take_back_met_damage
from distributed_trf.pipeline.submit import ended_by_scheduler, run_here, run_on
from distributed_trf.pipeline.survey import Planned, State, survey
from distributed_trf.store.atomic import sweep, write_json
from distributed_trf.store.lock import run_lock
from distributed_trf.store.study_store import StudyStore


class Watcher(Protocol):
    """Whoever wants to see a run go by."""

    def started(self, dashboard: str | None, folder: Path) -> None:
        """Workers are ready."""

    def stage(self, name: str, *, todo: int, done: int) -> None:
        """A stage begins, of which some items may be done already."""

    def finished(self, outcome: Outcome) -> None:
        """An item ended."""

    def waits(self, text: str) -> None:
        """Other elements of a job array are at all that is left of the stage."""


@dataclass
class Report:
    """How a run ended."""

    done: dict[str, int] = field(default_factory=dict)
    """Items done now, by stage."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Items that were done before, by stage."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """Items that other elements of a job array did meanwhile, by stage."""
    failed: dict[str, str] = field(default_factory=dict)
    """Message of each item that failed, by stage and key."""
    blocked: dict[str, str] = field(default_factory=dict)
    """What each item that could not begin was waiting for."""
    constant_units: int = 0
    """Units that never vary, in the fit that has most of them."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What was left out of sessions while reading them, by stimulus set and session."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that heard too little to be cross-validated, and why."""
    heard_in_parts: int = 0
    """Extractions whose batch did not fit the memory of the device."""
    fallbacks: int = 0
    """Factorisations that failed their check, so that a slower way was taken."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by stage."""
    folder: Path | None = None
    """Manifest and performance report of the run; None when there was nothing to do."""

    @property
    def ok(self) -> bool:
        """Whether every item of the study is done."""
        return not self.failed and not self.blocked


def run_study(
    study: StudySettings, recipe: str | Path | Recipe | None = "local", *, watcher: Watcher | None = None
) -> Report:
    """Do everything of a study that is not done yet; see ``Study.run``."""
    context = Context.open(study)
    settings = load_recipe(recipe) if isinstance(recipe, (str, Path)) else recipe
    planned = [p for stage in STAGES for p in survey(context, stage)]
    if settings is not None:
        check_memory(context, planned, settings)
    StudyStore.create(study.output)
    with run_lock(context.store):
        sweep(context.store.root)
        take_back_met_damage(context, planned)
        return nothing_to_do(context, planned) or Run(context, settings, watcher).go()


def nothing_to_do(context: Context, planned: Sequence[Planned]) -> Report | None:
    """Report that all items are done, or None if they are not; the results are left as the study asks for them now."""
    done = [p.item for p in planned if p.state is State.DONE]
    if len(done) < len(planned) or lay_result_grid(context, done):
        return None
    gather_reliability(context, done)
    return Report(skipped=dict(Counter(item.stage for item in done)))


class Run:
    """One run under way: a driver that gives items to workers, or does them itself."""

    def __init__(self, context: Context, recipe: Recipe | None, watcher: Watcher | None) -> None:
        self.context = context
        self.recipe = recipe
        self.watcher = watcher
        self.report = Report(folder=new_run(context.store.runs))
        self.client: Any = None

    def go(self) -> Report:
        """Do every stage and report; what is done when an error ends the run is kept."""
        self._write_manifest("running")
        try:
            with self._workers():
                for stage in STAGES:
                    start = time.perf_counter()
                    if self._stage(stage):
                        self.report.seconds[stage] = round(time.perf_counter() - start, 3)
        except BaseException:
            self._write_manifest("interrupted")
            raise
        self._write_manifest("finished")
        return self.report

    @contextmanager
    def _workers(self) -> Iterator[None]:
        assert self.report.folder is not None
        if self.recipe is None:
            self._tell("started", None, self.report.folder)
            yield
            return
        with ended_by_scheduler(), start_cluster(self.recipe) as self.client:
            from distributed import performance_report

            self._tell("started", self.client.dashboard_link, self.report.folder)
            with performance_report(filename=str(self.report.folder / "performance.html"), mode="inline"):
                yield

    def _stage(self, stage: str) -> bool:
        """Do a stage; False if the study has none."""
        planned = self._planned(stage)
        if not planned:
            return False
        todo = [p for p in planned if p.state not in (State.DONE, State.WAITING)]
        self.report.skipped[stage] = sum(p.state is State.DONE for p in planned)
        self.report.blocked |= {f"{stage} {p.item.key}": p.reason for p in planned if p.state is State.WAITING}
        self.report.done[stage] = 0
        self._tell("stage", stage, todo=len(todo), done=self.report.skipped[stage])
        for outcome in self._outcomes(todo):
            if outcome.ok:
                self.report.done[stage] += 1
                self._note(outcome)
            else:
                self.report.failed[f"{stage} {outcome.item.key}"] = outcome.message
            self._tell("finished", outcome)
        return True

    def _planned(self, stage: str) -> list[Planned]:
        return prepare(self.context, stage)

    def _note(self, outcome: Outcome) -> None:
        report, details = self.report, outcome.details
        if isinstance(outcome.item, ReadSession) and details["notes"]:
            report.notes[outcome.item.key] = details["notes"]
        report.constant_units = max(report.constant_units, details.get("constant_units", 0))
        report.left_out |= details.get("left_out", {})
        report.heard_in_parts += details.get("heard_in_parts", 1) > 1
        report.fallbacks += len(details.get("fallbacks", []))

    def _outcomes(self, todo: Sequence[Planned]) -> Iterator[Outcome]:
        assert self.report.folder is not None
        device = self.recipe.device if self.recipe else "cpu"
        limit = self.recipe.item_limit if self.recipe else None
        of_items = tasks(self.context, todo, device=device, run=self.report.folder, limit=limit)
        if self.client is None:
            return run_here(of_items)
        assert self.recipe is not None
        return run_on(self.client, of_items, attempts=self.context.study.attempts, workers=self.recipe.n_workers)

    def _write_manifest(self, state: str) -> None:
        report = self.report
        assert report.folder is not None
        content = {
            "state": state,
            "recipe": self.recipe.model_dump(mode="json") if self.recipe else None,
            "seconds": report.seconds,
            "done": report.done,
            "skipped": report.skipped,
            "elsewhere": report.elsewhere,
            "failed": report.failed,
            "blocked": report.blocked,
            "constant_units": report.constant_units,
            "notes": report.notes,
            "left_out": report.left_out,
            "heard_in_parts": report.heard_in_parts,
            "fallbacks": report.fallbacks,
            "updated": now(),
            **provenance(self.context.study),
        }
        write_json(report.folder / "manifest.json", content)

    def _tell(self, event: str, *args: Any, **kwargs: Any) -> None:
        if self.watcher is not None:
            getattr(self.watcher, event)(*args, **kwargs)

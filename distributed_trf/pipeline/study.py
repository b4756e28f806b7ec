"""``Study``: load, plan, run and follow a whole study."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.array_run import Element, run_element
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.events import Watcher
from distributed_trf.pipeline.extra_items import Beside, find_extra_items, prune_study
from distributed_trf.pipeline.forecast import Forecast, Plan
from distributed_trf.pipeline.notebook_progress import notebook_bars
from distributed_trf.pipeline.prepare import Damaged, repair_study
from distributed_trf.pipeline.run import run_study
from distributed_trf.pipeline.run_record import Report, page_of_run
from distributed_trf.pipeline.source_check import check_sources
from distributed_trf.pipeline.status import Planned, survey_all
from distributed_trf.pipeline.work import cost
from distributed_trf.store.item_locks import holders
from distributed_trf.store.study_lock import is_running
from distributed_trf.store.study_store import StudyStore


class Study:
    """Every fit of a study file.

    Parameters
    ----------
    settings
        What to do; ``Study.load`` reads it from YAML.

    Examples
    --------
    >>> study = Study.load("quickstart")
    >>> report = study.run()  # doctest: +SKIP
    """

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings

    @classmethod
    def load(cls, study: str | Path) -> Self:
        """Read a study file, given its path or the name of one in ``configs/``.

        Raises
        ------
        ConfigError
            If it cannot be found or used; every problem is listed.
        """
        return cls(load_study(study))

    @property
    def output(self) -> Path:
        """Folder of everything the study writes."""
        return self.settings.output

    def status(self) -> list[Planned]:
        """Return the status of every work item, without writing anything.

        Raises
        ------
        ConfigError, RecordingError, StoreError
            If recordings, networks or the store cannot be used.
        """
        context = open_context(self.settings, to_run=False)
        running = holders(context.store)
        return [planned.with_running(running) for planned in survey_all(context)]

    def forecast(self, recipe: Recipe) -> Forecast:
        """Return what a run on the workers of a recipe would do and need, without writing anything.

        Raises
        ------
        ConfigError, RecordingError, StoreError, FeatureError
            If recordings, networks or the store cannot be used, or trained weights here are not those of a network.
        """
        context = open_context(self.settings, to_run=False)
        planned = survey_all(context)
        check_sources(context, planned)
        return Forecast(context, [(p, cost(context, p.item, recipe.device)) for p in planned], recipe)

    def plan(self, device: str = "cpu") -> Plan:
        """Return the status of every work item and what it needs on a device, without writing anything."""
        context = open_context(self.settings, to_run=False)
        return Plan((p, cost(context, p.item, device)) for p in survey_all(context))

    def run(
        self, recipe: str | Path | Recipe | None = "local", *, item: str | None = None, watcher: Watcher | None = None
    ) -> Report:
        """Do everything that is not done yet.

        Parameters
        ----------
        recipe
            Where workers come from: name of a file in ``cluster/``, a path, or None for this process alone, where an
            unexpected error is raised as it is.
        item
            ``"I/N"``: be element I (from 1) of a job array of N, which does items in this process and shares them with
            the other elements; no scheduler is needed. The recipe gives device and threads.
        watcher
            Called for every stage, item and worker, with one event at a time (see ``pipeline.events``). By default a
            notebook shows a link to the run's page and a bar for each stage, and nothing is shown elsewhere.

        Returns
        -------
        Report
            What was done, what had been done before and what failed. A failed item does not stop the others.

        Raises
        ------
        ConfigError, RecordingError, StoreError, FeatureError
            If the study cannot begin; nothing was written then.
        """
        watcher = notebook_bars() if watcher is None else watcher
        if item is not None:
            return run_element(self.settings, Element.parse(item), recipe or "local", watcher=watcher)
        return run_study(self.settings, recipe, watcher=watcher)

    def watch(self) -> str:
        """Return the link to the dashboard's page of a run that goes on, in this process or another.

        Raises
        ------
        StoreError
            If no run goes on, or the one that does has no dashboard.
        """
        store = StudyStore.open(self.output)
        page = page_of_run(store) if is_running(store) else None
        if page is None:
            raise StoreError(f"{store.root}: no run with a dashboard goes on; start one with dtrf run STUDY")
        return page

    def repair(self) -> dict[Damaged, str]:
        """Verify all that is done, and revoke receipts of what is damaged, so that the next run computes it again.

        Returns
        -------
        dict
            What is damaged, by stage and key of the work item that wrote it.

        Raises
        ------
        StoreBusyError
            If a run is writing in the folder.
        """
        StudyStore.open(self.output)
        return repair_study(open_context(self.settings, to_run=False))

    def beside(self) -> Beside:
        """Return what the folder keeps outside the study, without writing anything."""
        return find_extra_items(open_context(self.settings, to_run=False))

    def prune(self) -> Beside:
        """Remove what the folder keeps outside the study, such as fits of a network that was taken out of it.

        Returns
        -------
        Beside
            What was removed.

        Raises
        ------
        StoreBusyError
            If a run is writing in the folder.
        """
        StudyStore.open(self.output)
        return prune_study(open_context(self.settings, to_run=False))

    def __repr__(self) -> str:
        return f"Study({self.settings.name!r}, output={str(self.output)!r})"

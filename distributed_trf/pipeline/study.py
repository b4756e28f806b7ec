"""``Study``: load, plan, run and follow a whole study."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.pipeline.array_run import Element, run_element
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.cost import Cost, cost
from distributed_trf.pipeline.items import STAGES, Item
from distributed_trf.pipeline.repair import repair_study
from distributed_trf.pipeline.run import Report, Watcher, run_study
from distributed_trf.pipeline.survey import Planned, survey
from distributed_trf.store.claims import holders
from distributed_trf.store.study_store import StudyStore


class Study:
    """Every fit that a study file asks for.

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
        """Folder of everything the study makes."""
        return self.settings.output

    def status(self) -> list[Planned]:
        """Return every work item and where it stands, without writing anything.

        Raises
        ------
        ConfigError, RecordingError, StoreError
            If something that the study names cannot be used.
        """
        context = Context.open(self.settings, to_run=False)
        at_work = holders(context.store)
        return [planned.seen(at_work) for stage in STAGES for planned in survey(context, stage)]

    def plan(self) -> list[tuple[Planned, Cost]]:
        """Return every work item, where it stands and what it needs, without writing anything."""
        context = Context.open(self.settings, to_run=False)
        return [(p, cost(context, p.item)) for stage in STAGES for p in survey(context, stage)]

    def run(
        self,
        recipe: str | Path | Recipe | None = "local",
        *,
        item: str | None = None,
        watcher: Watcher | None = None,
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
            Told of every stage and item.

        Returns
        -------
        Report
            What was done, what had been done before and what failed. A failed item does not stop the others.

        Raises
        ------
        ConfigError, RecordingError, StoreError
            If the study cannot begin; nothing was written then.
        """
        if item is not None:
            return run_element(self.settings, Element.parse(item), recipe or "local", watcher=watcher)
        return run_study(self.settings, recipe, watcher=watcher)

    def repair(self) -> dict[Item, str]:
        """Read all that is done, and take back what is damaged, so that the next run makes it anew.

        Returns
        -------
        dict
            What is wrong, by work item.

        Raises
        ------
        StoreBusyError
            If a run is at work in the folder.
        """
        StudyStore.open(self.output)
        return repair_study(Context.open(self.settings, to_run=False))

    def __repr__(self) -> str:
        return f"Study({self.settings.name!r}, output={str(self.output)!r})"

"""One element of a plain job array: the same items into the same store, without a scheduler process.

Each element does its own share of a stage first, then what is left of the shares of others, and goes on to the next
stage when nobody is at an item of this one. An element that dies leaves nothing that another does not take up.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe, LocalRecipe
from distributed_trf.clusters.worker_setup import limited_threads
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, StoreBusyError
from distributed_trf.features.network import networks_let_go
from distributed_trf.pipeline.allocate import result_grid
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.events import ItemEnded, Waits, Watcher
from distributed_trf.pipeline.execute import Outcome, Task, execute_if_free, fail
from distributed_trf.pipeline.items import STAGES, Item
from distributed_trf.pipeline.memory_check import check_devices, check_memory
from distributed_trf.pipeline.prepare import prepare, take_back_met_damage, tasks
from distributed_trf.pipeline.run import Run, nothing_to_do
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import Planned, State, survey, survey_all
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.atomic import sweep
from distributed_trf.store.fingerprint import digest, library_versions
from distributed_trf.store.item_locks import claim, holders, is_claimed
from distributed_trf.store.receipts import Failure, read_failure, read_receipt
from distributed_trf.store.study_lock import ELEMENT, allocation_lock, element_lock, wait_for_orphans
from distributed_trf.store.study_store import StudyStore

FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
"""Seconds between two looks at items that other elements are running."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Element:
    """Which element of a job array this process is."""

    number: int
    """From 1 on."""
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/N``.

        Raises
        ------
        ConfigError
            If it is not two whole numbers with 1 <= I <= N.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None:
            raise ConfigError(f"--item {text}: expected I/N, such as 3/8 for the third of eight elements")
        number, of = int(found[1]), int(found[2])
        if not 1 <= number <= of:
            counts = "; elements count from 1 here, so submit the array as 1-N" if number == 0 else ""
            raise ConfigError(f"--item {text}: expected 1 <= I <= N{counts}")
        return cls(number, of)

    def owns(self, position: int) -> bool:
        """Tell whether an item is of this element's share, by its position in the stage."""
        return position % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


def run_element(
    study: StudySettings, element: Element, recipe: str | Path | Recipe = "local", *, watcher: Watcher | None = None
) -> Report:
    """Do one element's share of a study, and what is left of others'; see ``Study.run``.

    Raises
    ------
    ConfigError, RecordingError, StoreError
        If the study cannot begin; nothing was written then.
    DeviceError
        If this process does not have the device that the recipe asks for.
    StoreBusyError
        If a driver is writing in the folder, or elements with other settings or inputs.
    """
    context = open_context(study)
    settings = _of_this_process(recipe)
    planned = survey_all(context)
    check_memory(context, planned, settings)
    if settings.device != "cpu":  # a process without the GPU, or with too small a one, says so now
        from distributed_trf.clusters.worker_proof import checked, prove

        check_devices(context, planned, checked([prove(settings.device)]))
    StudyStore.create(study.output)
    with limited_threads(settings.threads), element_lock(context.store), _joined(context, element, planned):
        with allocation_lock(context.store):
            report = nothing_to_do(context, planned)
        return report or _ElementRun(context, settings, planned, watcher, element).go()


def _of_this_process(recipe: str | Path | Recipe) -> LocalRecipe | LocalCudaRecipe:
    """Return the recipe as it holds for one process, which has the memory of the machine.

    Raises
    ------
    ConfigError
        If it is of a kind that starts workers elsewhere.
    """
    settings = load_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    if isinstance(settings, LocalRecipe):
        return settings.model_copy(update={"workers": 1})
    if isinstance(settings, LocalCudaRecipe):
        return settings
    raise ConfigError(
        f"--item does items in this process, but workers of kind {settings.kind} run elsewhere; take a recipe of kind "
        "local or local_cuda (it gives device and threads), or leave --item out"
    )


@contextmanager
def _joined(context: Context, element: Element, planned: Sequence[Planned]) -> Iterator[None]:
    """Be known as a running element; the first one tidies what dead processes left.

    Raises
    ------
    StoreBusyError
        If the same element is running, or others with other settings or inputs.
    """
    store, mine = context.store, _digest(context)
    with ExitStack() as joined:
        with allocation_lock(store):
            others = {key: who for (kind, key), who in holders(store).items() if kind == ELEMENT}
            for key, who in others.items():
                if who.digest != mine:
                    raise StoreBusyError(
                        f"{store.root}: element {key} ({who}) is running here with other settings, recordings or "
                        "versions of libraries; wait for it to end, or choose another output folder"
                    )
            if str(element) in others:
                raise StoreBusyError(
                    f"{store.root}: element {element} is running here already ({others[str(element)]})"
                )
            if not others:
                wait_for_orphans(store)
                sweep(store.root)
                take_back_met_damage(context, planned)
            joined.enter_context(claim(store, ELEMENT, str(element), digest=mine))
        yield


def _digest(context: Context) -> str:
    """Hash what must be the same for all elements that run together."""
    return digest(
        [
            context.study.model_dump(mode="json"),
            {name: table.model_dump(mode="json") for name, table in context.tables.items()},
            asdict(result_grid(context)),
            [p.fingerprint for p in survey(context, STAGES[0])],
            library_versions("numpy", "scipy"),
        ]
    )


class _ElementRun(Run):
    """An element's run: a plain loop over items that it claims one by one."""

    def __init__(
        self,
        context: Context,
        recipe: Recipe,
        planned: Sequence[Planned],
        watcher: Watcher | None,
        element: Element,
    ) -> None:
        super().__init__(context, recipe, planned, watcher)
        self._element = element
        self._mine: set[Item] = set()
        self._failed_before: dict[Item, Failure | None] = {}

    @contextmanager
    def _workers(self) -> Iterator[None]:
        assert self.recipe is not None
        with networks_let_go(self.recipe.device):
            self._started(f"element {self._element}", self.recipe.device, {}, None)
            yield

    def _planned(self, stage: str) -> list[Planned]:
        store = self.context.store
        with allocation_lock(store):
            planned = prepare(self.context, stage, self.report.removed)
        self._mine = {p.item for k, p in enumerate(planned) if self._element.owns(k)}
        self._failed_before = {
            p.item: read_failure(store, stage, p.item.key) for p in planned if p.state is State.FAILED
        }
        return planned

    def _outcomes(self, stage: str, todo: Sequence[Planned]) -> Iterator[Outcome]:
        assert self.recipe is not None
        device, limit = self.recipe.device, self.recipe.item_limit
        left = tasks(self.context, todo, device=device, run=self.folder, limit=limit)
        left.sort(key=lambda task: task.item not in self._mine)
        pause, said = FIRST_WAIT, ""
        while left:
            taken = []
            for task in left:
                outcome = self._settled(task) or self._attempt(task)
                if outcome is None:
                    taken.append(task)
                elif outcome.ok and outcome.execution.run != self.folder.name:
                    self.report.elsewhere[stage] = self.report.elsewhere.get(stage, 0) + 1
                    self._tell(ItemEnded(outcome))
                else:
                    yield outcome
            pause = FIRST_WAIT if len(taken) < len(left) else min(2 * pause, LONGEST_WAIT)
            left = taken
            if left:
                said = self._say_what_it_waits_for(left, said)
                time.sleep(pause)

    def _settled(self, task: Task) -> Outcome | None:
        """Return how an item ended for another element; None if it is to be done.

        What had failed when this element came to the stage is tried again by the one whose share it is.
        """
        store, item = self.context.store, task.item
        receipt = read_receipt(store, item.stage, item.key)
        if receipt is not None and receipt.covers(task.fingerprint):
            return Outcome.of_receipt(item, receipt)
        failure = read_failure(store, item.stage, item.key)
        if failure is None or failure.fingerprint != task.fingerprint or is_claimed(store, item.stage, item.key):
            return None
        if item in self._mine and failure == self._failed_before.get(item):
            return None
        return Outcome(item, failure.message)

    def _attempt(self, task: Task) -> Outcome | None:
        """Do an item unless another element is running it; an unexpected error fails it after the study's attempts."""
        attempts, message = self.context.study.attempts, ""
        for tried in range(1, attempts + 1):
            try:
                return execute_if_free(task)
            except Exception as error:
                logger.warning("%s %s", task.item.stage, task.item.key, exc_info=True)
                message = f"{type(error).__name__}: {error} (tried {tried} times)"
        return fail(task, message)

    def _say_what_it_waits_for(self, taken: Sequence[Task], said: str) -> str:
        """Say once that others are running all that is left; return what was said."""
        running = holders(self.context.store)
        stage, key = taken[0].item.stage, taken[0].item.key
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        text = (
            f"waits for {stage} {key}{more}, which other elements are running: {running.get((stage, key), 'just done')}"
        )
        if text != said:
            self._tell(Waits(text))
        return text

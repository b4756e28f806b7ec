"""One element of a plain job array: the same items into the same store, without a scheduler process.

Each element does its own share of a stage first, then what is left of the shares of others. It starts the next stage
when no element is running an item of this one. The items of an element that dies are done by the others.
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
from distributed_trf.clusters.thread_limits import limited_threads
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, StoreBusyError
from distributed_trf.features.network import networks_let_go
from distributed_trf.pipeline.allocate import result_grid
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.events import ItemEnded, Waits, Watcher
from distributed_trf.pipeline.execute import Outcome, Task, execute_if_free, fail
from distributed_trf.pipeline.items import STAGES, Item
from distributed_trf.pipeline.memory_check import check_devices, check_memory
from distributed_trf.pipeline.prepare import prepare, revoke_reported_damage, tasks
from distributed_trf.pipeline.run import Run, nothing_to_do
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.source_check import check_sources
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
    total: int
    """Elements of the array."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/N``.

        Raises
        ------
        ConfigError
            If it is not two whole numbers with 1 <= I <= N.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if match is None:
            raise ConfigError(f"--item {text}: expected I/N, such as 3/8 for the third of eight elements")
        number, total = int(match[1]), int(match[2])
        if not 1 <= number <= total:
            counts = "; elements count from 1 here, so submit the array as 1-N" if number == 0 else ""
            raise ConfigError(f"--item {text}: expected 1 <= I <= N{counts}")
        return cls(number, total)

    def owns(self, position: int) -> bool:
        """Tell whether an item belongs to this element's share, by its position in the stage."""
        return position % self.total == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.total}"


def run_element(
    study: StudySettings, element: Element, recipe: str | Path | Recipe = "local", *, watcher: Watcher | None = None
) -> Report:
    """Do one element's share of a study, then what others have left; see ``Study.run``.

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
    settings = _recipe_for_one_process(recipe)
    planned = survey_all(context)
    check_memory(context, planned, settings)
    check_sources(context, planned)
    if settings.device != "cpu":  # fail now if this process has no GPU, or too small a GPU
        from distributed_trf.clusters.worker_proof import checked, prove

        check_devices(context, planned, checked([prove(settings.device)]))
    StudyStore.create(study.output)
    with limited_threads(settings.threads), element_lock(context.store), _joined(context, element, planned):
        with allocation_lock(context.store):
            report = nothing_to_do(context, planned)
        return report or _ElementRun(context, settings, planned, watcher, element).go()


def _recipe_for_one_process(recipe: str | Path | Recipe) -> LocalRecipe | LocalCudaRecipe:
    """Return the recipe for one process, which has all memory of the machine.

    Raises
    ------
    ConfigError
        If the recipe starts workers elsewhere.
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
    """Hold the lock of this element; the first element removes what dead processes left.

    Raises
    ------
    StoreBusyError
        If the same element is running, or others with other settings or inputs.
    """
    store, own_digest = context.store, _digest(context)
    with ExitStack() as joined:
        with allocation_lock(store):
            others = {key: holder for (kind, key), holder in holders(store).items() if kind == ELEMENT}
            for key, holder in others.items():
                if holder.digest != own_digest:
                    raise StoreBusyError(
                        f"{store.root}: element {key} ({holder}) is running here with other settings, recordings or "
                        "versions of libraries; wait for it to end, or choose another output folder"
                    )
            if str(element) in others:
                raise StoreBusyError(
                    f"{store.root}: element {element} is running here already ({others[str(element)]})"
                )
            if not others:
                wait_for_orphans(store)
                sweep(store.root)
                revoke_reported_damage(context, planned)
            joined.enter_context(claim(store, ELEMENT, str(element), digest=own_digest))
        yield


def _digest(context: Context) -> str:
    """Hash the settings and inputs that all running elements must share."""
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
        self, context: Context, recipe: Recipe, planned: Sequence[Planned], watcher: Watcher | None, element: Element
    ) -> None:
        super().__init__(context, recipe, planned, watcher)
        self._element = element
        self._own_items: set[Item] = set()
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
        self._own_items = {p.item for k, p in enumerate(planned) if self._element.owns(k)}
        self._failed_before = {
            p.item: read_failure(store, stage, p.item.key) for p in planned if p.state is State.FAILED
        }
        return planned

    def _outcomes(self, stage: str, todo: Sequence[Planned]) -> Iterator[Outcome]:
        assert self.recipe is not None
        device, limit = self.recipe.device, self.recipe.item_limit
        left = tasks(self.context, todo, device=device, run=self.folder, limit=limit)
        left.sort(key=lambda task: task.item not in self._own_items)
        pause, message = FIRST_WAIT, ""
        while left:
            busy = []
            for task in left:
                outcome = self._known_outcome(task) or self._attempt(task)
                if outcome is None:
                    busy.append(task)
                elif outcome.ok and outcome.execution.run != self.folder.name:
                    self.report.elsewhere[stage] = self.report.elsewhere.get(stage, 0) + 1
                    self._tell(ItemEnded(outcome))
                else:
                    yield outcome
            pause = FIRST_WAIT if len(busy) < len(left) else min(2 * pause, LONGEST_WAIT)
            left = busy
            if left:
                message = self._report_waiting(left, message)
                time.sleep(pause)

    def _known_outcome(self, task: Task) -> Outcome | None:
        """Return how an item ended in another element; None if it must still be done.

        An item that had failed before this element reached the stage is tried again by the element that owns it.
        """
        store, item = self.context.store, task.item
        receipt = read_receipt(store, item.stage, item.key)
        if receipt is not None and receipt.covers(task.fingerprint):
            return Outcome.of_receipt(item, receipt)
        failure = read_failure(store, item.stage, item.key)
        if failure is None or failure.fingerprint != task.fingerprint or is_claimed(store, item.stage, item.key):
            return None
        if item in self._own_items and failure == self._failed_before.get(item):
            return None
        return Outcome(item, failure.message)

    def _attempt(self, task: Task) -> Outcome | None:
        """Do an item unless another element is running it; it fails after the study's number of unexpected errors."""
        attempts, message = self.context.study.attempts, ""
        for tried in range(1, attempts + 1):
            try:
                return execute_if_free(task)
            except Exception as error:
                logger.warning("%s %s", task.item.stage, task.item.key, exc_info=True)
                message = f"{type(error).__name__}: {error} (tried {tried} times)"
        return fail(task, message)

    def _report_waiting(self, busy: Sequence[Task], last_message: str) -> str:
        """Report, if it is news, that other elements are running all remaining items; return the message."""
        running = holders(self.context.store)
        stage, key = busy[0].item.stage, busy[0].item.key
        more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
        text = (
            f"waits for {stage} {key}{more}, which other elements are running: {running.get((stage, key), 'just done')}"
        )
        if text != last_message:
            self._tell(Waits(text))
        return text

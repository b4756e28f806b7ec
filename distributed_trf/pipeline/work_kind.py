"""What there is to say of a kind of work item: a record for each, in its stage's file; ``work`` gathers them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from distributed_trf.config.study import StudySettings
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.pipeline.costs.operations import Cost
from distributed_trf.pipeline.findings import Finding
from distributed_trf.pipeline.items import Analysis, Item, ReadSession
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.store.receipts import Receipt
from distributed_trf.store.study_store import StudyStore

I = TypeVar("I", bound=Item)  # noqa: E741  an item
F = TypeVar("F", bound=Finding)
T = TypeVar("T")
Inputs = dict[str, Any]
"""What an item depends on, by name: anything that JSON can hold. Its fingerprint has a digest of each."""
ReleaseSlot = Callable[[], None]
"""Gives back the slot of a task on its worker, as ``distributed.secede`` does; the task goes on beside the next."""


def keep_slot() -> None:
    """Keep the slot: what a plain loop does."""


class Waiting(Exception):  # noqa: N818  nothing is wrong
    """Something that an item depends on is not there yet; the text says what."""


class Upstream(Protocol):
    """What the inputs of an item are asked of: the study, and the receipts of items that come before."""

    @property
    def context(self) -> Context:
        """The study."""

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and what it vouches for is there."""

    def require(self, item: Item) -> Receipt:
        """Return the receipt of an item.

        Raises
        ------
        Waiting
            If the item is not done.
        """

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others go on without it."""

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what several items have in common, made by the first that asks for it."""


@dataclass(frozen=True)
class Job:
    """What an item is done with."""

    study: StudySettings
    tables: Mapping[str, NetworkTable]
    """Of the study's networks."""
    store: StudyStore
    device: str
    open_recordings: Callable[[], RecordingSet]
    """Opened once in a process for a run."""
    fingerprint: Mapping[str, str]
    """Of the item."""
    parts: Collection[str]
    """Names in the fingerprint of the parts that are to be made, of an item that has parts."""
    release_slot: ReleaseSlot = keep_slot


def network_and_stage(item: Any) -> str:
    """Name the tasks of a network: networks differ in how long they take.

    They stand first, since bars show a dozen letters; Dask cuts a name at a hyphen that no word follows.
    """
    return f"{item.network.replace('-', '_')} {item.stage}"


def analysis_group(item: Analysis, context: Context) -> Iterator[Path]:
    """Name the group of its own that an analysis writes."""
    yield context.store.analysis(item.key)


def lags_and_ridge(item: Any, study: StudySettings) -> Inputs:
    """Return the settings that any analysis by fits depends on."""
    return {"lags": study.lags.model_dump(), "ridge": study.ridge.model_dump(exclude={"unit_block"})}


def _no_check(context: Context) -> None:
    """Nothing but what ``check_study`` looks at."""


@dataclass(frozen=True)
class WorkKind(Generic[I, F]):
    """One kind of work item."""

    item: type[I]
    finding: type[F]
    """What its receipt holds."""
    items: Callable[[ItemSource], Iterable[Item]]
    """Lists the items that a study has of this kind, and of others that the same settings ask for."""
    inputs: Callable[[I, Upstream], Inputs]
    """What an item depends on; may raise ``Waiting``."""
    outputs: Callable[[I, Context], Iterator[Path]]
    """Groups that an item writes, or writes a part of, but for the results."""
    cost: Callable[[Context, I, str], Cost]
    """What an item takes on a device, ``cpu`` or ``cuda``."""
    run: Callable[[I, Job], F]
    """Does an item, and returns what its receipt holds."""
    settings: Callable[[I, StudySettings], Inputs] = lags_and_ridge
    """Those of the inputs that settings alone decide: they can be held against a receipt without the recordings."""
    label: Callable[[I], str] = lambda item: item.stage
    """What an item is called among others of its stage on a dashboard."""
    smaller: str = "fewer layers or a smaller `ridge.unit_block`"
    """What makes an item take less memory, to follow 'choose'."""
    smaller_on_gpu: str = "a smaller `ridge.unit_block`, fewer lags or longer bins, or a GPU with more memory"
    uses_networks: bool = False
    """Whether it runs a network, which then stays on a GPU; others make room there before they begin."""
    check: Callable[[Context], None] = _no_check
    """Checks what a study asks for of this kind; raises ConfigError."""

    @property
    def stage(self) -> str:
        """The stage of its items."""
        return self.item.stage

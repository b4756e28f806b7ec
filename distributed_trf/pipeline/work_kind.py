"""What a stage returns and a receipt holds: a frozen dataclass for each kind of work item, written in its stage's file.

A receipt is JSON. Its ``details`` hold the fields of the kind's ``Finding`` under their names, then those of the
``Execution``. A field that a receipt of an earlier release lacks has its default. Where the meaning of a field changes,
``version`` is raised: the JSON says a version only once it is above 1, so that receipts written before there was one
are those of version 1, and their bytes stay as they are.

What there is to say of a kind of work item: a record for each, in its stage's file; ``work`` gathers them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import StoreError
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import Analysis, Item, ReadSession
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.store.receipts import Receipt
from distributed_trf.store.study_store import StudyStore

Files = dict[str, dict[str, str]]
"""Digest of each file that an item wrote, by group of arrays and by path in the group."""
VERSION = "version"
_LEFT_OUT = "left out if none"


@dataclass(frozen=True)
class Remarks:
    """What a run, its log and its pages tell of an item that is done, whatever its kind."""

    fitted: bool = False
    """Whether units were fitted, of which ``median_r`` tells."""
    median_r: float | None = None
    """Median test correlation over units; None if none varies."""
    notes: Sequence[str] = ()
    """What was left out of the recordings while reading."""
    doubts: Sequence[str] = ()
    """What in the recordings does not fit together."""
    unused_presentations: int = 0
    constant_units: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    parts: int = 1
    """In how many passes a batch of sounds went through a network."""
    fallbacks: Sequence[str] = ()
    """Factorisations that failed their check."""


def left_out_if_none() -> Any:
    """Make a field of a ``Finding`` that is not written where it is None."""
    return field(default=None, metadata={_LEFT_OUT: True})


@dataclass(frozen=True)
class Finding:
    """What an item found, beside what it wrote into the study's folder. The order of fields is that of the JSON."""

    version: ClassVar[int] = 1

    def remarks(self) -> Remarks:
        """Return what is told of the item beyond that it is done."""
        return Remarks()

    def to_json(self) -> dict[str, Any]:
        """Return what a receipt holds of it."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        absent = {f.name for f in fields(self) if f.metadata.get(_LEFT_OUT) and told[f.name] is None}
        versioned = {VERSION: self.version} if self.version > 1 else {}
        return versioned | {name: value for name, value in told.items() if name not in absent}

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Read it back from a receipt.

        Raises
        ------
        StoreError
            If the receipt is of another version.
        """
        written = receipt.details.get(VERSION, 1)
        if written != cls.version:
            raise StoreError(
                f"a receipt holds a {cls.__name__} of version {written}, but this distributed_trf reads version "
                f"{cls.version}; use the version that wrote it, or choose another output folder and run again"
            )
        return cls(**_known(cls, receipt.details))


@dataclass(frozen=True)
class Execution:
    """Where, when and how long an item was done."""

    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds by name of what was timed."""
    process_peak_mib: int = 0
    device: str = ""
    host: str = ""
    process: int = 0
    run: str = ""
    """Name of the run's folder."""
    finished: str = ""
    """In UTC."""

    def to_json(self) -> dict[str, Any]:
        """Return what a receipt holds of it."""
        return asdict(self)

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Read it back from a receipt."""
        return cls(**_known(cls, receipt.details))


def _known(cls: type[Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a class that there are, where those that are not have a default."""
    lacking = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    assert not lacking, f"{cls.__name__}: give {', '.join(lacking)} a default, for receipts without"
    return {f.name: details[f.name] for f in fields(cls) if f.name in details}


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

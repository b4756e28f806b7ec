"""The record of a kind of work item: how its items are listed, what they depend on, write, cost and return.

Each kind has its ``WorkKind`` and its ``Finding`` in the file of its stage; ``work`` has the table of all kinds. A
``Finding`` is what an item returns and its receipt holds. A receipt is JSON: its ``details`` hold the fields of the
``Finding`` by name, then those of the ``Execution``. A field that an older receipt lacks has its default. If the
meaning of a field changes, ``version`` is raised. The JSON holds a version only above 1, so receipts without it are of
version 1, and their bytes do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import StoreError
from distributed_trf.features.table import NetworkTable
from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import ANALYSE, Analysis, Item, ReadSession
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
    """What a run, its log and its pages report about a done item of any kind."""

    fitted: bool = False
    """Whether units were fitted, so that ``median_r`` holds."""
    median_r: float | None = None
    """Median test correlation over units; None if no unit varies."""
    notes: Sequence[str] = ()
    """What was left out of the recordings while reading, and what could not be measured."""
    doubts: Sequence[str] = ()
    """What looks inconsistent in the recordings."""
    unused_presentations: int = 0
    constant_units: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    parts: int = 1
    """Number of forward passes for a batch of sounds."""
    fallbacks: Sequence[str] = ()
    """Factorisations that failed their check."""
    upsampled: str | None = None
    """Rates from and to which sounds were resampled, if the network's is the higher."""
    features: Sequence[str] = ()
    """What was done to features of one's own so that they fit their sounds, and what storing takes of features."""


def left_out_if_none() -> Any:
    """Make a field of a ``Finding`` that is not written if it is None."""
    return field(default=None, metadata={_LEFT_OUT: True})


@dataclass(frozen=True)
class Finding:
    """What an item returns and its receipt holds. The JSON has the fields in the same order."""

    version: ClassVar[int] = 1

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks()

    def to_json(self) -> dict[str, Any]:
        """Return the fields for a receipt."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        absent = {f.name for f in fields(self) if f.metadata.get(_LEFT_OUT) and values[f.name] is None}
        versioned = {VERSION: self.version} if self.version > 1 else {}
        return versioned | {name: value for name, value in values.items() if name not in absent}

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Read it from a receipt.

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
        """Return the fields for a receipt."""
        return asdict(self)

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Read it from a receipt."""
        return cls(**_known(cls, receipt.details))


def _known(cls: type[Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a class that a receipt holds; the others must have a default."""
    lacking = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    assert not lacking, f"{cls.__name__}: give {', '.join(lacking)} a default, for receipts without"
    return {f.name: details[f.name] for f in fields(cls) if f.name in details}


I = TypeVar("I", bound=Item)  # noqa: E741  an item
F = TypeVar("F", bound=Finding)
T = TypeVar("T")
Inputs = dict[str, Any]
"""What an item depends on, by name, as JSON values; its fingerprint has a digest of each value."""
ReleaseSlot = Callable[[], None]
"""Releases the slot of a task on its worker, as ``distributed.secede`` does: the next task starts meanwhile."""


def keep_slot() -> None:
    """Keep the slot, in a plain loop."""


class Waiting(Exception):  # noqa: N818  nothing is wrong
    """An input of an item does not exist yet; the text says which."""


class Upstream(Protocol):
    """Where the inputs of an item come from: the study, and the receipts of earlier items."""

    @property
    def context(self) -> Context:
        """The study."""

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and the item's output exists."""

    def require(self, item: Item) -> Receipt:
        """Return the receipt of an item.

        Raises
        ------
        Waiting
            If the item is not done.
        """

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others continue without it."""

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return a value that several items use; it is made once, for the first of them."""


@dataclass(frozen=True)
class Job:
    """What an item needs to run."""

    study: StudySettings
    tables: Mapping[str, NetworkTable]
    """Tables of the study's networks."""
    store: StudyStore
    device: str
    open_recordings: Callable[[], RecordingSet]
    """Opens the recordings, once per process and run."""
    fingerprint: Mapping[str, str]
    """Fingerprint of the item."""
    parts: Collection[str]
    """Names, in the fingerprint, of the parts to be made, if the item has parts."""
    release_slot: ReleaseSlot = keep_slot


def network_and_stage(item: Any) -> str:
    """Name tasks on the dashboard by network, since networks differ in how long they take.

    The network comes first, since bars show a dozen letters. Dask cuts a name at a hyphen that no word follows.
    """
    return f"{item.network.replace('-', '_')} {item.stage}"


def analysis_group(item: Analysis, context: Context) -> Iterator[Path]:
    """Yield the group that an analysis writes."""
    yield context.store.analysis(item.key)


def lags_and_ridge(item: Any, study: StudySettings) -> Inputs:
    """Return the settings that every analysis with fits depends on."""
    ridge = study.ridge.model_dump(exclude={"unit_block"})
    return {"lags": study.lags.model_dump(), "ridge": ridge, **study.test.inputs()}


def _tables(item: Item, context: Context) -> Iterable[str]:
    """Name what stores analyses."""
    return ("xarray", "dask.array") if item.stage == ANALYSE else ()


def _no_check(context: Context) -> None:
    """Check nothing beyond ``check_study``."""


@dataclass(frozen=True)
class WorkKind(Generic[I, F]):
    """One kind of work item."""

    item: type[I]
    finding: type[F]
    """Class of what its receipt holds."""
    items: Callable[[ItemSource], Iterable[Item]]
    """Lists the items of this kind in a study, and of other kinds that the same settings define."""
    inputs: Callable[[I, Upstream], Inputs]
    """What an item depends on; may raise ``Waiting``."""
    outputs: Callable[[I, Context], Iterator[Path]]
    """Groups that an item writes, wholly or in part, except the results."""
    cost: Callable[[Context, I, str], Cost]
    """What an item needs on a device, ``cpu`` or ``cuda``."""
    run: Callable[[I, Job], F]
    """Runs an item, and returns what its receipt holds."""
    settings: Callable[[I, StudySettings], Inputs] = lags_and_ridge
    """The inputs that settings alone decide; they can be compared with a receipt without the recordings."""
    label: Callable[[I], str] = lambda item: item.stage
    """Name of an item's tasks on the dashboard."""
    smaller: str = "fewer layers or a smaller `ridge.unit_block`"
    """What makes an item need less memory; follows the word 'choose'."""
    smaller_on_gpu: str = "a smaller `ridge.unit_block`, fewer lags or longer bins, or a GPU with more memory"
    uses_networks: bool = False
    """Whether it runs a network, which then stays on the GPU; other kinds may release networks first."""
    loads: Callable[[I, Context], Iterable[str]] = _tables
    """Modules that an item loads, beside those of every item, and that take half a second or more."""
    check: Callable[[Context], None] = _no_check
    """Checks the settings of this kind in a study; raises ConfigError."""

    @property
    def stage(self) -> str:
        """The stage of its items."""
        return self.item.stage

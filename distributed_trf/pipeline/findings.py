"""What a stage returns and a receipt holds: a frozen dataclass for each kind of work item, written in its stage's file.

A receipt is JSON. Its ``details`` hold the fields of the kind's ``Finding`` under their names, then those of the
``Execution``. A field that a receipt of an earlier release lacks has its default. Where the meaning of a field changes,
``version`` is raised: the JSON says a version only once it is above 1, so that receipts written before there was one
are those of version 1, and their bytes stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

from distributed_trf.errors import StoreError
from distributed_trf.store.receipts import Receipt

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

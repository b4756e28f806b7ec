"""Receipts: a work item is done when its receipt is there, and only then."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_trf.store.atomic import write_json
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.study_store import StudyStore

PART = ": "
"""In the name of what only a part of an item's output depends on, such as ``layer: 3``; the part's digest is known by
what follows. Parts are added to those that are there, which stay when a study does not ask for them any more."""


@dataclass(frozen=True)
class Receipt:
    """What is known of a work item that was done, or that failed for good."""

    fingerprint: dict[str, str]
    """Digest of each thing the item depends on."""
    details: dict[str, Any]
    """What was measured or found, or the reason of a failure."""

    @property
    def digest(self) -> str:
        """One hash of all that the item depends on."""
        return digest(self.fingerprint)

    def changed(self, expected: dict[str, str]) -> list[str]:
        """Name the things that are not as they were; parts that are made and not asked for now do not count."""
        names = sorted({*expected, *(name for name in self.fingerprint if PART not in name)})
        return [name for name in names if expected.get(name) != self.fingerprint.get(name)]

    def covers(self, expected: dict[str, str]) -> bool:
        """Tell whether it vouches for all that is expected, and perhaps for other parts beside."""
        return not self.changed(expected)

    def lacks(self, expected: dict[str, str]) -> list[str]:
        """Name the parts that are still to be made, where all the rest is as expected; none where it is not."""
        changed = self.changed(expected)
        new = [name for name in changed if PART in name and name not in self.fingerprint]
        return new if new == changed else []

    def with_parts(self, new: Receipt) -> Receipt:
        """Return a receipt for parts that were made before, and for others of the same item that were made now."""
        digests = {**self.details["digests"], **new.details["digests"]}
        return Receipt({**self.fingerprint, **new.fingerprint}, {**new.details, "digests": digests})

    def only(self, parts: Collection[str]) -> Receipt:
        """Return a receipt for some parts alone, given what follows ``PART`` in their names; others have no parts."""
        left = {name: d for name, d in self.fingerprint.items() if PART not in name or name.split(PART)[1] in parts}
        if left == self.fingerprint:
            return self
        digests = {part: found for part, found in self.details["digests"].items() if part in parts}
        return Receipt(left, {**self.details, "digests": digests})


def read_receipt(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return the receipt of an item, or None if it has none; a torn file is no receipt."""
    return _read(store.receipts / stage / f"{key}.json")


def write_receipt(store: StudyStore, stage: str, key: str, receipt: Receipt) -> None:
    """Say that an item is done; the last thing that its task does. An earlier failure is forgotten."""
    _write(store.receipts / stage / f"{key}.json", receipt)
    (store.failures / stage / f"{key}.json").unlink(missing_ok=True)


def revoke_receipt(store: StudyStore, stage: str, key: str) -> None:
    """Take back a receipt before anything that it vouches for is overwritten."""
    (store.receipts / stage / f"{key}.json").unlink(missing_ok=True)


def read_failure(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return why an item failed, or None if it did not."""
    return _read(store.failures / stage / f"{key}.json")


def write_failure(store: StudyStore, stage: str, key: str, failure: Receipt) -> None:
    """Remember why an item failed for good."""
    _write(store.failures / stage / f"{key}.json", failure)


def _read(path: Path) -> Receipt | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Receipt(found["fingerprint"], found["details"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, receipt: Receipt) -> None:
    write_json(path, {"fingerprint": receipt.fingerprint, "details": receipt.details})

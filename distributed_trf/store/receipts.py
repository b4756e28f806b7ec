"""Small JSON files that carry a digest of themselves and of their place: one that was changed, or moved, is known.

Receipts: a work item is done when its receipt is there, and only then.

A receipt vouches for all that its item wrote: it holds a digest of each file.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.store.atomic import write_text
from distributed_trf.store.fingerprint import digest, digest_bytes
from distributed_trf.store.study_store import StudyStore

FIELD = "digest"


def write_record(path: Path, root: Path, content: Mapping[str, Any]) -> None:
    """Write a record below the folder ``root``, which may be moved as a whole; it appears whole or not at all."""
    write_text(path, record_text(path, root, content))


def record_text(path: Path, root: Path, content: Mapping[str, Any]) -> str:
    """Return the text of a record."""
    blank = json.dumps({FIELD: "", **content}, indent=1, allow_nan=False)
    return blank.replace(_field(""), _field(_digest(path, root, blank)), 1)


def read_record(path: Path, root: Path, remedy: str) -> dict[str, Any] | None:
    """Read a record; None if there is none.

    Raises
    ------
    DamagedError
        If it is not what was written here, with what to do.
    """
    try:
        text = path.read_bytes().decode()
        content = json.loads(text)
        found = content.pop(FIELD)
        if found == _digest(path, root, text.replace(_field(found), _field(""), 1)):
            return dict(content)
        why = "its content is not what was written"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        why = f"not a record ({error})"
    raise DamagedError(f"{path}: damaged, {why}; {remedy}", path)


def _field(digest: str) -> str:
    return f'"{FIELD}": "{digest}"'


def _digest(path: Path, root: Path, text: str) -> str:
    return digest_bytes(f"{path.relative_to(root).as_posix()}\n{text}".encode())


PART = ": "
"""In the name of what only a part of an item's output depends on, such as ``layer: 3``; the part's digest is known by
what follows. Parts are added to those that are there, which stay when a study does not ask for them any more."""
READ, ASSESS, EXTRACT, FIT, ANALYSE = "read", "assess", "extract", "fit", "analyse"
"""Stages, each with a folder of receipts."""
SPIKES = "spikes"
"""Receipts of spikes, which are kept where a session is binned anew."""
REMEDY = "`dtrf run STUDY` does its item again"


@dataclass(frozen=True)
class Receipt:
    """What is known of a work item that was done."""

    fingerprint: dict[str, str]
    """Digest of each thing the item depends on."""
    details: dict[str, Any]
    """What was found, as JSON; the kind of the item says what that is."""

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Digest of each file that the item wrote, by group of arrays and by path in the group.

        Two digests with a space between them are of a file that was about to be replaced.
        """
        found: dict[str, dict[str, str]] = self.details.get("files", {})
        return found

    @property
    def digests(self) -> dict[str, str]:
        """Digest of the content of each part that the item made, by what follows ``PART`` in its name."""
        found: dict[str, str] = self.details["digests"]
        return found

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
        digests = {**self.digests, **new.digests}
        files = {g: {**self.files.get(g, {}), **new.files.get(g, {})} for g in {**self.files, **new.files}}
        return Receipt({**self.fingerprint, **new.fingerprint}, {**new.details, "digests": digests, "files": files})

    def with_files(self, files: dict[str, dict[str, str]]) -> Receipt:
        """Return the same receipt, for files of other content."""
        return replace(self, details={**self.details, "files": files})

    def only(self, parts: Collection[str]) -> Receipt:
        """Return a receipt for some parts alone, given what follows ``PART`` in their names; others have no parts."""
        left = {name: d for name, d in self.fingerprint.items() if PART not in name or name.split(PART)[1] in parts}
        if left == self.fingerprint:
            return self
        digests = {part: found for part, found in self.digests.items() if part in parts}
        files = {
            group: {key: digest for key, digest in of.items() if _part(group, key) in {None, *parts}}
            for group, of in self.files.items()
        }
        files = {group: of for group, of in files.items() if of}
        return Receipt(left, {**self.details, "digests": digests, "files": files})


@dataclass(frozen=True)
class Failure:
    """What is known of a work item that failed for good."""

    fingerprint: dict[str, str]
    """Digest of each thing the item depends on."""
    message: str
    """Why it failed."""
    run: str = ""
    """Name of the run's folder."""
    damaged: str | None = None
    """Path of what is damaged, where that is why."""


def read_receipt(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return the receipt of an item, or None if it has none; a damaged file is no receipt."""
    try:
        return whole_receipt(store, stage, key)
    except DamagedError:
        return None


def whole_receipt(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return the receipt of an item, or None if it has none.

    Raises
    ------
    DamagedError
        If it is damaged.
    """
    return _read(store, _path(store, stage, key))


def has_receipt(store: StudyStore, stage: str, key: str) -> bool:
    """Tell whether an item has a receipt, be it damaged or not."""
    return _path(store, stage, key).exists()


def vouched_files(store: StudyStore, stage: str, key: str, path: Path) -> dict[str, str]:
    """Return the digests of the files of a group, by path in it, that the receipt of an item has.

    Raises
    ------
    StoreError
        If the item has no receipt, or one without them.
    DamagedError
        If it is damaged.
    """
    receipt = whole_receipt(store, stage, key)
    files = None if receipt is None else receipt.files.get(store.name(path))
    if files is None:
        raise StoreError(f"{path}: {stage} {key} is not done; run the study: dtrf run STUDY")
    return files


def receipts(store: StudyStore, stage: str, start: str = "") -> Iterator[tuple[str, Receipt]]:
    """Read the receipts of a stage, with their keys, which begin with ``start``.

    Raises
    ------
    DamagedError
        If one is damaged.
    """
    for path in sorted((store.receipts / stage).glob("*.json")):
        receipt = _read(store, path) if path.stem.startswith(start) else None
        if receipt is not None:
            yield path.stem, receipt


def written_by(store: StudyStore, stage: str, start: str = "") -> dict[Path, dict[str, str]]:
    """Return the groups that items of a stage wrote, each with the digests of its files.

    Raises
    ------
    DamagedError
        If a receipt is damaged.
    """
    return {
        store.root / group: files
        for _, receipt in receipts(store, stage, start)
        for group, files in receipt.files.items()
    }


def write_receipt(store: StudyStore, stage: str, key: str, receipt: Receipt) -> None:
    """Say that an item is done; the last thing that its task does. An earlier failure is forgotten."""
    _write(store, _path(store, stage, key), receipt)
    (store.failures / stage / f"{key}.json").unlink(missing_ok=True)


def revoke_receipt(store: StudyStore, stage: str, key: str) -> None:
    """Take back a receipt before anything that it vouches for is overwritten."""
    _path(store, stage, key).unlink(missing_ok=True)


def read_failure(store: StudyStore, stage: str, key: str) -> Failure | None:
    """Return why an item failed, or None if it did not; a damaged file tells nothing."""
    try:
        receipt = _read(store, store.failures / stage / f"{key}.json")
    except DamagedError:
        return None
    if receipt is None:
        return None
    said = receipt.details
    return Failure(receipt.fingerprint, str(said.get("message", "")), said.get("run", ""), said.get("damaged"))


def write_failure(store: StudyStore, stage: str, key: str, failure: Failure) -> None:
    """Remember why an item failed for good."""
    damaged = {} if failure.damaged is None else {"damaged": failure.damaged}
    details = {"message": failure.message, "run": failure.run, **damaged}
    _write(store, store.failures / stage / f"{key}.json", Receipt(failure.fingerprint, details))


def _path(store: StudyStore, stage: str, key: str) -> Path:
    return store.receipts / stage / f"{key}.json"


def _read(store: StudyStore, path: Path) -> Receipt | None:
    found = read_record(path, store.root, REMEDY)
    return None if found is None else Receipt(found["fingerprint"], found["details"])


def _write(store: StudyStore, path: Path, receipt: Receipt) -> None:
    write_record(path, store.root, {"fingerprint": receipt.fingerprint, "details": receipt.details})


def _part(group: str, key: str) -> str | None:
    """Return which part of its item's output a file belongs to; None if to all of it."""
    kind, *place = group.split("/")
    if kind == "features":
        return key.split("/")[0]
    return place[1].removesuffix("ms") if kind == "counts" else None

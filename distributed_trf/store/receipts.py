"""Receipts: a work item is done when its receipt exists, and only then.

A receipt holds a digest of each file that its item wrote, so these files can be verified. It is a record: a small JSON
file with a digest of its own content and path, so a changed or moved record is recognised as damaged.
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
PART = ": "
"""In the names of parts of an item's output that have a fingerprint of their own, such as ``layer: 3``. Parts are added
to those that exist; existing parts stay when a study does not request them any more."""
READ, ASSESS, EXTRACT, FIT, ANALYSE = "read", "assess", "extract", "fit", "analyse"
"""Stages; each has a folder of receipts."""
SPIKES = "spikes"
"""Receipts of spikes, which are kept when a session is binned again."""
REMEDY = "`dtrf run STUDY` does its item again"


def write_record(path: Path, root: Path, content: Mapping[str, Any]) -> None:
    """Write a record below the folder ``root``, which may be moved as a whole; it appears whole or not at all."""
    write_text(path, record_text(path, root, content))


def record_text(path: Path, root: Path, content: Mapping[str, Any]) -> str:
    """Return the text of a record."""
    blank = json.dumps({FIELD: "", **content}, indent=1, allow_nan=False)
    return blank.replace(_field(""), _field(_digest(path, root, blank)), 1)


def read_record(path: Path, root: Path, remedy: str) -> dict[str, Any] | None:
    """Read a record; None if it does not exist.

    Raises
    ------
    DamagedError
        If its content is not what was written, with the remedy.
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


@dataclass(frozen=True)
class Receipt:
    """The record of a work item that is done."""

    fingerprint: dict[str, str]
    """Digest of each input that the item depends on."""
    details: dict[str, Any]
    """The results of the item as JSON; their fields depend on the kind of item."""

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Digest of each file that the item wrote, by group of arrays and by path in the group.

        Two digests with a space between them belong to a file that was about to be replaced.
        """
        files: dict[str, dict[str, str]] = self.details.get("files", {})
        return files

    @property
    def digests(self) -> dict[str, str]:
        """Digest of the content of each part, by the text after ``PART`` in its name."""
        digests: dict[str, str] = self.details["digests"]
        return digests

    @property
    def digest(self) -> str:
        """One hash of the whole fingerprint."""
        return digest(self.fingerprint)

    def changed(self, expected: dict[str, str]) -> list[str]:
        """Name the inputs that have changed; parts that exist and are not requested now do not count."""
        names = sorted({*expected, *(name for name in self.fingerprint if PART not in name)})
        return [name for name in names if expected.get(name) != self.fingerprint.get(name)]

    def covers(self, expected: dict[str, str]) -> bool:
        """Tell whether the receipt covers everything that is expected; it may hold further parts."""
        return not self.changed(expected)

    def lacks(self, expected: dict[str, str]) -> list[str]:
        """Name the missing parts if everything else is as expected; otherwise return an empty list."""
        changed = self.changed(expected)
        new = [name for name in changed if PART in name and name not in self.fingerprint]
        return new if new == changed else []

    def with_parts(self, new: Receipt) -> Receipt:
        """Return a receipt for the parts of this one and the new parts of the same item."""
        digests = {**self.digests, **new.digests}
        files = {g: {**self.files.get(g, {}), **new.files.get(g, {})} for g in {**self.files, **new.files}}
        return Receipt({**self.fingerprint, **new.fingerprint}, {**new.details, "digests": digests, "files": files})

    def with_files(self, files: dict[str, dict[str, str]]) -> Receipt:
        """Return the same receipt with other digests of files."""
        return replace(self, details={**self.details, "files": files})

    def only(self, parts: Collection[str]) -> Receipt:
        """Return a receipt for some parts only, each given by the text after ``PART`` in its name."""
        left = {name: d for name, d in self.fingerprint.items() if PART not in name or name.split(PART)[1] in parts}
        if left == self.fingerprint:
            return self
        digests = {part: digest for part, digest in self.digests.items() if part in parts}
        files = {
            group: {key: digest for key, digest in members.items() if _part(group, key) in {None, *parts}}
            for group, members in self.files.items()
        }
        files = {group: members for group, members in files.items() if members}
        return Receipt(left, {**self.details, "digests": digests, "files": files})


@dataclass(frozen=True)
class Failure:
    """The record of a work item that failed for good."""

    fingerprint: dict[str, str]
    """Digest of each input that the item depends on."""
    message: str
    """Why it failed."""
    run: str = ""
    """Name of the run's folder."""
    damaged: str | None = None
    """Path of the damaged file or array, if that is the reason."""


def read_receipt(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return the receipt of an item, or None if it has none or a damaged one."""
    try:
        return read_intact_receipt(store, stage, key)
    except DamagedError:
        return None


def read_intact_receipt(store: StudyStore, stage: str, key: str) -> Receipt | None:
    """Return the receipt of an item, or None if it has none.

    Raises
    ------
    DamagedError
        If it is damaged.
    """
    return _read(store, _path(store, stage, key))


def has_receipt(store: StudyStore, stage: str, key: str) -> bool:
    """Tell whether an item has a receipt, damaged or not."""
    return _path(store, stage, key).exists()


def receipt_files(store: StudyStore, stage: str, key: str, path: Path) -> dict[str, str]:
    """Return the digests of a group's files, by path in the group, from the receipt of an item.

    Raises
    ------
    StoreError
        If the item has no receipt, or its receipt does not list the group.
    DamagedError
        If the receipt is damaged.
    """
    receipt = read_intact_receipt(store, stage, key)
    files = None if receipt is None else receipt.files.get(store.name(path))
    if files is None:
        raise StoreError(f"{path}: {stage} {key} is not done; run the study: dtrf run STUDY")
    return files


def receipts(store: StudyStore, stage: str, start: str = "") -> Iterator[tuple[str, Receipt]]:
    """Yield key and receipt of each item of a stage whose key begins with ``start``.

    Raises
    ------
    DamagedError
        If a receipt is damaged.
    """
    for path in sorted((store.receipts / stage).glob("*.json")):
        receipt = _read(store, path) if path.stem.startswith(start) else None
        if receipt is not None:
            yield path.stem, receipt


def written_groups(store: StudyStore, stage: str, start: str = "") -> dict[Path, dict[str, str]]:
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
    """Record that an item is done: the last step of its task. The record of an earlier failure is removed."""
    _write(store, _path(store, stage, key), receipt)
    (store.failures / stage / f"{key}.json").unlink(missing_ok=True)


def revoke_receipt(store: StudyStore, stage: str, key: str) -> None:
    """Remove a receipt before any file that it lists is overwritten."""
    _path(store, stage, key).unlink(missing_ok=True)


def read_failure(store: StudyStore, stage: str, key: str) -> Failure | None:
    """Return why an item failed, or None if it did not; a damaged record counts as none."""
    try:
        receipt = _read(store, store.failures / stage / f"{key}.json")
    except DamagedError:
        return None
    if receipt is None:
        return None
    details = receipt.details
    message = str(details.get("message", ""))
    return Failure(receipt.fingerprint, message, details.get("run", ""), details.get("damaged"))


def write_failure(store: StudyStore, stage: str, key: str, failure: Failure) -> None:
    """Record why an item failed for good."""
    damaged = {} if failure.damaged is None else {"damaged": failure.damaged}
    details = {"message": failure.message, "run": failure.run, **damaged}
    _write(store, store.failures / stage / f"{key}.json", Receipt(failure.fingerprint, details))


def _path(store: StudyStore, stage: str, key: str) -> Path:
    return store.receipts / stage / f"{key}.json"


def _read(store: StudyStore, path: Path) -> Receipt | None:
    record = read_record(path, store.root, REMEDY)
    return None if record is None else Receipt(record["fingerprint"], record["details"])


def _write(store: StudyStore, path: Path, receipt: Receipt) -> None:
    write_record(path, store.root, {"fingerprint": receipt.fingerprint, "details": receipt.details})


def _part(group: str, key: str) -> str | None:
    """Return the part of its item's output that a file belongs to; None if it belongs to all parts."""
    kind, *folders = group.split("/")
    if kind == "features":
        return key.split("/")[0]
    return folders[1].removesuffix("ms") if kind == "counts" else None

"""Damage done to files on disk, and changes that pass for what was written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from distributed_trf.store.allocation import read_allocation, write_allocation
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import read_receipt, write_receipt
from distributed_trf.store.study_store import StudyStore


def flip_a_bit(path: Path, byte: int) -> None:
    """Flip one bit of one byte, counted from either end."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 16
    path.write_bytes(content)


def vouch_for_changes(store: StudyStore, group: Path) -> None:
    """Take the files of a group, as a test has changed them, for those that were written."""
    laid = store.allocations / group.relative_to(store.root).with_suffix(".json")
    if laid.exists():
        was = read_allocation(store.root, group)
        write_allocation(store.root, group, replace(was, files={key: digest_file(group / key) for key in was.files}))
    for path in store.receipts.glob("*/*.json"):
        receipt = read_receipt(store, path.parent.name, path.stem)
        vouched = {} if receipt is None else receipt.files.get(store.name(group), {})
        if vouched and group != store.results:  # fits call their files by place
            files = {**receipt.files, store.name(group): {key: digest_file(group / key) for key in vouched}}
            write_receipt(store, path.parent.name, path.stem, receipt.with_files(files))


def forget_models(store: StudyStore) -> None:
    """Leave a study as one that saved no models."""
    for path in store.receipts.glob("fit/*.json"):
        receipt = read_receipt(store, "fit", path.stem)
        assert receipt is not None
        files = {group: of for group, of in receipt.files.items() if not group.startswith("models/")}
        write_receipt(store, "fit", path.stem, receipt.with_files(files))
    shutil.rmtree(store.root / "models")

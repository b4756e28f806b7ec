"""What each work item depends on, as fingerprints; upstream items count by the content they made.

Because an item depends on the *digests* of what earlier items wrote, reading a recording again whose bytes were only
touched, or extracting features again that come out the same, leaves everything after it valid.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.items import (
    Extract,
    Fit,
    Item,
    ReadSession,
)
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import kind_of
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.allocation import ROOT, read_allocation
from distributed_trf.store.fingerprint import fingerprint
from distributed_trf.store.receipts import SPIKES, Receipt, read_failure, read_receipt
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files

Fingerprint = dict[str, str]
T = TypeVar("T")


class Dependencies:
    """Fingerprints that the receipts of a study's items must carry.

    Parameters
    ----------
    context
        The study.

    Notes
    -----
    Receipts of earlier stages are read once each, so make a new object when they may have changed.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._done: dict[Item, Receipt | None] = {}
        self._expected: dict[Item, Fingerprint] = {}
        self._shared: dict[Hashable, Any] = {}
        """What items have in common, or the ``Waiting`` that it takes."""
        self._laid: dict[Path, DamagedError | None] = {}

    @property
    def context(self) -> Context:
        """The study."""
        return self._context

    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint an item's receipt must carry.

        Raises
        ------
        Waiting
            If it depends on an item that is not done.
        """
        if item not in self._expected:
            self._expected[item] = fingerprint(kind_of(item).inputs(item, self))
        return self._expected[item]

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and what it vouches for is there."""
        if item not in self._done:
            found = read_receipt(self._context.store, item.stage, item.key)
            try:
                valid = found is not None and found.covers(self.of(item)) and not self.gone(item, found)
            except Waiting:
                valid = False
            self._done[item] = found if valid else None
        return self._done[item]

    def require(self, item: Item) -> Receipt:
        """Return the receipt of an item.

        Raises
        ------
        Waiting
            If the item is not done.
        """
        receipt = self.receipt(item)
        if receipt is None:
            raise Waiting(f"waits for {item.stage} {item.key}")
        return receipt

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what several items have in common, made by the first that asks for it.

        Raises
        ------
        Waiting
            If it depends on an item that is not done.
        """
        if key not in self._shared:
            try:
                self._shared[key] = make()
            except Waiting as waiting:
                self._shared[key] = waiting
        found = self._shared[key]
        if isinstance(found, Waiting):
            raise Waiting(str(found))
        return found

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others go on without it."""
        failure = read_failure(self._context.store, item.stage, item.key)
        return failure is not None and failure.fingerprint == self.of(item)

    def gone(self, item: Item, receipt: Receipt) -> str:
        """Say what of that which an item wrote is damaged or gone, as far as metadata tells; nothing if it is well.

        Numbers are checked where they are read, and by a repair. A model is no part of the fingerprint, since it
        changes no number. It is missed only where the study asks for it.
        """
        store = self._context.store
        model, keeps = store.model(*item.cell) if isinstance(item, Fit) else None, self._context.study.save_models
        if model is not None and keeps and store.name(model) not in receipt.files:
            return "its model was not saved"
        if isinstance(item, ReadSession) and read_receipt(store, SPIKES, item.key) is None:
            return "the receipt of its spikes is damaged or gone"
        for group, files in receipt.files.items():
            path = store.root / group
            if path == model and not keeps:
                continue
            try:
                if isinstance(item, Extract | Fit) and path in (store.results, _features(store, item)):
                    self._check_laid(path)
                check_files(path, {key: digest for key, digest in files.items() if key.endswith(ROOT)})
            except DamagedError as error:
                return f"its output is {'damaged' if path.is_dir() else 'gone'} ({store.name(error.path)})"
        return ""

    def _check_laid(self, path: Path) -> None:
        """Make sure that what a driver made for items to write into is as it was made."""
        if path not in self._laid:
            try:
                check_files(path, read_allocation(self._context.store.root, path).files)
                self._laid[path] = None
            except DamagedError as error:
                self._laid[path] = error
        damaged = self._laid[path]
        if damaged is not None:
            raise damaged


def _features(store: StudyStore, item: Extract | Fit) -> Path:
    return store.features(item.stimuli, item.network, item.weights)

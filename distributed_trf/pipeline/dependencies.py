"""Fingerprints of what each work item depends on; items before it count by the digests of what they wrote.

A recording that is read again with the same content, or features that are extracted again with the same values,
therefore leave all later items valid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.items import Extract, Fit, Item, ReadSession
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import kind_of
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.allocation import ROOT, read_allocation
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.fingerprint import fingerprint
from distributed_trf.store.receipts import SPIKES, Receipt, read_failure, read_receipt
from distributed_trf.store.study_store import StudyStore

Fingerprint = dict[str, str]
T = TypeVar("T")


class Expected(ABC):
    """Fingerprints that the receipts of a study's items must carry; each receipt is read once."""

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._stored: dict[Item, Receipt | None] = {}
        self._done: dict[Item, Receipt | None] = {}

    @abstractmethod
    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint that an item's receipt must carry.

        Raises
        ------
        Waiting
            If it depends on an item that is not done.
        """

    def stored(self, item: Item) -> Receipt | None:
        """Return the receipt of an item, valid or not."""
        if item not in self._stored:
            self._stored[item] = read_receipt(self._store, item.stage, item.key)
        return self._stored[item]

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and the item's output exists."""
        if item not in self._done:
            stored = self.stored(item)
            try:
                valid = stored is not None and stored.covers(self.of(item)) and not self.gone(item, stored)
            except Waiting:
                valid = False
            self._done[item] = stored if valid else None
        return self._done[item]

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others continue without it."""
        failure = read_failure(self._store, item.stage, item.key)
        return failure is not None and failure.fingerprint == self.of(item)

    def gone(self, item: Item, receipt: Receipt) -> str:
        """Say which output of an item is damaged or gone; empty if none is known to be."""
        return ""


class Dependencies(Expected):
    """Fingerprints by the settings and inputs as they are now.

    Parameters
    ----------
    context
        The study.

    Notes
    -----
    Make a new object when receipts may have changed.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context.store)
        self._context = context
        self._expected: dict[Item, Fingerprint] = {}
        self._shared: dict[Hashable, Any] = {}
        """Values that several items use, or the ``Waiting`` that was raised for a value."""
        self._allocated: dict[Path, DamagedError | None] = {}

    @property
    def context(self) -> Context:
        """The study."""
        return self._context

    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint that an item's receipt must carry; raises ``Waiting`` if an input is not done."""
        if item not in self._expected:
            self._expected[item] = fingerprint(kind_of(item).inputs(item, self))
        return self._expected[item]

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
        """Return a value that several items use; it is made once, for the first of them.

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
        value = self._shared[key]
        if isinstance(value, Waiting):
            raise Waiting(str(value))
        return value

    def gone(self, item: Item, receipt: Receipt) -> str:
        """Say which output of an item is damaged or gone, by its metadata; empty if the output is intact.

        Numbers are verified when they are read, and by a repair. A model is no part of the fingerprint, since it
        changes no number; it is missing only if the study saves models.
        """
        store = self._store
        model, keeps = store.model(*item.cell) if isinstance(item, Fit) else None, self._context.study.save_models
        if model is not None and keeps and store.name(model) not in receipt.files:
            return "its model was not saved"
        spikes = store.name(store.spikes(item.stimuli, item.session)) if isinstance(item, ReadSession) else None
        if spikes in receipt.files and read_receipt(store, SPIKES, item.key) is None:
            return "the receipt of its spikes is damaged or gone"
        for group, files in receipt.files.items():
            path = store.root / group
            if path == model and not keeps:
                continue
            try:
                if isinstance(item, Extract | Fit) and path in (store.results, _features(store, item)):
                    self._check_allocation(path)
                check_files(path, {key: digest for key, digest in files.items() if key.endswith(ROOT)})
            except DamagedError as error:
                return f"its output is {'damaged' if path.is_dir() else 'gone'} ({store.name(error.path)})"
        return ""

    def _check_allocation(self, path: Path) -> None:
        """Verify the metadata of arrays that were allocated for items to write into, once for each group."""
        if path not in self._allocated:
            try:
                check_files(path, read_allocation(self._store.root, path).files)
                self._allocated[path] = None
            except DamagedError as error:
                self._allocated[path] = error
        damaged = self._allocated[path]
        if damaged is not None:
            raise damaged


def _features(store: StudyStore, item: Extract | Fit) -> Path:
    return store.features(item.stimuli, item.network, item.weights)

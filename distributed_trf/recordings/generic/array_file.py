"""Arrays in ``.npy``, ``.zarr`` and ``.h5`` files, of which parts are read; h5py is imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from distributed_trf.errors import MissingExtraError, RecordingError, in_one_line

SUFFIXES = (".npy", ".zarr", ".h5", ".hdf5")


@dataclass(frozen=True)
class ArrayFile:
    """A two-dimensional array of real numbers in a file."""

    path: Path
    dataset: str | None = None
    """Its path within the file, where that holds several."""

    def shape(self, rows: str) -> tuple[int, int]:
        """Return the shape (rows, channels).

        Parameters
        ----------
        rows
            What its rows are, for messages.

        Raises
        ------
        RecordingError
            If it is damaged, or no such array.
        MissingExtraError
            If h5py is needed and not installed.
        """
        with self.opened() as array:
            if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iuf":
                raise RecordingError(
                    f"{self.path}: an array of shape {tuple(array.shape)} and type {array.dtype}; expected real "
                    f"numbers of shape ({rows}, channels). Write it again"
                )
            return array.shape[0], array.shape[1]

    def stretches(self, spans: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Read rows from ``first`` to ``last - 1`` of each span in turn, as float64; nothing else is read."""
        with self.opened() as array:
            for first, last in spans:
                yield np.asarray(array[first:last], dtype=np.float64)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Open the array for reading; only a memory map of ``.npy``."""
        suffix = self.path.suffix.lower()
        try:
            if suffix == ".npy":
                yield np.load(self.path, mmap_mode="r", allow_pickle=False)
            elif suffix == ".zarr":
                yield self._inside(zarr.open(self.path, mode="r"), zarr.Array, zarr.Group)
            else:
                h5py = _h5py()
                with h5py.File(self.path, "r") as file:
                    yield self._inside(file, h5py.Dataset, h5py.Group)
        except (RecordingError, MissingExtraError):
            raise
        except Exception as error:  # the libraries raise whatever the damaged bytes lead them into
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise RecordingError(f"{self.path}: not a readable array ({in_one_line(error)}). Write it again") from error

    def _inside(self, node: Any, array: Any, group: Any) -> Any:
        """Return the array that is meant: the file itself, the dataset that is named, or the only one."""
        if self.dataset is None:
            if isinstance(node, array):
                return node
            found = {name: item for name, item in node.items() if isinstance(item, array)}
            if len(found) == 1:
                return next(iter(found.values()))
            named = f"the arrays {', '.join(found)}" if found else f"no array among {', '.join(node) or 'nothing'}"
            raise RecordingError(f"{self.path}: holds {named}; expected one. Name it in session.yaml, as dataset")
        item = node.get(self.dataset) if isinstance(node, group) else None
        if not isinstance(item, array):
            raise RecordingError(
                f"{self.path}: dataset {self.dataset!r}, which session.yaml names, is not an array in it. Correct it"
            )
        return item


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "hdf5", error) from error
    return h5py

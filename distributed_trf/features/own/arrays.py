"""Arrays of frames x features in files: ``.npy`` or ``.csv`` for each stimulus, or one file with a member for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.csv_table import columns_of, finite, read_table
from distributed_trf.errors import FeatureError, MissingExtraError, in_one_line
from distributed_trf.store.fingerprint import digest, digest_array, digest_file

ALONE = (".npy", ".csv", ".csv.gz")
"""Endings of files of one stimulus."""


class Arrays(ABC):
    """Arrays of the stimuli of a set, which must have the same columns.

    Parameters
    ----------
    path
        The folder or file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def stimuli(self) -> Collection[str]:
        """The stimuli that have features."""

    @abstractmethod
    def digest(self, stimulus: str) -> str:
        """Hash the features of a stimulus; of what did not change once in a process."""

    @abstractmethod
    def stored(self, stimulus: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return what is stored of a stimulus, and names of its columns if they have any."""

    def read(self, stimulus: str) -> np.ndarray:
        """Return the frames of a stimulus, float64 of shape (frames, features).

        Raises
        ------
        FeatureError
            If they cannot be read, are not finite numbers, or have other columns than those of the first stimulus.
        """
        frames, names = self._frames(stimulus)
        first, width, expected = self._first
        if frames.shape[1] != width or names != expected:
            found, there = (", ".join(n) or f"{k} of them" for n, k in ((names, frames.shape[1]), (expected, width)))
            raise FeatureError(
                f"{self.path}: the columns of {stimulus} are not those of {first}: {found}, there {there}; expected "
                "the same features in the same order for every stimulus. Correct the files"
            )
        return frames

    @cached_property
    def _first(self) -> tuple[str, int, tuple[str, ...]]:
        """The first stimulus by name, how many columns it has, and their names."""
        first = min(self.stimuli)
        frames, names = self._frames(first)
        return first, frames.shape[1], names

    def _frames(self, stimulus: str) -> tuple[np.ndarray, tuple[str, ...]]:
        stored, names = self.stored(stimulus)
        return _as_frames(stored, f"{self.path}: features of {stimulus}"), names


class ArrayFolder(Arrays):
    """A folder with a file for each stimulus, called as the stimulus is."""

    @cached_property
    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for file in sorted(self.path.iterdir()):
            ending = next((e for e in ALONE if file.name.endswith(e)), None)
            if ending is None:
                continue
            stimulus = file.name.removesuffix(ending)
            if stimulus in found:
                raise FeatureError(f"{self.path}: {found[stimulus].name} and {file.name} are of one stimulus; keep one")
            found[stimulus] = file
        return found

    @property
    def stimuli(self) -> Collection[str]:
        """The stimuli that have a file; raises FeatureError if one has two."""
        return self._files.keys()

    def digest(self, stimulus: str) -> str:
        """Hash the file of a stimulus."""
        return file_digest(self._files[stimulus])

    def stored(self, stimulus: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the array of a stimulus, of a CSV with the names of its columns."""
        path = self._files[stimulus]
        if path.suffix == ".npy":
            return _load(path), ()
        names = tuple(columns_of(path, error=FeatureError))
        frame = read_table(path, names, numeric=names, error=FeatureError)
        return np.stack([finite(frame, name, path, error=FeatureError) for name in names], axis=1), names


class ArrayMembers(Arrays):
    """One ``.npz``, ``.h5`` or ``.zarr`` with an array for each stimulus, called as the stimulus is."""

    @cached_property
    def stimuli(self) -> Collection[str]:
        """The names of the arrays."""
        return frozenset(self._opened(list))

    def digest(self, stimulus: str) -> str:
        """Hash the array of a stimulus: of zarr its files, of others its numbers."""
        if self.path.suffix == ".zarr":
            folder = self.path / stimulus
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            return digest([[file.relative_to(folder).as_posix(), file_digest(file)] for file in files])
        stat = self.path.stat()
        return _member_digests(self.path, stat.st_size, stat.st_mtime_ns)[stimulus]

    def stored(self, stimulus: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the array of a stimulus."""
        return self._opened(lambda members: np.asarray(members[stimulus][()])), ()

    def _opened(self, take: Callable[[Any], Any]) -> Any:
        """Take something of the arrays by their names.

        Raises
        ------
        FeatureError
            If the file cannot be read.
        MissingExtraError
            If it is HDF5 and h5py is not installed.
        """
        try:
            if self.path.suffix == ".zarr":
                import zarr

                return take(zarr.open_group(self.path, mode="r"))
            if self.path.suffix == ".npz":
                with np.load(self.path, allow_pickle=False) as members:
                    return take(members)
            try:
                import h5py
            except ImportError as error:
                raise MissingExtraError("h5py", "hdf5", error) from error
            with h5py.File(self.path, "r") as members:
                return take(members)
        except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError) as error:
            raise FeatureError(
                f"{self.path}: cannot be read as {self.path.suffix} with an array for each stimulus "
                f"({in_one_line(error)}); write it again"
            ) from error


def _as_frames(found: np.ndarray, where: str) -> np.ndarray:
    array = found[:, None] if found.ndim == 1 else found
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiub":
        raise FeatureError(
            f"{where}: shape {found.shape} and type {found.dtype}; expected numbers of shape (frames, features). "
            "Write them again"
        )
    numbers = array.astype(np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        frame, column = np.argwhere(bad)[0]
        raise FeatureError(
            f"{where}: {np.count_nonzero(bad)} of the {numbers.size} values are NaN or Inf, the first in frame "
            f"{frame}, column {column} (from 0); expected finite numbers. Fill them in, or leave the stimulus out"
        )
    return numbers


def _load(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FeatureError(
            f"{path}: cannot be read as .npy ({in_one_line(error)}); write it again with numpy.save"
        ) from error
    return found


def file_digest(path: Path) -> str:
    """Hash a file; one that did not change is read once in a process."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, _size: int, _changed: int) -> str:
    return digest_file(path)


@lru_cache(maxsize=64)
def _member_digests(path: Path, _size: int, _changed: int) -> dict[str, str]:
    members = ArrayMembers(path)
    return {stimulus: digest_array(members.stored(stimulus)[0]) for stimulus in members.stimuli}

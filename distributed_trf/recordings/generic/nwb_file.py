"""NWB files through pynwb, which is imported when one is opened."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import MissingExtraError, RecordingError


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Open an NWB file for reading; what it holds is to be read before it is closed again.

    Raises
    ------
    MissingExtraError
        If pynwb is not installed.
    RecordingError
        If the file is damaged, be it found on opening or later.
    """
    try:
        from pynwb import NWBHDF5IO
    except ImportError as error:
        raise MissingExtraError("pynwb", "nwb", error) from error
    try:
        with warnings.catch_warnings():
            # Columns of some names cannot be had as attributes of their table, which are never read.
            warnings.filterwarnings("ignore", "An attribute .* already exists")
            with NWBHDF5IO(file, "r") as io:
                yield io.read()
    except RecordingError:
        raise
    except Exception as error:  # pynwb, hdmf and h5py raise whatever the damaged bytes lead them into
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(
            f"{file}: not a readable NWB file ({type(error).__name__}: {' '.join(str(error).split())}). Copy it again"
        ) from error


def word(value: Any) -> str:
    """Return a label as text, whether the file holds it as text or as a number."""
    if isinstance(value, bytes):
        return value.decode().strip()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def words(table: Any, column: str, file: Path) -> list[str]:
    """Return a column of labels as text.

    Raises
    ------
    RecordingError
        If one is NaN, or the column has lists or other than one value for each row.
    """
    found = [word(value) for value in _plain(table, column, file)]
    missing = [row for row, label in enumerate(found) if label == "nan"]
    if missing:
        raise RecordingError(
            f"{file}: column {column} of {table.name} holds NaN in row {missing[0]}"
            f"{f' and {len(missing) - 1} others' if len(missing) > 1 else ''}; expected a label. Write the file again"
        )
    return found


def numbers(table: Any, column: str, file: Path) -> np.ndarray:
    """Return a column of numbers, float64 of shape (rows,).

    Raises
    ------
    RecordingError
        If it holds something else, or has other than one value for each row.
    """
    found = np.asarray(_plain(table, column, file))
    if found.dtype.kind not in "iuf":
        raise RecordingError(
            f"{file}: column {column} of {table.name} holds {found.dtype}, such as {found.flat[0]!r}; expected "
            "numbers. Name another column, or write the file again"
        )
    return found.astype(np.float64)


def stretches(table: Any, column: str, file: Path) -> list[np.ndarray]:
    """Return each row's part of a column of lists, which an index of their ends separates.

    Raises
    ------
    RecordingError
        If there is no index, or it does not ascend to the end of the column, with one value for each row.
    """
    index = table[column]
    if not hasattr(index, "target"):
        raise RecordingError(
            f"{file}: column {column} of {table.name} has one value for each row; expected a list for each row, "
            f"separated by {column}_index. Write the file again"
        )
    values, ends = np.asarray(index.target.data[:]), np.asarray(index.data[:])
    name = f"{file}: {column}_index of {table.name}"
    if ends.dtype.kind not in "iu" or ends.ndim != 1 or len(ends) != len(table.id):
        raise RecordingError(
            f"{name} is {ends.dtype} of shape {ends.shape}; expected a whole number for each of the {len(table.id)} "
            "rows. Write the file again"
        )
    ends = ends.astype(np.int64)
    steps = np.diff(ends, prepend=0)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0))
        raise RecordingError(
            f"{name} holds {ends[row]} in row {row} after {ends[row - 1] if row else 0}; expected ends that ascend. "
            "Write the file again"
        )
    if ends[-1] != len(values):
        raise RecordingError(
            f"{name} ends at {ends[-1]}, but {column} has {len(values)} values; expected all of them to be of a row. "
            "Write the file again"
        )
    return np.split(values, ends[:-1])


def electrode_coords(table: Any, rows: np.ndarray) -> dict[str, tuple[float | str, ...]]:
    """Return what the table of electrodes says of some rows: ``x``, ``y``, ``z``, ``region`` (location), hemisphere.

    A column that says nothing of these rows is left out.
    """
    coords: dict[str, tuple[float | str, ...]] = {}
    for name in ("x", "y", "z"):
        if name in table.colnames:
            values = np.asarray(table[name][:], dtype=np.float64)[rows]
            if np.isfinite(values).any():
                coords[name] = tuple(values.tolist())
    for name, column in (("region", "location"), ("hemisphere", "hemisphere")):
        if column in table.colnames:
            every = table[column][:]
            labels = tuple("" if word(every[row]) in ("nan", "unknown") else word(every[row]) for row in rows)
            if any(labels):
                coords[name] = labels
    return coords


def _plain(table: Any, column: str, file: Path) -> Any:
    """Return the values of a column with one for each row."""
    values = None if hasattr(table[column], "target") else table[column][:]
    if values is None or np.ndim(values) != 1 or len(values) != len(table.id):
        shape = "lists" if values is None else f"values of shape {np.shape(values)}"
        raise RecordingError(
            f"{file}: column {column} of {table.name} has {shape}; expected one value for each of its {len(table.id)} "
            "rows. Name another column, or write the file again"
        )
    return values

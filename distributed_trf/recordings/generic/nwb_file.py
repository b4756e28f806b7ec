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
        raise MissingExtraError("pynwb", "nwb") from error
    try:
        with warnings.catch_warnings():
            # Columns of some names cannot be had as attributes of their table, which nobody asks for.
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

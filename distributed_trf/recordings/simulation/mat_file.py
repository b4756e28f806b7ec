"""MATLAB files whose bytes depend on their content only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.io import savemat

HEADER_SIZE = 116
"""Bytes of free text at the start of a MATLAB 5 file."""


def write_mat(path: Path, content: dict[str, Any]) -> None:
    """Write variables as a MATLAB 5 file: dicts become structs, arrays of objects cells, rows of numbers columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, oned_as="column")
    with path.open("r+b") as file:  # scipy puts the time of day there, and equal calls should write equal files
        file.write(b"MATLAB 5.0 MAT-file, simulated by distributed_trf".ljust(HEADER_SIZE))

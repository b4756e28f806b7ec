"""Figures as files: the same figure gives the same bytes, and text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.store.atomic import make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
# Names inside an svg are drawn at random without a salt; fonts are embedded as such, so that text can be searched.
SETTINGS: Any = {"svg.hashsalt": "distributed_trf", "svg.fonttype": "none", "pdf.fonttype": 42}
DIGITS = 6
"""Of places within a figure."""
UNDATED: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}


def save_figure(figure: Figure, folder: Path, name: str, formats: Sequence[str], *, dpi: float = 150) -> list[Path]:
    """Save a figure in several formats.

    Parameters
    ----------
    figure
        What to save; its layout is settled from here on.
    folder
        Made if it is missing.
    name
        Of the files, without ending.
    formats
        Some of ``png``, ``pdf`` and ``svg``.
    dpi
        Resolution of png, and of images within the others.

    Returns
    -------
    list of Path
        In the order of the formats.
    """
    from matplotlib import rc_context

    make_folder(folder)
    _settle(figure, dpi)
    files = []
    for ending in formats:
        file = folder / f"{name}.{ending}"
        with rc_context(SETTINGS):
            figure.savefig(file, dpi=dpi, metadata=UNDATED[ending])
        files.append(file)
    return files


def _settle(figure: Figure, dpi: float) -> None:
    """Lay the figure out, once for all formats, at the resolution that decides how wide letters are; round all places.

    What solves for the layout goes through its unknowns in an order that memory decides, so that the last digits
    differ from run to run.
    """
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.p0 = np.round(part.bbox_relative.p0, DIGITS)
        part.bbox_relative.p1 = np.round(part.bbox_relative.p1, DIGITS)
    for axis in figure.axes:
        axis.set_position(np.round(axis.get_position().bounds, DIGITS).tolist())

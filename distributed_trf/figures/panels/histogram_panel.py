"""A panel of two distributions, one for each area: histograms, and their densities on an axis at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from distributed_trf.figures.style import MEDIUM, SMALL, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTOR = 0.5
"""Bandwidth of the density, in standard deviations of the numbers."""
HATCHES, LINES = ("", "////"), ("-", "--")
"""Of the first and of the second area."""


@dataclass(frozen=True)
class Side:
    """Numbers of the units of one area."""

    name: str
    colour: str
    values: np.ndarray


def histogram_panel(axis: Axes, sides: Sequence[Side], edges: np.ndarray, *, density_label: str = "density") -> Axes:
    """Draw histograms (counts) one over the other, and a Gaussian density of each.

    Parameters
    ----------
    axis
        The panel.
    sides
        Two areas.
    edges
        Of the bins, ascending.
    density_label
        What the right axis is called; empty for none.

    Returns
    -------
    matplotlib.axes.Axes
        The one at the right, of the densities. A density is left out where all numbers of an area are equal.
    """
    right = axis.twinx()
    grid = np.linspace(edges[0], edges[-1], 200)
    for side, hatch, line in zip(sides, HATCHES, LINES, strict=True):
        axis.hist(
            side.values,
            bins=list(edges),
            histtype="stepfilled",
            facecolor=(side.colour, 0.35),
            edgecolor=side.colour,
            hatch=hatch,
            linewidth=0.6,
            label=side.name,
        )
        if np.ptp(side.values) > 0:
            density = scipy.stats.gaussian_kde(side.values, bw_method=FACTOR)(grid)
            right.plot(grid, density, color=side.colour, linestyle=line, linewidth=1.2, label=f"_{side.name}")
    axis.set_xlim(edges[0], edges[-1])
    tidy(axis)
    right.set_ylim(bottom=0)
    right.spines["top"].set_visible(False)
    right.tick_params(labelsize=SMALL)
    if density_label:
        right.set_ylabel(density_label, fontsize=MEDIUM)
    else:
        right.set_yticks([])
        right.spines["right"].set_visible(False)
    return right

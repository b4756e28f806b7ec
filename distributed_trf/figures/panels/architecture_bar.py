"""A bar above a panel that says what kind each layer is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import xarray as xr

from distributed_trf import names
from distributed_trf.figures.style import needing_matplotlib

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform

KINDS = {
    "conv": ("#8C510A", "", "convolution"),
    "rnn": ("#35978F", "////", "recurrent"),
    "transformer": ("#C6DBEF", "", "transformer"),
}
"""Colour, hatch and name of each kind of layer: dark, hatched and light, so that grey print tells them apart."""
BOTTOM, HEIGHT = 0.03, 0.05
"""Of the bar, inches above the panel, however high that is."""


def inches_from_top(axis: Axes) -> Transform:
    """Return the coordinates of layer number and inches above the panel's upper edge (below it if negative)."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    upper_edge: Any = axis.transAxes
    above = axis.figure.dpi_scale_trans + ScaledTranslation(0, 1, upper_edge)
    return blended_transform_factory(axis.transData, above)


def architecture_bar(axis: Axes, layers: Sequence[int], types: Sequence[str]) -> None:
    """Draw a piece above each run of layers of one kind, from half a layer before to half a layer after.

    Parameters
    ----------
    axis
        A panel whose x axis is the layer number.
    layers
        Numbers in ascending order.
    types
        ``layer_type`` of each.
    """
    from matplotlib.patches import Rectangle

    for kind, run in groupby(zip(layers, types, strict=True), key=lambda pair: pair[1]):
        numbers = [layer for layer, _ in run]
        if kind in KINDS:
            colour, hatch, _ = KINDS[kind]
            axis.add_patch(
                Rectangle(
                    (numbers[0] - 0.5, BOTTOM),
                    numbers[-1] - numbers[0] + 1,
                    HEIGHT,
                    transform=inches_from_top(axis),
                    facecolor=colour,
                    hatch=hatch,
                    edgecolor="white",
                    linewidth=0.5,
                    clip_on=False,
                    label=f"_{kind}",
                )
            )


def architecture_handles(ds: xr.Dataset, networks: Sequence[str]) -> list[Artist]:
    """Return what a legend shows of the kinds of layers of these networks; nothing if the kinds are not known."""
    with needing_matplotlib():  # a legend is made before its figure, to know how high it is
        from matplotlib.patches import Patch

    if "layer_type" not in ds.coords:
        return []
    types = set(ds["layer_type"].sel({names.NETWORK: list(networks)}).values.ravel().tolist())
    return [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0.5, label=name)
        for kind, (colour, hatch, name) in KINDS.items()
        if kind in types
    ]

"""A panel of numbers along the layers of one network: median and quartiles over units, stars, a bar of layer types."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.figures.style import BASELINE_COLOUR, UNTRAINED_COLOUR, needing_matplotlib, tidy

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Transform


KINDS = {
    "conv": ("#8C510A", "", "convolution"),
    "rnn": ("#35978F", "////", "recurrent"),
    "transformer": ("#C6DBEF", "", "transformer"),
}
"""Colour, hatch and name of each kind of layer: dark, hatched and light, so that they differ in grey print."""
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


TOP = 0.27
"""Inches of a panel that are kept free for stars."""
STARS = {"untrained": (-0.07, UNTRAINED_COLOUR), "spectrogram": (-0.17, BASELINE_COLOUR)}
"""Height (inches from the top of the panel) and colour of the stars against each."""
STAR = (5, 2)
"""The marker: five lines from a point, which stay apart where a panel has many layers."""
MANY = 9
"""Layers that all have a tick."""
OF_UNITS = "lines and bands: medians and quartiles over units"
"""What ``profile_line`` draws, for a note."""


def profile_line(
    axis: Axes,
    profile: xr.Dataset,
    label: str,
    colour: str,
    marker: str,
    line: str = "-",
    *,
    hollow: bool = False,
    band: bool = True,
) -> Line2D:
    """Draw a median and its quartiles along layers.

    Parameters
    ----------
    axis
        The panel.
    profile
        ``median``, ``q25`` and ``q75`` over ``layer``, as ``layer_profile`` gives; layers without a number are left
        out.
    label, colour, marker, line
        Of the line.
    hollow
        Whether its markers are.
    band
        Whether quartiles are drawn.
    """
    known = profile.isel({names.LAYER: np.flatnonzero(profile["median"].notnull().values)})
    layers = known[names.LAYER].values
    if band:
        axis.fill_between(
            layers, known["q25"].values, known["q75"].values, color=colour, alpha=0.12, linewidth=0, label=f"_{label}"
        )
    (drawn,) = axis.plot(
        layers,
        known["median"].values,
        color=colour,
        marker=marker,
        linestyle=line,
        label=label,
        linewidth=1,
        markersize=3,
        markeredgewidth=0.6,
        markerfacecolor="white" if hollow else colour,
    )
    return drawn


def baseline_line(axis: Axes, height: float, label: str) -> None:
    """Draw what is compared with, a dashed line across the panel."""
    axis.axhline(height, color=BASELINE_COLOUR, linestyle="--", linewidth=1, label=label)


def star_row(axis: Axes, against: str, layers: Sequence[int]) -> None:
    """Draw a star over each of these layers, in the row of what they are better than."""
    height, colour = STARS[against]
    axis.plot(
        list(layers),
        [height] * len(layers),
        color=colour,
        marker=STAR,
        markersize=4 if np.ptp(axis.get_xlim()) < 16 else 3,
        markeredgewidth=0.7,
        linestyle="none",
        transform=inches_from_top(axis),
        label=f"_better than {against}",
    )


def finish_panel(axis: Axes, title: str, layers: Sequence[int], types: Sequence[str] = ()) -> None:
    """Write title and ticks, and draw what kind each layer is if that is known."""
    axis.set_xlim(layers[0] - 0.6, layers[-1] + 0.6)
    axis.set_xticks(list(layers) if len(layers) <= MANY else [k for k in layers if k % 5 == 0])
    axis.set_xlabel("layer")
    axis.set_title(title, pad=9 if types else None)
    if types:
        architecture_bar(axis, layers, types)
    tidy(axis)


def set_limits(axes: Sequence[Axes], profiles: Sequence[xr.Dataset], heights: Sequence[float], *, top: float) -> None:
    """Give panels that share their y axis limits around all quartiles and heights, a part of them free at the top."""
    values = np.concatenate([np.ravel(p[name].values) for p in profiles for name in ("q25", "q75")] + [heights])
    low, high = np.nanmin(values), np.nanmax(values)
    span = max(high - low, 1e-3) / (0.95 - top)
    for axis in axes:
        axis.set_ylim(low - 0.05 * span, high + top * span)

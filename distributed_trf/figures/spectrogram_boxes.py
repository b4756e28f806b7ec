"""How well spectrograms predict: Fig S2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.printed_page import page_width, side_by_side_or_below
from distributed_trf.figures.style import NUMBER, in_lines, new_figure, note, tidy
from distributed_trf.results.layers import quantiles, spectrograms
from distributed_trf.results.plotted_units import PlottedUnits, has, plotted_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PUBLISHED = ("mel_librosa", "wavelet", "mel_speech2text", "mel_deepspeech2", "mel_whisper", "cochleagram")
"""From top to bottom, as in the paper; others follow."""
FILL = "#BBBBBB"
Q = (0.05, 0.25, 0.5, 0.75, 0.95)


def figure_s2(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw a box for each spectrogram: quartiles over units, whiskers from 5 to 95 %, nothing beyond.

    Parameters
    ----------
    ds, delta, stimuli, bin_width
        As of ``figure_3``.

    Raises
    ------
    NothingToDrawError
        If no spectrogram was fitted.
    """
    plotted = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
    fitted = [n for n in spectrograms(ds) if any(has(s, n, FIXED) for s in plotted)]
    ordered = [n for n in PUBLISHED if n in fitted] + [n for n in fitted if n not in PUBLISHED]
    if not ordered:
        raise NothingToDrawError(
            "no spectrogram is in these results; add some under `networks` in the study, such as cochleagram"
        )
    rows, columns = side_by_side_or_below(len(plotted))
    figure = new_figure(page_width(), (0.9 + 0.3 * len(ordered)) * rows)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axis, s in zip(axes, plotted, strict=True):
        boxes = [_box(s, n) for n in ordered]
        indices = [k for k, box in enumerate(boxes) if box is not None]
        axis.bxp(
            [box for box in boxes if box is not None],
            positions=indices,
            widths=0.6,
            orientation="horizontal",
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": FILL, "linewidth": 0.7},
            medianprops={"color": "black", "linewidth": 1.5},
            whiskerprops={"linewidth": 0.7},
            capprops={"linewidth": 0.7},
        )
        axis.set_yticks(range(len(ordered)), ordered)
        axis.set_ylim(len(ordered) - 0.4, -0.6)
        axis.set_xlabel(NUMBER[s.variable])
        axis.set_title(in_lines(s.title, columns))
        tidy(axis)
        note(figure, s.note)
    note(figure, "boxes: medians and quartiles over units; whiskers: from their 5th to their 95th percentile")
    lacking = [n for n in PUBLISHED if n not in ordered]
    if lacking:
        note(figure, f"not in these results: {', '.join(lacking)}")
    return figure


def _box(plotted: PlottedUnits, network: str) -> dict[str, float] | None:
    if not has(plotted, network, FIXED):
        return None
    of = plotted.ds[plotted.variable].sel({names.NETWORK: network, names.WEIGHTS: FIXED}).max(names.LAYER)
    found = quantiles(of.values, Q)
    return dict(zip(("whislo", "q1", "med", "q3", "whishi"), map(float, found), strict=True))

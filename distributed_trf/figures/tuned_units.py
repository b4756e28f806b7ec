"""Fig S1: how many units repeat themselves better than chance, and by how much single draws of repeats differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf.errors import NothingToDrawError, StoreError
from distributed_trf.figures.inputs import chosen_slice, slice_choice
from distributed_trf.figures.panels.legends import key, legend, legend_height
from distributed_trf.figures.panels.panel_grid import head, stacked
from distributed_trf.figures.printed_page import page_width, panels_per_row, side_by_side_or_below
from distributed_trf.figures.style import SMALL, needing_matplotlib, new_figure, note, tidy
from distributed_trf.reliability.selection import highly_tuned
from distributed_trf.results.inter_trial_draws import inter_trial_draws

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DELTAS = [k / 10 for k in range(26)]
"""Standard deviations of the null above its centre, of the curve."""
MARKED = (0.5, 1.0)
"""Thresholds of the published figures."""
SHOWN = (0.1, 0.5, 1.0)
"""Thresholds at which a unit is shown."""
HISTOGRAM_BINS = 100
TRUE_COLOUR, NULL_COLOUR, NULL_MEAN_COLOUR, MEDIAN_COLOUR = "#0072B2", "#777777", "#333333", "#E69F00"
CURVE, EXAMPLES, LABELS = 2.8, 1.9, 4
"""Inches of the curve and of a row of distributions, and names in a row of their legend."""
CORRELATION = "inter-trial correlation"
WORDS = (
    "inter-trial correlation: of responses to two repeats of each test sound, which are drawn many times; null: the "
    "same with one of the two shifted in time; a unit is highly tuned if its correlation is above zero and above that "
    "of its null by more than \N{GREEK SMALL LETTER DELTA} standard deviations of the null"
)


def figure_s1(
    ds: xr.Dataset, folder: Path | None = None, *, stimuli: str | None = None, bin_width: float | None = None
) -> Figure:
    """Draw the number of highly tuned units over the threshold, and the distributions of units near it.

    Parameters
    ----------
    ds
        Results of ``open_results``, of all units.
    folder
        The study's output folder, from whose responses the distributions are drawn again. Without it, or where it
        holds no responses, only the curve is drawn.
    stimuli, bin_width
        Stimulus set, and bin width in ms; by default the first set, at 50 ms if there.

    Raises
    ------
    NothingToDrawError
        If no reliability was measured.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    A unit counts at delta where ``highly_tuned`` says so of the means, or with medians of both distributions in the
    position of their means. The units shown are those whose normaliser is nearest to the threshold.
    """
    stimuli, bin_width = slice_choice(ds, stimuli, bin_width)
    of = chosen_slice(ds, stimuli, bin_width)
    if "normaliser" not in of or not of["normaliser"].notnull().any():
        raise NothingToDrawError(
            f"no unit's reliability was measured for {stimuli} at {bin_width:g} ms; it takes stimuli that were "
            "presented twice or more, and `reliability` in the study"
        )
    why, examples = "", []
    if folder is None:
        why = "no folder with responses was given"
    else:
        try:
            examples = _examples(of, folder, stimuli, bin_width)
        except StoreError as error:
            why = str(error)

    rows, columns = side_by_side_or_below(len(examples))
    handles = _handles()
    heights = [CURVE, EXAMPLES * rows, legend_height(handles, LABELS)] if examples else [CURVE]
    figure = new_figure(page_width(), sum(heights))
    top, *below = stacked(figure, heights)
    head(top, f"{stimuli}, {bin_width:g} ms bins: {int(of['normaliser'].notnull().sum())} units")
    _curve(top.subplots(), figure, of)
    if below:
        strip, foot = below
        axes = strip.subplots(rows, columns, squeeze=False).ravel()
        for axis, (delta, draws) in zip(axes, examples, strict=True):
            _distributions(axis, draws, delta)
        for axis in axes[::columns]:
            axis.set_ylabel("number of draws", fontsize=SMALL)
        for axis in axes[-columns:]:
            axis.set_xlabel(CORRELATION, fontsize=SMALL)
        legend(foot, handles, LABELS)
    else:
        note(figure, f"distributions of single units are left out: {why}")
    note(figure, WORDS)
    return figure


def nearest_units(of: xr.Dataset) -> dict[float, int]:
    """Return the unit (its index) whose normaliser is nearest to the threshold, by delta; no unit occurs twice."""
    found: dict[float, int] = {}
    for delta in SHOWN:
        away = abs(of["normaliser"] - (of["null_mean"] + delta * of["null_std"])).values
        away[list(found.values())] = np.nan
        if np.isfinite(away).any():
            found[delta] = int(np.nanargmin(away))
    return found


def _curve(axis: Axes, figure: Figure, of: xr.Dataset) -> None:
    means = _counts(of, "normaliser", "null_mean")
    _line(axis, means, "means over draws", TRUE_COLOUR, "o", TRUE_COLOUR)
    if "normaliser_median" in of and of["normaliser_median"].notnull().any():
        _line(axis, _counts(of, "normaliser_median", "null_median"), "medians over draws", MEDIAN_COLOUR, "s", "none")
    else:
        note(figure, "the curve of medians is left out: these results hold means only")
    for delta in MARKED:
        axis.axvline(delta, color=NULL_COLOUR, linestyle="--", linewidth=0.8)
        words = f"{means[DELTAS.index(delta)]} units"
        axis.text(delta + 0.03, 0.02, words, fontsize=SMALL, transform=axis.get_xaxis_transform())
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])  # room for the legend
    axis.set_xlabel("threshold \N{GREEK SMALL LETTER DELTA} (standard deviations of the null)")
    axis.set_ylabel("number of highly tuned units")
    axis.legend(
        loc="upper right",
        fontsize=SMALL,
        frameon=False,
        title="units are judged by",
        title_fontsize=SMALL,
        ncols=panels_per_row(2),
    )
    tidy(axis)


def _counts(of: xr.Dataset, true: str, null: str) -> list[int]:
    """Count units above each threshold, from centres of both distributions by name."""
    centre, null_centre, null_std = (of[name].values for name in (true, null, "null_std"))
    return [int(np.count_nonzero(highly_tuned(centre, null_centre, null_std, delta))) for delta in DELTAS]


def _line(axis: Axes, counts: list[int], label: str, colour: str, marker: str, face: str) -> None:
    axis.plot(
        DELTAS, counts, color=colour, marker=marker, markersize=3.5, markerfacecolor=face, linewidth=1, label=label
    )


def _examples(of: xr.Dataset, folder: Path, stimuli: str, bin_width: float) -> list[tuple[float, xr.Dataset]]:
    return [
        (
            delta,
            inter_trial_draws(
                folder,
                str(of["session"].values[unit]),
                str(of["channel"].values[unit]),
                stimuli=stimuli,
                bin_width=bin_width,
            ),
        )
        for delta, unit in nearest_units(of).items()
    ]


def _distributions(axis: Axes, draws: xr.Dataset, delta: float) -> None:
    both = np.concatenate([draws["true"].values, draws["null"].values])
    edges = np.linspace(both.min(), both.max(), HISTOGRAM_BINS + 1).tolist()
    null, true = draws["null"].values, draws["true"].values
    axis.hist(null, edges, color=NULL_COLOUR, alpha=0.4, histtype="stepfilled", label="_null")
    axis.hist(true, edges, color=TRUE_COLOUR, linewidth=1, histtype="step", label="_true")
    axis.axvline(null.mean(), color=NULL_MEAN_COLOUR, linestyle=":", linewidth=1.4)
    axis.axvline(true.mean(), color=TRUE_COLOUR, linestyle="--", linewidth=1.2)
    letter, reached = "\N{GREEK SMALL LETTER DELTA}", (true.mean() - null.mean()) / null.std()
    axis.set_title(
        f"unit nearest to {letter} = {delta:.1f}\n"
        f"session {draws['session'].item()}, {draws['channel'].item()}: its {letter} = {reached:.2f}"
    )
    tidy(axis)


def _handles() -> list[Artist]:
    """Return what the legend shows of the distributions."""
    with needing_matplotlib():
        from matplotlib.patches import Patch

    return [
        Patch(facecolor="none", edgecolor=TRUE_COLOUR, label="two repeats of each sound"),
        key("mean of these draws", color=TRUE_COLOUR, linestyle="--"),
        Patch(facecolor=NULL_COLOUR, alpha=0.4, label="one of the two shifted in time: the null"),
        key("mean of the null", color=NULL_MEAN_COLOUR, linestyle=":"),
    ]

"""Fig S1: how many units repeat themselves better than chance, and by how much single pairings differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf.errors import NothingToDrawError, StoreError
from distributed_trf.figures.place import at_place, chosen_place
from distributed_trf.figures.style import PAGE_WIDTH, SMALL, new_figure, note, tidy
from distributed_trf.reliability.selection import highly_tuned
from distributed_trf.results.inter_trial_draws import inter_trial_draws

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DELTAS = np.arange(26) / 10
"""Standard deviations of the null above its centre, of the curve."""
MARKED = (0.5, 1.0)
"""Thresholds of the published figures."""
SHOWN = (0.1, 0.5, 1.0)
"""Thresholds at which a unit is shown."""
HISTOGRAM_BINS = 100
TRUE_COLOUR, NULL_COLOUR, MEDIAN_COLOUR = "#0072B2", "#777777", "#E69F00"


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
    place of their means. The units shown are those whose normaliser is nearest to the threshold.
    """
    stimuli, bin_width = chosen_place(ds, stimuli, bin_width)
    of = at_place(ds, stimuli, bin_width)
    if "normaliser" not in of or not of["normaliser"].notnull().any():
        raise NothingToDrawError(
            f"no unit's reliability was measured for {stimuli} at {bin_width:g} ms; set `reliability` in the study and "
            "run it"
        )
    why, examples = "", []
    if folder is None:
        why = "no folder with responses was given"
    else:
        try:
            examples = _examples(of, folder, stimuli, bin_width)
        except StoreError as error:
            why = str(error)

    figure = new_figure(PAGE_WIDTH, 5.0 if examples else 2.8)
    grid = figure.add_gridspec(2 if examples else 1, 1)
    _curve(figure.add_subplot(grid[0]), figure, of)
    if examples:
        cells = grid[1].subgridspec(1, len(examples))
        axes = [figure.add_subplot(cells[k]) for k in range(len(examples))]
        for axis, (delta, draws) in zip(axes, examples, strict=True):
            _distributions(axis, draws, delta)
        axes[0].set_ylabel("pairings", fontsize=SMALL)
        axes[-1].legend(fontsize=SMALL, frameon=False)
    else:
        note(figure, f"distributions of single units are left out: {why}")
    n = int(of["normaliser"].notnull().sum())
    figure.suptitle(f"{stimuli}, {bin_width:g} ms bins: {n} units", fontsize="medium")
    return figure


def nearest_units(of: xr.Dataset) -> dict[float, int]:
    """Return the unit (its index) whose normaliser is nearest to the threshold, by delta; no unit stands twice."""
    found: dict[float, int] = {}
    for delta in SHOWN:
        away = np.abs(of["normaliser"] - (of["null_mean"] + delta * of["null_std"])).values
        away[list(found.values())] = np.nan
        if np.isfinite(away).any():
            found[delta] = int(np.nanargmin(away))
    return found


def _curve(axis: Axes, figure: Figure, of: xr.Dataset) -> None:
    centres = [("mean", "normaliser", "null_mean", TRUE_COLOUR, "o")]
    medians = ("median", "normaliser_median", "null_median", MEDIAN_COLOUR, "s")
    if all(name in of and of[name].notnull().any() for name in medians[1:3]):
        centres.append(medians)
    else:
        note(figure, "the curve of medians is left out: these results hold means only")
    for label, true, null, colour, marker in centres:
        values = [of[name].values for name in (true, null, "null_std")]
        counts = [int(np.count_nonzero(highly_tuned(*values, delta))) for delta in DELTAS]
        filled = colour if label == "mean" else "none"
        axis.plot(
            DELTAS,
            counts,
            color=colour,
            marker=marker,
            markersize=3.5,
            markerfacecolor=filled,
            linewidth=1,
            label=label,
        )
    highest = axis.get_ylim()[1]
    for delta in MARKED:
        n = int(axis.lines[0].get_ydata()[DELTAS.tolist().index(delta)])
        axis.axvline(delta, color=NULL_COLOUR, linestyle="--", linewidth=0.8)
        axis.text(delta + 0.03, highest, f"{n} units", fontsize=SMALL, va="top")
    axis.set_ylim(0, highest)
    axis.set_xlabel(
        "threshold \N{GREEK SMALL LETTER DELTA}, standard deviations of the null above its centre", fontsize=SMALL
    )
    axis.set_ylabel("units above threshold", fontsize=SMALL)
    axis.legend(title="centre of both distributions", title_fontsize=SMALL, fontsize=SMALL, frameon=False)
    tidy(axis)


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
    edges = np.linspace(both.min(), both.max(), HISTOGRAM_BINS + 1)
    for name, label, colour in (("null", "shifted", NULL_COLOUR), ("true", "as recorded", TRUE_COLOUR)):
        axis.hist(draws[name].values, edges, color=colour, alpha=0.55, histtype="stepfilled", label=label)
        line = "--" if name == "true" else ":"
        axis.axvline(float(draws[name].mean()), color=colour, linestyle=line, linewidth=1.2)
    axis.set_title(
        f"\N{GREEK SMALL LETTER DELTA} = {delta:g}: session {draws['session'].item()}, {draws['channel'].item()}",
        fontsize=SMALL,
    )
    axis.set_xlabel("inter-trial correlation", fontsize=SMALL)
    tidy(axis)

"""Fig 2: how responses and predictions look, and where they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.inputs import Inputs, slice_choice
from distributed_trf.figures.prediction import draw_example, example_response, example_title, saved_models
from distributed_trf.figures.printed_page import is_narrow, page_width, side_by_side_or_below
from distributed_trf.figures.site_map import (
    draw_sites,
    has_published_map,
    maps_height,
    note_of_sites,
    site_table,
)
from distributed_trf.figures.style import SMALL, network_style, new_figure, note
from distributed_trf.results.best_predicted import Example, best_predicted
from distributed_trf.results.units import select_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

EXAMPLES_HEIGHT = 3.0
"""Inches of a row of examples."""


def figure_2(
    inputs: Inputs,
    examples: Sequence[Example] | None = None,
    *,
    stimuli: str | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw predictions of example units (A) above maps of the recording sites (B).

    Parameters
    ----------
    inputs
        A study's folder; examples take its responses and saved models.
    examples
        Units, fits and sounds to show; by default two highly tuned units, each the one of highest rho in the best layer
        of its network, see ``best_predicted``.
    stimuli, bin_width
        Stimulus set, and bin width in ms; by default the first set, at 50 ms if there.

    Raises
    ------
    NothingToDrawError
        If neither part can be drawn, or if given examples cannot be drawn.
    StoreError
        If there is no such unit, model or test sound.
    """
    ds = inputs.results
    stimuli, bin_width = slice_choice(ds, stimuli, bin_width)
    missing, plotted, sites = [], [], None
    try:
        plotted = _responses(inputs, examples, stimuli, bin_width)
    except NothingToDrawError as error:
        if examples is not None:
            raise
        missing.append(f"A: {error}")
    try:
        sites = site_table(ds)
    except NothingToDrawError as error:
        missing.append(f"B: {error}")
    if not plotted and sites is None:
        raise NothingToDrawError("; ".join(missing))

    examples_height = EXAMPLES_HEIGHT * (len(plotted) if is_narrow() else 1)
    heights = [*([examples_height] if plotted else []), *([] if sites is None else [maps_height(sites)])]
    figure = new_figure(page_width(), sum(heights))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    colours = _draw_examples(figure, grid[0], plotted, stimuli) if plotted else {}
    if sites is not None:
        _letter(draw_sites(figure, grid[-1], sites, colours, borders=has_published_map(ds)), "B")
        note_of_sites(figure, ds)
    for text in missing:
        note(figure, text)
    return figure


def _responses(
    inputs: Inputs, examples: Sequence[Example] | None, stimuli: str, bin_width: float
) -> list[tuple[Example, xr.Dataset]]:
    """Read what the examples show, choosing them where none are given."""
    saved = saved_models(inputs.folder).keys()
    if examples is None:
        here = [cell for cell in saved if (cell[0], cell[-1]) == (stimuli, bin_width)]
        try:
            tuned = select_units(inputs.results, stimuli=stimuli, bin_width=bin_width, delta=inputs.delta)
        except DataError as error:
            raise NothingToDrawError(str(error)) from error
        examples = best_predicted(tuned, here)
        if not examples:
            raise NothingToDrawError(
                f"no highly tuned unit (delta {inputs.delta:g}) has a saved model of {stimuli} at {bin_width:g} ms"
            )
    return [(example, example_response(inputs.folder, example, stimuli, bin_width)) for example in examples]


def _draw_examples(
    figure: Figure, area: SubplotSpec, plotted: list[tuple[Example, xr.Dataset]], stimuli: str
) -> dict[str, str]:
    """Draw examples side by side, or below each other on one column; return the colour of each session shown."""
    networks = [example.network for example, _ in plotted]
    rows, columns = side_by_side_or_below(len(plotted))
    grid = area.subgridspec(2 * rows, columns, height_ratios=(1, 1.4) * rows)
    colours = {}
    for k, (example, response) in enumerate(plotted):
        colour = colours[example.session] = network_style(example.network, networks)[0]
        row, column = divmod(k, columns)
        bottom = figure.add_subplot(grid[2 * row + 1, column])
        top = figure.add_subplot(grid[2 * row, column], sharex=bottom)
        draw_example(top, bottom, response, colour)
        top.set_title(example_title(example, response, stimuli), fontsize=SMALL)
        bottom.legend(fontsize=SMALL, frameon=False, loc="upper right", ncols=3, handlelength=1.6, columnspacing=1)
        if k == 0:
            _letter(top, "A")
    return colours


def _letter(axis: Axes, letter: str) -> None:
    """Write the letter of a panel at its upper left, beside the title."""
    axis.annotate(
        letter, (0, 1), (-32, 8), xycoords="axes fraction", textcoords="offset points", weight="bold", fontsize="medium"
    )

"""One session: how well each unit repeats itself, beside what chance would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.unit_axis import label_units
from distributed_trf.figures.place import at_place, chosen_place
from distributed_trf.figures.style import PAGE_WIDTH, SMALL, new_figure, note, tidy
from distributed_trf.reliability.selection import highly_tuned
from distributed_trf.results.units import select_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NULL_COLOUR, UNIT_COLOUR = "#BBBBBB", "#0072B2"
NULL_WIDTH = 2
"""Standard deviations that the bar of the null reaches to either side of its mean."""
ALPHA = 0.05


def session_reliability(
    ds: xr.Dataset,
    session: str,
    *,
    stimuli: str | None = None,
    bin_width: float | None = None,
    delta: float = 0.5,
) -> Figure:
    """Draw the normaliser of each unit of a session with its null, highly tuned units filled.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    session
        One of them.
    stimuli, bin_width
        Stimulus set, and bin width in ms; by default the first set, at 50 ms if there.
    delta
        Of the rule for highly tuned units.

    Raises
    ------
    DataError
        If there is no such session.
    NothingToDrawError
        If its reliability was not measured.
    MissingExtraError
        If matplotlib is not installed.
    """
    stimuli, bin_width = chosen_place(ds, stimuli, bin_width)
    of = at_place(select_units(ds, session=session), stimuli, bin_width)
    if "normaliser" not in of or not of["normaliser"].notnull().any():
        raise NothingToDrawError(
            f"the reliability of session {session} was not measured for {stimuli} at {bin_width:g} ms; set "
            "`reliability` in the study and run it"
        )
    normaliser, null_mean, null_std = (of[name].values for name in ("normaliser", "null_mean", "null_std"))
    tuned = highly_tuned(normaliser, null_mean, null_std, delta)
    units = np.arange(normaliser.size)

    figure = new_figure(PAGE_WIDTH, 2.8)
    axis = figure.subplots()
    axis.use_sticky_edges = False  # room below the bars
    axis.bar(
        units,
        2 * NULL_WIDTH * null_std,
        bottom=null_mean - NULL_WIDTH * null_std,
        width=0.8,
        color=NULL_COLOUR,
        label=f"null: mean \N{PLUS-MINUS SIGN} {NULL_WIDTH} s.d. of single pairings",
    )
    axis.axhline(0, color="#555555", linewidth=0.6)
    for chosen, face, label in (
        (tuned, UNIT_COLOUR, f"highly tuned (\N{GREEK SMALL LETTER DELTA} = {delta:g})"),
        (~tuned, "white", "other units"),
    ):
        axis.plot(
            units[chosen], normaliser[chosen], "o", color=UNIT_COLOUR, markerfacecolor=face, markersize=4, label=label
        )
    if "tuned_p" in of:
        above = np.flatnonzero(of["tuned_p"].values < ALPHA)
        highest = np.fmax(normaliser, null_mean + NULL_WIDTH * null_std)
        axis.plot(above, highest[above] + 0.05, "k*", markersize=4, label=f"p < {ALPHA:g}, test by shifts")
    constant = int(np.isnan(normaliser).sum())
    if constant:
        note(figure, f"units that never vary and have no mark: {constant}")
    label_units(axis, of["channel"].values)
    axis.set_ylabel("inter-trial correlation", fontsize=SMALL)
    axis.set_title(
        f"session {session}, {stimuli}, {bin_width:g} ms bins: {int(tuned.sum())} of {units.size} units highly tuned",
        fontsize="medium",
    )
    figure.legend(loc="outside upper center", ncols=4, fontsize=SMALL, frameon=False)
    tidy(axis)
    return figure

"""How many sessions an effect takes: the power of a test over sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import QUIET, SMALL, new_figure, note, tidy

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
WIDTH, HEIGHT = 5.2, 3.2


def figure_power(found: xr.Dataset) -> Figure:
    """Draw curves of power over the number of sessions, one for each effect.

    Parameters
    ----------
    found
        What ``power`` returns, of several numbers of sessions.

    Returns
    -------
    matplotlib.figure.Figure
        Power with its simulation interval, the power that is aimed at as a dashed line, and alpha as a dotted one.
    """
    figure = new_figure(min(WIDTH, page_width()), HEIGHT)
    axis = figure.subplots()
    of = found.sortby("sessions")
    sessions = of["sessions"].values
    for k, effect in enumerate(of["effect"].values):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        here = of.sel(effect=effect)
        axis.plot(sessions, here["power"], color=colour, marker=marker, markersize=4, label=f"{effect:g}")
        axis.fill_between(sessions, here["low"], here["high"], color=colour, alpha=0.2, linewidth=0)
    for share, words, style in ((of.attrs["target"], "", "--"), (of.attrs["alpha"], "alpha ", ":")):
        axis.axhline(share, color=QUIET, linestyle=style, linewidth=0.8)
        axis.annotate(
            f"{words}{share:.0%}", (1, share), xycoords=("axes fraction", "data"), fontsize=SMALL, color=QUIET,
            xytext=(2, 0), textcoords="offset points", va="center",
        )  # fmt: skip
    axis.set_ylim(0, 1.02)
    axis.set_xticks(sessions)
    axis.set_xlabel("sessions")
    axis.set_ylabel("power")
    what = "difference between areas" if of.attrs["between"] == "areas" else "difference of fits"
    axis.legend(
        title=what, fontsize=SMALL, title_fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1, 0.42)
    )
    tidy(axis)
    note(figure, _settings(of))
    note(figure, of.attrs["note"])
    return figure


def _settings(found: xr.Dataset) -> str:
    """Say what was simulated."""
    attrs, units = found.attrs, found["units"].values / found["sessions"].values
    corrected = (
        "" if attrs["correction"] == "none" else f", corrected ({attrs['correction']}) for {attrs['family']} tests"
    )
    return (
        f"{attrs['simulations']} simulated studies each; {attrs['test']}, {attrs['alternative']}{corrected}; "
        f"{np.mean(units):.3g} units per session, standard deviation {attrs['spread']:.2g} over units, intraclass "
        f"correlation {attrs['icc']:.2g}"
    )

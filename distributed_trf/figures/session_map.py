"""One session: how well each layer of a network predicts each unit, and how well each unit repeats itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.inputs import chosen_slice, slice_choice
from distributed_trf.figures.panels.legends import LEGEND_LINE, arranged, legend_rows
from distributed_trf.figures.panels.panel_grid import label_units
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import MEDIUM, SMALL, in_lines, new_figure, note, tidy
from distributed_trf.reliability.selection import highly_tuned
from distributed_trf.results.layers import spectrograms
from distributed_trf.results.units import select_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def session_layers(
    ds: xr.Dataset,
    session: str,
    *,
    network: str | None = None,
    weights: str | None = None,
    stimuli: str | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw r of each unit of a session in each layer of a network, a dot at each unit's best layer.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    session
        One of them.
    network, weights
        What to show; by default the network and weights that have the layer of highest median r over the session's
        units, a spectrogram only if nothing else was fitted.
    stimuli, bin_width
        Stimulus set, and bin width in ms; by default the first set, at 50 ms if there.

    Raises
    ------
    DataError
        If there is no such session.
    NothingToDrawError
        If nothing that was chosen was fitted.
    MissingExtraError
        If matplotlib is not installed.
    """
    stimuli, bin_width = slice_choice(ds, stimuli, bin_width)
    of = chosen_slice(select_units(ds, session=session), stimuli, bin_width)
    r = of["r"].expand_dims([dim for dim in (names.NETWORK, names.WEIGHTS) if dim not in of["r"].dims])
    r = r.transpose(names.NETWORK, names.WEIGHTS, names.LAYER, names.UNIT).load()
    network, weights = _best(r, spectrograms(ds), network, weights, session)
    r = r.sel({names.NETWORK: network, names.WEIGHTS: weights}).dropna(names.LAYER, how="all")
    values, layers = r.values, r[names.LAYER].values
    fitted = np.flatnonzero(~np.isnan(values).all(axis=0))

    figure = new_figure(page_width(), 1.7 + 0.16 * layers.size)
    axis = figure.subplots()
    reach = float(np.nanmax(values))
    image = axis.pcolormesh(
        np.arange(values.shape[1] + 1) - 0.5,
        np.arange(layers.size + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap="cividis",
        vmin=min(0.0, float(np.nanmin(values))),
        vmax=reach,
    )
    best = np.nanargmax(values[:, fitted], axis=0)
    axis.plot(fitted, best, "o", color="white", markeredgecolor="black", markersize=4)
    axis.set_yticks(np.arange(layers.size), layers.tolist(), fontsize=SMALL)
    axis.set_ylabel("layer", fontsize=SMALL)
    label_units(axis, of["channel"].values)
    bar = figure.colorbar(image, ax=axis, pad=0.01)
    bar.set_label("test correlation r", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    title = f"session {session}, {stimuli}, {bin_width:g} ms bins: {network}, {weights}; dots: best layer"
    axis.set_title(in_lines(title, 1), fontsize=MEDIUM)
    if fitted.size < values.shape[1]:
        note(figure, f"units that never vary or were not fitted (white): {values.shape[1] - fitted.size}")
    return figure


def _best(r: xr.DataArray, last: list[str], network: str | None, weights: str | None, session: str) -> tuple[str, str]:
    """Return the network and weights whose best layer has the highest median over units, among those chosen."""
    medians: dict[tuple[str, str], float] = {}
    for n, w in ((n, w) for n in r[names.NETWORK].values for w in r[names.WEIGHTS].values):
        of = r.sel({names.NETWORK: n, names.WEIGHTS: w}).dropna(names.LAYER, how="all")
        if network in (None, n) and weights in (None, w) and of.size:
            medians[str(n), str(w)] = float(np.nanmedian(of.values, axis=-1).max())
    if not medians:
        chosen = ", ".join(word for word in (network, weights) if word) or "any network"
        raise NothingToDrawError(f"no fit of {chosen} predicts session {session} in these results; run the study first")
    return max(medians, key=lambda fit: (fit[0] not in last, medians[fit]))


NULL_COLOUR, UNIT_COLOUR = "#BBBBBB", "#0072B2"
NULL_WIDTH = 2
"""Standard deviations that the bar of the null reaches to either side of its mean."""
ALPHA = 0.05
LABELS = 4
"""Columns of the legend on two columns."""


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
    stimuli, bin_width = slice_choice(ds, stimuli, bin_width)
    of = chosen_slice(select_units(ds, session=session), stimuli, bin_width)
    if "normaliser" not in of or not of["normaliser"].notnull().any():
        raise NothingToDrawError(
            f"the reliability of session {session} was not measured for {stimuli} at {bin_width:g} ms; set "
            "`reliability` in the study and run it"
        )
    normaliser, null_mean, null_std = (of[name].values for name in ("normaliser", "null_mean", "null_std"))
    tuned = highly_tuned(normaliser, null_mean, null_std, delta)
    units = np.arange(normaliser.size)

    figure = new_figure(page_width(), 2.8)
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
    of_all = f"{int(tuned.sum())} of {units.size} units highly tuned"
    axis.set_title(in_lines(f"session {session}, {stimuli}, {bin_width:g} ms bins: {of_all}", 1))
    labels = axis.get_legend_handles_labels()[1]
    columns = arranged(labels, LABELS)[1]
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * (legend_rows(labels, LABELS) - 1))
    figure.legend(loc="outside upper center", ncols=columns, fontsize=SMALL, frameon=False)
    tidy(axis)
    return figure

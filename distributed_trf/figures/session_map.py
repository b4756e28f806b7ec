"""One session: how well each layer of a network predicts each unit, and which layer does best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.unit_axis import label_units
from distributed_trf.figures.place import at_place, chosen_place
from distributed_trf.figures.style import PAGE_WIDTH, SMALL, new_figure, note
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
        If nothing that was asked for was fitted.
    MissingExtraError
        If matplotlib is not installed.
    """
    stimuli, bin_width = chosen_place(ds, stimuli, bin_width)
    of = at_place(select_units(ds, session=session), stimuli, bin_width)
    r = of["r"].expand_dims([dim for dim in (names.NETWORK, names.WEIGHTS) if dim not in of["r"].dims])
    r = r.transpose(names.NETWORK, names.WEIGHTS, names.LAYER, names.UNIT).load()
    network, weights = _best(r, spectrograms(ds), network, weights, session)
    r = r.sel({names.NETWORK: network, names.WEIGHTS: weights}).dropna(names.LAYER, how="all")
    values, layers = r.values, r[names.LAYER].values
    fitted = np.flatnonzero(~np.isnan(values).all(axis=0))

    figure = new_figure(PAGE_WIDTH, 1.7 + 0.16 * layers.size)
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
    axis.set_title(
        f"session {session}, {stimuli}, {bin_width:g} ms bins: {network}, {weights}; dots: best layer",
        fontsize="medium",
    )
    if fitted.size < values.shape[1]:
        note(figure, f"units that never vary or were not fitted (white): {values.shape[1] - fitted.size}")
    return figure


def _best(r: xr.DataArray, last: list[str], network: str | None, weights: str | None, session: str) -> tuple[str, str]:
    """Return the network and weights whose best layer has the highest median over units, among those asked for."""
    medians: dict[tuple[str, str], float] = {}
    for n, w in ((n, w) for n in r[names.NETWORK].values for w in r[names.WEIGHTS].values):
        of = r.sel({names.NETWORK: n, names.WEIGHTS: w}).dropna(names.LAYER, how="all")
        if network in (None, n) and weights in (None, w) and of.size:
            medians[str(n), str(w)] = float(np.nanmedian(of.values, axis=-1).max())
    if not medians:
        asked = ", ".join(word for word in (network, weights) if word) or "any network"
        raise NothingToDrawError(f"no fit of {asked} predicts session {session} in these results; run the study first")
    return max(medians, key=lambda fit: (fit[0] not in last, medians[fit]))

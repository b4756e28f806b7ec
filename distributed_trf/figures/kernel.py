"""Temporal response functions as pictures: the weight of every feature at every lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.figures.printed_page import page_width, panels_per_row
from distributed_trf.figures.style import SMALL, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, HEIGHT = 4, 1.7
"""Panels side by side, and inches of a row of them."""
MOST = 24
"""Units on one page."""


def figure_kernels(ds: xr.Dataset) -> Figure:
    """Draw the weights of each unit, features against lags, in colours that are white at zero.

    Parameters
    ----------
    ds
        What ``to_dataset`` makes of a ``TRF``; ``ds.sel(unit=[...])`` chooses units. Features that are labelled by
        numbers, such as frequencies, are drawn in their order, and the axis has their values.

    Raises
    ------
    DataError
        If there are no weights, or more units than a page takes.
    MissingExtraError
        If matplotlib is not installed.
    """
    if "coef" not in ds or {*ds["coef"].dims} - {names.UNIT} != {"feature", "lag"}:
        raise DataError("expected 'coef' over (unit, feature, lag), as to_dataset(trf) gives it")
    coef = ds["coef"] if names.UNIT in ds["coef"].dims else ds["coef"].expand_dims(names.UNIT)
    n = coef.sizes[names.UNIT]
    if not 1 <= n <= MOST:
        raise DataError(f"there are {n} units, and a page takes 1 to {MOST}; choose some, such as ds.isel(unit=[0, 1])")
    beside = panels_per_row(COLUMNS)
    columns = min(n, beside)
    figure = new_figure(page_width() * max(columns, 2) / beside, 0.4 + HEIGHT * -(-n // columns))
    panels = np.atleast_1d(figure.subplots(-(-n // columns), columns, sharex=True, sharey=True, squeeze=False)).ravel()
    coef = coef.transpose(names.UNIT, "feature", "lag")
    features, lags = coef["feature"].values, 1000 * coef["lag"].values
    if features.dtype.kind in "iuf":
        order = np.argsort(features)
        coef, features = coef.isel(feature=order), features[order]
    for panel, of_unit in zip(panels, coef, strict=False):
        most = float(np.abs(of_unit).max()) or 1.0
        panel.pcolormesh(
            lags, np.arange(features.size), of_unit.values, cmap="RdBu_r", vmin=-most, vmax=most, shading="nearest"
        )
        panel.set_title(f"{of_unit[names.UNIT].item()}", fontsize=SMALL)
        panel.tick_params(labelsize=SMALL)
    shown = np.unique(np.linspace(0, features.size - 1, min(features.size, 5)).round().astype(int))
    panels[0].set_yticks(shown, [_text(features[k]) for k in shown])
    for panel in panels[n - columns : n]:  # the last of each column
        panel.tick_params(labelbottom=True)
    for panel in panels[n:]:
        panel.set_visible(False)
    figure.supxlabel("lag (ms)", fontsize=SMALL)
    figure.supylabel("feature", fontsize=SMALL)
    return figure


def _text(label: object) -> str:
    return f"{label:g}" if isinstance(label, float | np.floating) else str(label)

"""The layer profile: how well each layer of each network predicts the units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from distributed_trf.config.weights import SCALED, SEEDED, kind_of
from distributed_trf.errors import MissingExtraError, StoreError
from distributed_trf.results.tables import layer_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette: told apart by colour-blind readers.
WEIGHTS_STYLE = {
    "trained": ("#0072B2", "o", "-"),
    "reset": ("#D55E00", "s", "--"),
    "permuted": ("#009E73", "^", "--"),
    "random": ("#CC79A7", "D", "--"),
    "random_uniform": ("#E69F00", "v", "--"),
    "scaled": ("#56B4E9", "P", "-"),
    "projection_linear": ("#000000", "x", ":"),
    "projection_conv": ("#000000", "+", "-."),
    "projection_linear_gelu": ("#777777", "x", ":"),
    "projection_conv_gelu": ("#777777", "+", "-."),
}
"""Colour, marker and line of each kind of weights."""
FACTOR_LINES = ("-", "--", "-.", ":")
SPECTROGRAM_COLOURS = ("#555555", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def layer_profile(ds: xr.Dataset, *, stimuli: str | None = None, bin_width: float | None = None) -> Figure:
    """Draw median and quartiles over units per layer, one panel per network, spectrograms as dashed lines.

    Seeds and factors of a kind of weights share its colour and marker. Seeds share a name too, and have a line each;
    ``average_seeds`` makes one of them.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    stimuli, bin_width
        Which stimulus set and bin width (ms); by default the first of the dataset.

    Raises
    ------
    StoreError
        If nothing was fitted for them.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "figures") from error

    stimuli = str(ds["stimuli"].values[0]) if stimuli is None else stimuli
    bin_width = float(ds["bin_width"].values[0]) if bin_width is None else bin_width
    table = layer_table(ds)
    table = table[(table["stimuli"] == stimuli) & (table["bin_width"] == bin_width)]
    if table.empty:
        raise StoreError(f"no fit of {stimuli} at {bin_width:g} ms is in these results; run the study first")
    lines = table[table["layer_type"] == "spectrogram"]
    layered = table[table["layer_type"] != "spectrogram"]
    networks = list(dict.fromkeys(layered["network"])) or [None]

    figure = Figure(figsize=(2.6 + 3.4 * len(networks), 3.4), layout="constrained")
    axes = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
    for axis, network in zip(axes, networks, strict=True):
        _spectrograms(axis, lines)
        if network is not None:
            _network(axis, layered[layered["network"] == network])
            axis.set_title(network)
        axis.set_xlabel("layer")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("test correlation r")
    labelled = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(labelled.values(), labelled.keys(), loc="outside right center", fontsize="small", frameon=False)
    figure.suptitle(
        f"{stimuli}, {bin_width:g} ms bins: median and quartiles over {table['n'].max()} units", fontsize="medium"
    )
    return figure


def _network(axis: Axes, table: pd.DataFrame) -> None:
    for kind, of_kind in table.groupby(table["weights"].map(kind_of), sort=False):
        colour, marker, line = WEIGHTS_STYLE[str(kind)]
        words = list(dict.fromkeys(of_kind["weights"]))
        for k, word in enumerate(words):
            rows = of_kind[of_kind["weights"] == word]
            label = word
            if kind in SEEDED and len(words) > 1:
                label = f"{kind}, {len(words)} seeds" if k == 0 else "_other seed"  # which no legend shows
            elif kind == SCALED:
                line = FACTOR_LINES[k % len(FACTOR_LINES)]
            axis.fill_between(rows["layer"], rows["q25"], rows["q75"], color=colour, alpha=0.15, linewidth=0)
            axis.plot(rows["layer"], rows["median"], color=colour, marker=marker, linestyle=line, label=label)
    axis.set_xticks(table["layer"].drop_duplicates())


def _spectrograms(axis: Axes, table: pd.DataFrame) -> None:
    for colour, (_, row) in zip(SPECTROGRAM_COLOURS * len(table), table.iterrows(), strict=False):
        axis.axhline(row["median"], color=colour, linestyle="--", linewidth=1, label=row["network"])

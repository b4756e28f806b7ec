"""Tables of results: medians per network and layer, the best layer of every network, and the tests of its layers.

Also how often the first or the last penalty was chosen: the grid may be too narrow, or units follow nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pydantic
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import SEEDED, TRAINED
from distributed_trf.config.study import RidgeSettings
from distributed_trf.names import BIN_WIDTH, FOLD_ALPHA, STIMULI
from distributed_trf.results.combine import average_seeds
from distributed_trf.results.layers import best_layer, layer_profile
from distributed_trf.results.open_results import study_of
from distributed_trf.results.plotted_units import PlottedUnits
from distributed_trf.results.statistics.layer_tests import AGAINST, SPECTROGRAM, UNTRAINED, layer_tests
from distributed_trf.results.tables import to_dataframe
from distributed_trf.trf.crossval import at_edges

BEST = ["network", "weights", "seeds", "layers", "best_layer", "layer_name", "layer_type", "median", "n", "by"]
TESTED = ["network", "against", "other", "tested", "significant", "best_layer", "n", "n_sessions"]
NUMBERS = ["difference", "low", "high", "effect", "p", "smallest_p", "p_adjusted"]
"""Columns of ``LayerTestTable`` that ``compare`` and ``layer_tests`` explain."""


def best_layer_table(plotted: PlottedUnits, by: str | None = None) -> pd.DataFrame:
    """Find the best layer of every network, one row per network and weights.

    Seeds of each kind of weights are averaged.

    Parameters
    ----------
    plotted
        The units.
    by
        The number whose median over units says which layer is best, see ``best_layer``; by default that of the units,
        ``chooser``.

    Returns
    -------
    pandas.DataFrame
        Columns network, weights, seeds (that were averaged), layers (that were fitted), best_layer (the first of
        equals), layer_name, layer_type, median (of ``plotted.variable`` over units), n, the units that have one, and
        by, the number that chose.
    """
    by = by or plotted.chooser
    averaged = average_seeds(plotted.ds)
    profile, seeds = layer_profile(averaged, plotted.variable), averaged["n_seeds"]
    chosen = best_layer(averaged, plotted.variable, by)["best_layer"]
    rows = []
    for network in profile[names.NETWORK].values:
        for weights in profile[names.WEIGHTS].values:
            of = profile.sel({names.NETWORK: network, names.WEIGHTS: weights})
            number = float(chosen.sel({names.NETWORK: network, names.WEIGHTS: weights}))
            if number != number:
                continue
            layer = int(number)
            best = of.sel({names.LAYER: layer})
            rows.append(
                {
                    "network": str(network),
                    "weights": str(weights),
                    "seeds": int(seeds.sel({names.NETWORK: network, names.WEIGHTS: weights, names.LAYER: layer})),
                    "layers": int(of["median"].notnull().sum()),
                    "best_layer": layer,
                    "layer_name": str(best["layer_name"].item()),
                    "layer_type": str(best["layer_type"].item()),
                    "median": float(best["median"]),
                    "n": int(best["n"]),
                    "by": by,
                }
            )
    return pd.DataFrame(rows, columns=BEST)


@dataclass(frozen=True)
class LayerTestTable:
    """What tests say of the layers of trained networks."""

    rows: pd.DataFrame
    """One per network and what it was tested against: how many layers were tested and are significantly better, and
    at the best of these layers, trained, the difference with its interval, effect, p-value and adjusted p-value."""
    by: str
    """The number whose median over units says which trained layer is best."""
    tests: xr.Dataset
    """What ``layer_tests`` found of all layers."""


def layer_test_table(plotted: PlottedUnits, by: str | None = None, *, alpha: float = 0.01) -> LayerTestTable:
    """Test the trained layers of every network against untrained ones and against a spectrogram.

    Untrained are weights ``reset``, else the first drawn ones that were fitted. ``by`` is as of ``best_layer_table``.

    Raises
    ------
    DataError
        If nothing can be compared.
    """
    averaged = average_seeds(plotted.ds)
    drawn = [w for w in averaged[names.WEIGHTS].values if w in SEEDED]
    untrained = "reset" if "reset" in drawn or not drawn else drawn[0]
    by = by or plotted.chooser
    tests = layer_tests(averaged, plotted.variable, untrained=untrained, alpha=alpha)
    rows = []
    for network in tests[names.NETWORK].values:
        for against in tests[AGAINST].values:
            of = tests.sel({names.NETWORK: network, AGAINST: against})
            tested = of["p"].notnull()
            if not tested.any():
                continue
            compared = {names.NETWORK: network, names.LAYER: of[names.LAYER].values[tested.values]}
            trained = averaged.sel({names.WEIGHTS: TRAINED, **compared})
            best = of.sel({names.LAYER: int(best_layer(trained, plotted.variable, by)["best_layer"])})
            rows.append(
                {
                    "network": str(network),
                    "against": str(against),
                    "other": tests.attrs[{UNTRAINED: "untrained", SPECTROGRAM: "baseline"}[str(against)]],
                    "tested": int(tested.sum()),
                    "significant": int(of["significant"].sum()),
                    "best_layer": int(best[names.LAYER]),
                    "n": int(best["n"]),
                    "n_sessions": int(best["n_sessions"]),
                    **{name: float(best[name]) for name in NUMBERS},
                }
            )
    return LayerTestTable(pd.DataFrame(rows, columns=[*TESTED, *NUMBERS]), by, tests)


def layer_table(ds: xr.Dataset, variable: str = "r") -> pd.DataFrame:
    """Summarise over units how well every layer predicts them, one row per fit.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    variable
        What to summarise.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, network, weights, layer, bin_width, layer_name, layer_type, median, q25, q75, maximum and n,
        the number of units that have one; sorted as the dataset is. Fits without any unit are left out.
    """
    return to_dataframe(layer_profile(ds, variable))


def penalty_edges(ds: xr.Dataset) -> pd.DataFrame:
    """Count choices at the edges of the grid of penalties, one row per stimulus set and bin width.

    Parameters
    ----------
    ds
        Results of ``open_results``.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, bin_width; n, penalties chosen, one for each unit and fit (and split); smallest and largest of
        the grid; first and last, how often they were chosen. Rows without any fit are left out, and all where the
        results carry no such settings or the grid has a single penalty.
    """
    rows = []
    penalties = _penalties(ds)
    for stimuli in ds[STIMULI].values if len(penalties) > 1 else []:
        for bin_width in ds[BIN_WIDTH].values:
            alpha = ds[FOLD_ALPHA if FOLD_ALPHA in ds else "alpha"].sel({STIMULI: stimuli, BIN_WIDTH: bin_width}).values
            first, last = at_edges(alpha, penalties)
            n = int((alpha > 0).sum())
            if n:
                rows.append((stimuli, bin_width, n, penalties[0], first, penalties[-1], last))
    return pd.DataFrame(rows, columns=["stimuli", "bin_width", "n", "smallest", "first", "largest", "last"])


def in_words(row: pd.Series) -> str:
    """Say of a row of ``penalty_edges`` what it counts."""
    return (
        f"chosen penalties: the smallest ({row['smallest']:g}) in {row['first'] / row['n']:.1%}, the largest "
        f"({row['largest']:g}) in {row['last'] / row['n']:.1%} of {row['n']} fits of a unit"
    )


def _penalties(ds: xr.Dataset) -> list[float]:
    """List the grid's penalties; none of imported results, or of settings that this version does not understand."""
    try:
        return RidgeSettings.model_validate((study_of(ds) or {})["ridge"]).penalties
    except (KeyError, pydantic.ValidationError):
        return []

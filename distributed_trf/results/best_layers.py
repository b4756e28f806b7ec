"""What a study found, in tables: the best layer of every network, and what tests say of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.config.weights import SEEDED
from distributed_trf.errors import DataError
from distributed_trf.results.layer_tests import AGAINST, SPECTROGRAM, UNTRAINED, layer_tests
from distributed_trf.results.layers import layer_profile
from distributed_trf.results.seeds import average_seeds
from distributed_trf.results.units import select_units

BEST = ["network", "weights", "seeds", "layers", "best_layer", "layer_name", "layer_type", "median", "n"]
TESTED = ["network", "against", "other", "tested", "significant", "best_layer", "n", "n_sessions"]
NUMBERS = ["median_difference", "low", "high", "effect", "p_adjusted"]
"""Columns of ``LayerTestTable`` that ``compare`` and ``layer_tests`` explain."""


@dataclass(frozen=True)
class Shown:
    """Fits at one stimulus set and bin width, of the units that tables and tests are about."""

    stimuli: str
    bin_width: float
    """Milliseconds."""
    ds: xr.Dataset
    """Seeds of each kind of weights averaged."""
    variable: str
    """``rho``, or ``r`` where no reliability was measured."""
    units: str
    """Which units, in words."""


def shown_units(ds: xr.Dataset, *, delta: float = 0.5) -> Iterator[Shown]:
    """Take every stimulus set and bin width at which something was fitted, with its highly tuned units.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    delta
        Of the rule for highly tuned units; where none is, or nothing is known of their reliability, all units are taken
        and ``r`` instead of ``rho``.
    """
    for stimuli in map(str, ds[names.STIMULI].values):
        for bin_width in map(float, ds[names.BIN_WIDTH].values):
            of = ds.sel({names.STIMULI: [stimuli], names.BIN_WIDTH: [bin_width]}).load()
            if of["r"].isnull().all():
                continue
            averaged = average_seeds(of)
            try:
                tuned = select_units(averaged, delta=delta)
            except DataError:
                yield Shown(stimuli, bin_width, averaged, "r", "all units, as their reliability was not measured")
                continue
            if tuned.sizes[names.UNIT]:
                yield Shown(stimuli, bin_width, tuned, "rho", f"highly tuned units (delta {delta:g})")
            else:
                yield Shown(stimuli, bin_width, averaged, "r", f"all units, as none is highly tuned (delta {delta:g})")


def best_layer_table(shown: Shown) -> pd.DataFrame:
    """Find the layer of every network whose median over units is highest, one row per network and weights.

    Returns
    -------
    pandas.DataFrame
        Columns network, weights, seeds (that were averaged), layers (that were fitted), best_layer (the first of
        equals), layer_name, layer_type, median (of ``shown.variable`` over units) and n, the units that have one.
    """
    profile = layer_profile(shown.ds, shown.variable).squeeze([names.STIMULI, names.BIN_WIDTH])
    seeds = shown.ds["n_seeds"].squeeze([names.STIMULI, names.BIN_WIDTH])
    rows = []
    for network in profile[names.NETWORK].values:
        for weights in profile[names.WEIGHTS].values:
            of = profile.sel({names.NETWORK: network, names.WEIGHTS: weights})
            if of["median"].isnull().all():
                continue
            best = of.isel({names.LAYER: int(np.nanargmax(of["median"].values))})
            layer = int(best[names.LAYER])
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
                }
            )
    return pd.DataFrame(rows, columns=BEST)


@dataclass(frozen=True)
class LayerTestTable:
    """What tests say of the layers of trained networks."""

    rows: pd.DataFrame
    """One per network and what it was tested against: how many layers were tested and are significantly better, and
    at the layer of highest trained median the difference with its interval, effect and adjusted p-value."""
    left_out: str
    """Comparisons that could not be made, and why; '' for none."""
    alpha: float
    test: str
    interval: str
    correction: str


def layer_test_table(shown: Shown, *, alpha: float = 0.01) -> LayerTestTable:
    """Test the trained layers of every network against untrained ones and against a spectrogram.

    Untrained are weights ``reset``, else the first drawn ones that were fitted.

    Raises
    ------
    DataError
        If nothing can be compared.
    """
    drawn = [w for w in shown.ds[names.WEIGHTS].values if w in SEEDED]
    untrained = "reset" if "reset" in drawn or not drawn else drawn[0]
    tests = layer_tests(shown.ds, shown.variable, untrained=untrained, alpha=alpha)
    tests = tests.squeeze([names.STIMULI, names.BIN_WIDTH])
    rows = []
    for network in tests[names.NETWORK].values:
        for against in tests[AGAINST].values:
            of = tests.sel({names.NETWORK: network, AGAINST: against})
            tested = of["p"].notnull()
            if not tested.any():
                continue
            best = of.isel({names.LAYER: int(np.nanargmax(of["median_a"].values))})
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
    about = {name: str(tests.attrs[name]) for name in ("left_out", "test", "interval", "correction")}
    return LayerTestTable(pd.DataFrame(rows, columns=[*TESTED, *NUMBERS]), alpha=alpha, **about)

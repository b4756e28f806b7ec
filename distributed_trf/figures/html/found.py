"""What was found, as tables: the best layer of every network, and how many of its layers pass the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.html.table import Table, decimal, numbers, p_value, words
from distributed_trf.results.shown import Shown, show
from distributed_trf.results.tables.best_layers import LayerTestTable, best_layer_table, layer_test_table
from distributed_trf.results.tables.penalty_edges import in_words, penalty_edges


@dataclass(frozen=True)
class Found:
    """At one stimulus set and bin width."""

    heading: str
    units: str
    best: Table
    tests: Table | None
    about_tests: str
    """How layers were tested, or why none was."""
    penalties: str
    """How many fits of a unit chose the smallest and the largest; empty if that is not known."""


def found(ds: xr.Dataset, delta: float) -> Iterator[Found]:
    """Write what was found at each stimulus set and bin width, one after another."""
    edges = {(row["stimuli"], row["bin_width"]): in_words(row) for _, row in penalty_edges(ds).iterrows()}
    for stimuli in map(str, ds[names.STIMULI].values):
        for bin_width in map(float, ds[names.BIN_WIDTH].values):
            try:
                (of,) = show(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
            except NothingToDrawError:  # no fit is done there yet
                continue
            tests, about = _tests(of)
            heading, units = f"{stimuli}, {bin_width:g} ms bins", f"{of.n} {of.units}"
            units = f"{units}; {of.note}" if of.note else units
            yield Found(heading, units, _best(of), tests, about, edges.get((stimuli, bin_width), ""))


def _best(of: Shown) -> Table:
    rows = best_layer_table(of)
    seeds = [f"{n}, over {k} seeds" if k > 1 else n for n, k in zip(rows["weights"], rows["seeds"], strict=True)]
    return Table(
        f"best layer by median {of.variable}",
        (
            words("network", rows["network"]),
            words("weights", seeds),
            numbers("layers", rows["layers"]),
            numbers("best layer", rows["best_layer"]),
            words("module", rows["layer_name"]),
            words("kind", rows["layer_type"]),
            numbers(f"median {of.variable}", rows["median"], decimal),
            numbers("units", rows["n"]),
        ),
    )


def _tests(of: Shown) -> tuple[Table | None, str]:
    try:
        tests = layer_test_table(of)
    except DataError as error:
        return None, f"No layer is tested: {error}"
    return _test_table(of, tests), _about(of, tests)


def _test_table(of: Shown, tests: LayerTestTable) -> Table:
    rows = tests.rows
    share = [f"{k} of {n}" for k, n in zip(rows["significant"], rows["tested"], strict=True)]
    interval = [f"{decimal(low)} to {decimal(high)}" for low, high in zip(rows["low"], rows["high"], strict=True)]
    sizes = [f"{n} in {k}" for n, k in zip(rows["n"], rows["n_sessions"], strict=True)]
    return Table(
        f"trained layers that predict better (p < {tests.alpha:g})",
        (
            words("network", rows["network"]),
            words("better than", rows["other"]),
            numbers("better layers", share),
            numbers("best layer", rows["best_layer"]),
            numbers(f"median {of.variable} above it", rows["median_difference"], decimal),
            numbers("95 % interval", interval),
            numbers("effect", rows["effect"], decimal),
            numbers("adjusted p", rows["p_adjusted"], p_value),
            numbers("units in sessions", sizes),
        ),
    )


def _about(of: Shown, tests: LayerTestTable) -> str:
    words = {"bh": "Benjamini-Hochberg over the layers of a network", "none": "not adjusted"}
    about = (
        f"{tests.test}, one-sided; p-values: {words.get(tests.correction, tests.correction)}. The last columns are of "
        f"the layer with the highest trained median: median difference of {of.variable} with its interval "
        f"({tests.interval}), and the matched-pairs rank-biserial correlation, which is 1 where the trained layer "
        "predicts every unit better."
    )
    return f"{about} Left out: {tests.left_out}." if tests.left_out else about

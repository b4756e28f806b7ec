"""Tables of a report: best layers and tests of every network, what was recorded, and the reliability of units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError, NothingToDrawError, counted
from distributed_trf.figures.html.findings import on_areas, on_layers
from distributed_trf.figures.html.page import NONE, Table, decimal, numbers, p_value, percent, words
from distributed_trf.results.best_layers import (
    LayerTestTable,
    best_layer_table,
    in_words,
    layer_table,
    layer_test_table,
    penalty_edges,
)
from distributed_trf.results.plotted_units import PlottedUnits, plotted_units
from distributed_trf.results.statistics.intervals import LEAST
from distributed_trf.results.statistics.sentence_parts import name_of_test
from distributed_trf.results.tables import reliability_table


@dataclass(frozen=True)
class Found:
    """At one stimulus set and bin width."""

    heading: str
    units: str
    best: Table
    layers: Table
    tests: Table | None
    about_tests: str
    """How layers were tested, or why none was."""
    in_words: list[str]
    """What tests of layers and areas found, a sentence each."""
    penalties: str
    """How many fits of a unit chose the smallest and the largest; empty if that is not known."""


def found(ds: xr.Dataset, delta: float) -> Iterator[Found]:
    """Write what was found at each stimulus set and bin width, one after another."""
    edges = {(row["stimuli"], row["bin_width"]): in_words(row) for _, row in penalty_edges(ds).iterrows()}
    for stimuli in map(str, ds[names.STIMULI].values):
        for bin_width in map(float, ds[names.BIN_WIDTH].values):
            try:
                (of,) = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
            except NothingToDrawError:  # no fit is done there yet
                continue
            tests, about, sentences = _tests(of)
            heading, units = f"{stimuli}, {bin_width:g} ms bins", f"{of.n} {of.units}"
            units = "; ".join(part for part in (units, of.note, of.chooser_note) if part)
            units = f"{units} ({of.selection})" if of.selection else units
            yield Found(
                heading, units, _best(of), _layers(of), tests, about, sentences, edges.get((stimuli, bin_width), "")
            )


def _best(of: PlottedUnits) -> Table:
    rows = best_layer_table(of)
    seeds = [f"{n}, over {k} seeds" if k > 1 else n for n, k in zip(rows["weights"], rows["seeds"], strict=True)]
    return Table(
        f"best layer by median {of.chooser}",
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


def _layers(of: PlottedUnits) -> Table:
    rows = layer_table(of.ds, of.variable)
    quartiles = [f"{decimal(low)} to {decimal(high)}" for low, high in zip(rows["q25"], rows["q75"], strict=True)]
    return Table(
        f"median {of.variable} over units, and quartiles",
        (
            words("network", rows["network"]),
            words("weights", rows["weights"]),
            numbers("layer", rows["layer"]),
            words("module", rows["layer_name"]),
            words("kind", rows["layer_type"]),
            numbers(f"median {of.variable}", rows["median"], decimal),
            numbers("quartiles", quartiles),
            numbers("units", rows["n"]),
        ),
    )


def _tests(of: PlottedUnits) -> tuple[Table | None, str, list[str]]:
    try:
        tests = layer_test_table(of)
    except DataError as error:
        return None, f"No layer is tested: {error}", on_areas(of)
    return _test_table(of, tests), _about(of, tests), [*on_layers(tests), *on_areas(of)]


def _test_table(of: PlottedUnits, tests: LayerTestTable) -> Table:
    rows, alpha = tests.rows, float(tests.tests.attrs["alpha"])
    known = rows["smallest_p"] < alpha  # else nothing was found because nothing could be
    share = [
        f"{k if there else NONE} of {n}" for k, n, there in zip(rows["significant"], rows["tested"], known, strict=True)
    ]
    interval = [
        NONE if math.isnan(low) else f"{decimal(low)} to {decimal(high)}"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]
    sizes = [f"{n} in {k}" for n, k in zip(rows["n"], rows["n_sessions"], strict=True)]
    return Table(
        f"trained layers that predict better (p < {alpha:g}), over sessions",
        (
            words("network", rows["network"]),
            words("better than", rows["other"]),
            numbers("better layers", share),
            numbers(f"best layer by {tests.by}", rows["best_layer"]),
            numbers(f"{of.variable} above it", rows["difference"], decimal),
            numbers("95 % interval", interval),
            numbers("effect", rows["effect"], decimal),
            numbers("p", rows["p"], p_value),
            numbers("smallest p there can be", rows["smallest_p"], p_value),
            numbers("adjusted p", rows["p_adjusted"], p_value),
            numbers("units in sessions", sizes),
        ),
    )


def _about(of: PlottedUnits, tests: LayerTestTable) -> str:
    attrs = tests.tests.attrs
    about = (
        f"Test: {name_of_test(tests.tests)}. Columns from the best layer on are of the trained layer of highest median "
        f"{tests.by}: how much higher its {of.variable} is, the weighted mean over sessions, with its interval "
        f"({attrs['interval']}); and the matched-pairs rank-biserial correlation over units, which is 1 where the "
        "trained layer predicts every unit better."
    )
    out_of_reach = tests.rows["smallest_p"] >= float(attrs["alpha"])
    if out_of_reach.any():
        about += f" So few sessions allow no p below {attrs['alpha']:g}: whether layers are better cannot be told (-)."
    if tests.rows["low"].isna().any():
        about += f" An interval takes {LEAST} sessions."
    return f"{about} Left out: {attrs['left_out']}." if attrs["left_out"] else about


ALPHA = 0.05
"""Level of the tests for tuning that are counted."""


def area_table(ds: xr.Dataset) -> Table:
    """Count sessions and units of each area."""
    counts = _sessions(ds).groupby("area", sort=False).agg(sessions=("session", "count"), units=("units", "sum"))
    n_sessions, n_units = (int(counts[name].sum()) for name in ("sessions", "units"))
    total = f"{counted(n_sessions, 'session')}, {counted(n_units, 'unit')}"
    return Table(
        total,
        (words("area", counts.index), numbers("sessions", counts["sessions"]), numbers("units", counts["units"])),
    )


def session_table(ds: xr.Dataset) -> Table:
    """List the sessions."""
    rows = _sessions(ds)
    return Table(
        "all sessions",
        (
            words("session", rows["session"]),
            words("subject", rows["subject"]),
            words("area", rows["area"]),
            numbers("units", rows["units"]),
        ),
    )


def reliability_counts(ds: xr.Dataset, delta: float) -> Table | None:
    """Count units that repeat themselves, by each of the rules; None if it was never measured."""
    rows = reliability_table(ds, alpha=ALPHA, delta=delta)
    if rows.empty:
        return None
    # Imported results hold normalisers without the p-values of tests.
    tested, published = (_has(ds, rows, name) for name in ("tuned_p", "tuned_p_published"))
    below = f"p < {ALPHA:g}"
    return Table(
        "units that repeat themselves",
        (
            words("stimuli", rows["stimuli"]),
            numbers("bin width", rows["bin_width"], "{:g} ms".format),
            numbers("units", rows["n"]),
            numbers("silent repeats", rows["silent_repeats"], percent),
            numbers("median normaliser", rows["normaliser"], decimal),
            numbers(f"shift test, {below}", _counts(rows["tuned"], tested)),
            numbers("false discovery rate", _counts(rows["tuned_bh"], tested)),
            numbers("Holm", _counts(rows["tuned_holm"], tested)),
            numbers("published test, Holm", _counts(rows["tuned_published"], published)),
            numbers(f"highly tuned (delta {delta:g})", rows["highly_tuned"]),
        ),
    )


def _sessions(ds: xr.Dataset) -> pd.DataFrame:
    """List sessions in the order of the dataset: session, subject, area, units."""
    units = pd.DataFrame({name: ds[name].values for name in ("session", "subject", "area")})
    of = units.groupby("session", sort=False)
    return of.agg(subject=("subject", "first"), area=("area", "first"), units=("area", "size")).reset_index()


def _has(ds: xr.Dataset, rows: pd.DataFrame, name: str) -> list[bool]:
    of = [
        ds[name].sel({names.STIMULI: row["stimuli"], names.BIN_WIDTH: row["bin_width"]}) for _, row in rows.iterrows()
    ]
    return [bool(p.notnull().any()) for p in of]


def _counts(counts: pd.Series[int], known: list[bool]) -> list[str]:
    return [str(n) if there else NONE for n, there in zip(counts, known, strict=True)]

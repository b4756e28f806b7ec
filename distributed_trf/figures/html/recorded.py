"""What was recorded, and how well units repeat themselves, as tables."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.figures.html.table import NONE, Table, counted, decimal, numbers, percent, words
from distributed_trf.results.tables.reliability_table import reliability_table

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

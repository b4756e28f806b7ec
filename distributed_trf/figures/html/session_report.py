"""The report of one session: how its units repeat themselves, what predicts each best, and one prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import NothingToDrawError, StoreError
from distributed_trf.figures.html.figure_section import ReportFigure, report_figure
from distributed_trf.figures.html.page import (
    NONE,
    ReportColumn,
    Table,
    decimal,
    numbers,
    p_value,
    percent,
    words,
    write_page,
)
from distributed_trf.figures.html.provenance import Line, in_utc, provenance_of
from distributed_trf.figures.html.study_report import results_if_any
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.prediction import example_prediction, saved_models
from distributed_trf.figures.session_map import session_layers, session_reliability
from distributed_trf.pipeline.provenance import now
from distributed_trf.pipeline.run_record import past_runs
from distributed_trf.results.best_predicted import best_predicted
from distributed_trf.results.layers import usual_chooser
from distributed_trf.results.tables import session_table
from distributed_trf.results.units import select_units
from distributed_trf.store.study_store import StudyStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURED = {
    "silent_repeats": ("silent repeats", percent),
    "normaliser": ("normaliser", decimal),
    "null_mean": ("its null", decimal),
    "tuned_p": ("p, shift test", p_value),
    "ceiling_signal_power": ("ceiling, single repeats", decimal),
    "ceiling_ccmax": ("ceiling, mean of repeats", decimal),
}
"""Measures that the table of units shows, with their headings."""


@dataclass(frozen=True)
class SessionSlice:
    """What is known of the session at one stimulus set and bin width."""

    heading: str
    units: Table
    figures: list[ReportFigure]


def write_session_report(folder: str | Path, session: str, path: str | Path, *, delta: float = 0.5) -> None:
    """Write the report of one session as one HTML file that needs nothing beside it.

    Parameters
    ----------
    folder
        Of the study, or of imported results.
    session
        One of its sessions.
    path
        The file; one that is there is replaced when the new one is complete.
    delta
        Of the rule for highly tuned units.

    Raises
    ------
    StoreError
        If there is no study, or it has no results yet.
    DamagedError
        If some of its results are damaged.
    DataError
        If there is no such session.
    """
    store = StudyStore.open(Path(folder))
    inputs = Inputs(store.root, delta=delta)
    ds = results_if_any(store, inputs)
    if ds is None:
        raise StoreError(f"{store.root}: no results yet, so nothing is known of sessions; run the study first")
    of = select_units(ds, session=session)
    made = provenance_of(ds, past_runs(store))
    write_page(
        Path(path),
        "session.html.j2",
        title=f"Session {session}",
        study=made.name or store.root.name,
        folder=store.root,
        written=in_utc(now()),
        about=_about(of),
        slices=list(_slices(inputs, ds, session)),
        made=made,
    )


def _about(of: xr.Dataset) -> list[Line]:
    site = [float(of[name].values[0]) for name in ("x", "y") if name in of.coords]
    known = [f"{position:g}" for position in site if position == position]
    lines = [(name, str(of[name].values[0])) for name in ("subject", "area")]
    lines += [("site (x, y; 5 mm)", ", ".join(known))] if known else []
    return [*lines, ("units", str(of.sizes[names.UNIT]))]


def _slices(inputs: Inputs, ds: xr.Dataset, session: str) -> Iterator[SessionSlice]:
    table = session_table(ds, session, usual_chooser(select_units(ds, session=session), "r")[0])
    for stimuli, bin_width in dict.fromkeys(zip(table[names.STIMULI], table[names.BIN_WIDTH], strict=True)):
        rows = table[(table[names.STIMULI] == stimuli) & (table[names.BIN_WIDTH] == bin_width)]
        at: dict[str, Any] = {"stimuli": str(stimuli), "bin_width": float(bin_width)}
        drawings: dict[str, Callable[[], Figure]] = {
            "How well each unit repeats itself, beside what chance gives": partial(
                session_reliability, ds, session, delta=inputs.delta, **at
            ),
            "How well each layer predicts each unit": partial(session_layers, ds, session, **at),
            "One unit's response to a test sound, and its prediction": partial(_example, inputs, ds, session, **at),
        }
        figures = [report_figure("", title, drawn) for title, drawn in drawings.items()]
        yield SessionSlice(f"{stimuli}, {bin_width:g} ms bins", _units(rows), figures)


def _example(inputs: Inputs, ds: xr.Dataset, session: str, stimuli: str, bin_width: float) -> Figure:
    """Draw the highly tuned unit of highest rho in the fit that predicts the session's units best."""
    saved = saved_models(inputs.folder).keys()
    cells = [cell for cell in saved if (cell[0], cell[-1]) == (stimuli, bin_width)]
    of = select_units(ds, session=session)
    tuned = select_units(of, stimuli=stimuli, bin_width=bin_width, delta=inputs.delta)
    chosen = best_predicted(tuned, cells, n=1)
    if not chosen:
        raise NothingToDrawError(
            f"no unit of session {session} is highly tuned to {stimuli} (delta {inputs.delta:g}) and predicted by a "
            "saved model"
        )
    return example_prediction(inputs.folder, chosen[0], stimuli=stimuli, bin_width=bin_width)


def _units(rows: pd.DataFrame) -> Table:
    measured: list[ReportColumn] = [
        numbers(heading, rows[name], write) for name, (heading, write) in MEASURED.items() if name in rows
    ]
    fits = [
        NONE if pd.isna(row["layer"]) else f"{row['network']} {row['weights']}, layer {row['layer']}"
        for _, row in rows.iterrows()
    ]
    return Table(
        "units, and the fit that predicts each best",
        (
            words("unit", rows[names.UNIT]),
            *measured,
            words(f"best fit by {' or '.join(rows['by'].dropna().unique()) or 'any'}", fits),
            numbers("r", rows["r"], decimal),
            numbers("rho", rows["rho"], decimal),
        ),
    )

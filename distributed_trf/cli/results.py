"""``dtrf results``: what the results of a study say, and whose folder they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
import xarray as xr
from rich.table import Table

from distributed_trf import names
from distributed_trf.cli.completion import complete_study
from distributed_trf.cli.console import JSON, out, print_json
from distributed_trf.config.analyses import analysis_branches
from distributed_trf.config.load import listed
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.errors import ConfigError, NothingToDrawError
from distributed_trf.pipeline.fit_state import FitState, fit_state
from distributed_trf.results.analyses import open_branch
from distributed_trf.results.best_layers import in_words, layer_table, penalty_edges
from distributed_trf.results.chance import better_in_words, chance_table, evaluation_in_words
from distributed_trf.results.inter_trial_draws import ceiling_distance
from distributed_trf.results.open_results import load_results
from distributed_trf.results.plotted_units import plotted_units
from distributed_trf.results.tables import SUFFIXES, reliability_table, save_table
from distributed_trf.store.study_store import StudyStore

RESULTS = typer.Argument(
    metavar="STUDY",
    help="Study file, the name of one in configs/, or a folder with results, such as one of dtrf import-results.",
    show_default=False,
    autocompletion=complete_study,
)

FITS = "fits"
"""The grid of fits, as ``open_tree`` calls it."""


def results_folder(study: str) -> tuple[Path, StudySettings | None]:
    """Return the folder of a study's results, and the study where its file is named.

    The folder is ``study`` itself if it is such a folder, or else the output of the study.

    Raises
    ------
    ConfigError
        If it is neither that, nor a study file that can be used.
    """
    folder = Path(study)
    if (folder / "store.json").is_file():
        return folder, None
    if folder.is_dir() and study not in listed("configs"):
        near = sorted(str(marker.parent) for marker in folder.glob("*/store.json"))
        hint = f"; did you mean {near[0]}?" if near else "; name a study file, or the output folder of a study"
        raise ConfigError(f"{study}: is a folder without store.json, so it holds no results{hint}")
    settings = load_study(study)
    return settings.output, settings


def say_what_they_are_of(folder: Path, study: StudySettings | None) -> FitState | None:
    """Print what a reader of the results must know: fits of other settings, fits that failed or are missing."""
    state = fit_state(StudyStore.open(folder), study)
    for line in state.lines() if state is not None else ():
        out.print(f"note: {line}", soft_wrap=True)
    return state


GROUPS = ("area", "session", "subject")
ORDERS = ("layer", "r")


def show_results(
    study: str = RESULTS,
    *,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Write every fit of every unit to a table instead, one of {', '.join(SUFFIXES)}.",
            show_default=False,
        ),
    ] = None,
    of: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"What the table is of: fits, {', '.join(analysis_branches())}."),
    ] = FITS,
    by: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help=f"Medians within each {', '.join(GROUPS)}.", show_default=False),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(metavar="ORDER", help="Order of rows: layer, as in the study, or r, the highest median first."),
    ] = ORDERS[0],
    top: Annotated[
        int | None, typer.Option(min=1, help="Rows of each table that are shown.", show_default=False)
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Print the median test correlation of every network and layer."""
    for option, value, known_words in (("--by", by or GROUPS[0], GROUPS), ("--sort", sort, ORDERS)):
        if value not in known_words:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(known_words)}", param_hint=option)
    folder, settings = results_folder(study)
    if of != FITS and (save is None or of not in analysis_branches()):
        among = f"{of!r} is not one of {', '.join([FITS, *analysis_branches()])}"
        raise typer.BadParameter("name a file with --save" if save is None else among, param_hint="--of")
    ds = load_results(folder) if of == FITS else open_branch(folder, of)
    if save is not None:
        out.print(f"table: {save} ({save_table(ds, save)} rows)", soft_wrap=True)
        say_what_they_are_of(folder, settings)
        return
    table, chance = _rows(ds, by, sort, top), chance_table(ds)
    tested = evaluation_in_words(ds)
    if as_json:
        state = fit_state(StudyStore.open(folder), settings)
        print_json(
            {
                "output": folder,
                "tested": tested,
                "fits": table.to_dict("records"),
                "reliability": reliability_table(ds).to_dict("records"),
                "penalties": penalty_edges(ds).to_dict("records"),
                "chance": chance.to_dict("records"),
                "notes": [] if state is None else list(state.lines()),
            }
        )
        return
    if tested:
        out.print(f"r is of {tested}", soft_wrap=True)
    for _, row in reliability_table(ds).iterrows():
        out.print(
            f"{row['stimuli']}, {row['bin_width']:g} ms bins: {row['n']} units, median normaliser "
            f"{row['normaliser']:.3f}; tuned by the shift test {row['tuned']} at p < 0.05, {row['tuned_bh']} at a "
            f"false discovery rate of 0.05; {row['highly_tuned']} highly tuned (delta 0.5)"
        )
        out.print(f"figures and reports show {_shown(ds, row['stimuli'], row['bin_width'])}")
    for _, row in penalty_edges(ds).iterrows():
        out.print(f"{row['stimuli']}, {row['bin_width']:g} ms bins: {in_words(row)}")
    chance["words"] = [better_in_words(row) for _, row in chance.iterrows()]
    for (stimuli, bin_width), rows in table.groupby(["stimuli", "bin_width"], sort=False):
        fewest, most = rows["n"].min(), rows["n"].max()
        units = f"{most} units" if fewest == most else f"{fewest} to {most} units"
        out.print(f"{stimuli}, {bin_width:g} ms bins, {units}", style="italic")
        first = [by] if by else []
        columns = (*first, "network", "weights", "layer", "module", "median r", "quartiles")
        view = Table(*columns, box=None, pad_edge=False)
        for _, row in rows.iterrows():
            labels = [str(row[name]) for name in (*first, "network", "weights", "layer")]
            module = row["layer_name"].removeprefix("encoder.")
            view.add_row(*labels, module, f"{row['median']:.3f}", f"{row['q25']:.3f} {row['q75']:.3f}")
        out.print(view)
        for line in chance.loc[(chance["stimuli"] == stimuli) & (chance["bin_width"] == bin_width), "words"]:
            out.print(line)
    state = say_what_they_are_of(folder, settings)
    if table.empty:
        out.print("no fit is done yet" if state is not None and not state.was_done else "no fit has a number")
    known = ceiling_distance(ds)
    if known is not None:
        out.print(
            f"simulated recordings: the known firing rates allow a median r of {known.ceiling:.3f}; {known.feature} "
            f"(which drives the units) reaches {known.r:.3f} (median distance {known.distance:.3f}); units of pure "
            f"noise stay within |r| = {known.noise:.3f}"
        )


def _rows(ds: xr.Dataset, by: str | None, sort: str, top: int | None) -> pd.DataFrame:
    """Return medians of every fit over all units, or over those of each group, a table after another in their order."""
    table = layer_table(ds)
    if by is not None:
        labels = sorted(set(ds[by].values.tolist()))
        parts = [layer_table(ds.isel({names.UNIT: (ds[by] == label).values})).assign(**{by: label}) for label in labels]
        table = pd.concat([part for part in parts if len(part)] or [table.assign(**{by: ""})], ignore_index=True)
    tables = [rows for _, rows in table.groupby([names.STIMULI, names.BIN_WIDTH], sort=False)]
    if sort == "r":
        tables = [rows.sort_values("median", ascending=False, kind="stable") for rows in tables]
    return pd.concat([rows.head(top) if top else rows for rows in tables], ignore_index=True) if tables else table


def _shown(ds: xr.Dataset, stimuli: str, bin_width: float) -> str:
    """Say which units figures and reports show, and what removed the others."""
    try:
        (of,) = plotted_units(ds, delta=0.5, stimuli=stimuli, bin_width=bin_width)
    except NothingToDrawError:
        return "nothing of it: no fit is done"
    shown = "; ".join(part for part in (f"{of.n} {of.units}", of.note) if part)
    return f"{shown} ({of.selection})" if of.selection else shown

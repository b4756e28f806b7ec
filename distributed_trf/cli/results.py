"""``dtrf results``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from distributed_trf.cli.console import out
from distributed_trf.cli.results_folder import RESULTS, results_folder, say_what_they_are_of
from distributed_trf.results.open import open_results
from distributed_trf.results.responses.known_rates import ceiling_distance
from distributed_trf.results.tables.layer_table import layer_table
from distributed_trf.results.tables.penalty_edges import in_words, penalty_edges
from distributed_trf.results.tables.reliability_table import reliability_table
from distributed_trf.results.tables.save import SUFFIXES, save_table


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
) -> None:
    """Print the median test correlation of every network and layer."""
    folder, settings = results_folder(study)
    ds = open_results(folder)
    if save is not None:
        out.print(f"table: {save} ({save_table(ds, save)} rows)", soft_wrap=True)
        say_what_they_are_of(folder, settings)
        return
    table = layer_table(ds)
    for _, row in reliability_table(ds).iterrows():
        out.print(
            f"{row['stimuli']}, {row['bin_width']:g} ms bins: {row['n']} units, median normaliser "
            f"{row['normaliser']:.3f}; tuned by the shift test {row['tuned']} at p < 0.05, {row['tuned_bh']} at a "
            f"false discovery rate of 0.05; {row['highly_tuned']} highly tuned (delta 0.5)"
        )
    for _, row in penalty_edges(ds).iterrows():
        out.print(f"{row['stimuli']}, {row['bin_width']:g} ms bins: {in_words(row)}")
    for (stimuli, bin_width), rows in table.groupby(["stimuli", "bin_width"], sort=False):
        fewest, most = rows["n"].min(), rows["n"].max()
        units = f"{most} units" if fewest == most else f"{fewest} to {most} units"
        out.print(f"{stimuli}, {bin_width:g} ms bins, {units}", style="italic")
        view = Table("network", "weights", "layer", "module", "median r", "quartiles", box=None, pad_edge=False)
        for _, row in rows.iterrows():
            labels = [str(row[name]) for name in ("network", "weights", "layer")]
            module = row["layer_name"].removeprefix("encoder.")
            view.add_row(*labels, module, f"{row['median']:.3f}", f"{row['q25']:.3f} {row['q75']:.3f}")
        out.print(view)
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

"""``dtrf results``, ``dtrf figures``."""

from __future__ import annotations

from pathlib import Path

import typer
import xarray as xr
from rich.table import Table

from distributed_trf.cli.console import out
from distributed_trf.cli.study import STUDY
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.figures.layer_profile import layer_profile
from distributed_trf.results.known_rates import ceiling_distance
from distributed_trf.results.open import open_results
from distributed_trf.results.reliability import reliability_table
from distributed_trf.results.tables import layer_table
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import check_group

FORMATS = ("png", "pdf", "svg")


def show_results(study: str = STUDY) -> None:
    """Print the median test correlation of every network and layer."""
    settings = load_study(study)
    ds = _results(settings)
    table = layer_table(ds)
    for _, row in reliability_table(ds).iterrows():
        out.print(
            f"[italic]{row['stimuli']}, {row['bin_width']:g} ms bins: {row['n']} units, median normaliser "
            f"{row['normaliser']:.3f}[/]; tuned by the shift test {row['tuned']} at p < 0.05, {row['tuned_bh']} at a "
            f"false discovery rate of 0.05; {row['highly_tuned']} highly tuned (delta 0.5)"
        )
    for (stimuli, bin_width), rows in table.groupby(["stimuli", "bin_width"], sort=False):
        fewest, most = rows["n"].min(), rows["n"].max()
        units = f"{most} units" if fewest == most else f"{fewest} to {most} units"
        out.print(f"[italic]{stimuli}, {bin_width:g} ms bins, {units}")
        view = Table("network", "weights", "layer", "module", "median r", "quartiles", box=None, pad_edge=False)
        for _, row in rows.iterrows():
            labels = [str(row[name]) for name in ("network", "weights", "layer")]
            module = row["layer_name"].removeprefix("encoder.")
            view.add_row(*labels, module, f"{row['median']:.3f}", f"{row['q25']:.3f} {row['q75']:.3f}")
        out.print(view)
    if table.empty:
        out.print("no fit is done yet")
    known = ceiling_distance(settings, ds)
    if known is not None:
        out.print(
            f"simulated recordings: the known firing rates allow a median r of {known.ceiling:.3f}; {known.feature} "
            f"(which drives the units) reaches {known.r:.3f} (median distance {known.distance:.3f}); units of pure "
            f"noise stay within |r| = {known.noise:.3f}"
        )


def draw_figures(
    study: str = STUDY,
    *,
    fmt: str = typer.Option("png", "--format", help=f"File format: {', '.join(FORMATS)}."),
    dpi: int = typer.Option(150, help="Resolution of png."),
) -> None:
    """Draw the layer profile of each stimulus set and bin width into the study's figures/ folder."""
    if fmt not in FORMATS:
        raise typer.BadParameter(f"{fmt!r} is not one of {', '.join(FORMATS)}", param_hint="--format")
    settings = load_study(study)
    ds = _results(settings)
    folder = Path(settings.output) / "figures"
    folder.mkdir(exist_ok=True)
    for stimuli in settings.stimuli:
        for bin_width in settings.bin_widths:
            file = folder / f"layer_profile_{stimuli}_{bin_width:g}ms.{fmt}"
            layer_profile(ds, stimuli=stimuli, bin_width=bin_width).savefig(file, dpi=dpi)
            out.print(f"figure: {file}", soft_wrap=True)


def _results(settings: StudySettings) -> xr.Dataset:
    """Read the results.

    Raises
    ------
    DamagedError
        If some of them are damaged.
    """
    ds = open_results(settings.output)
    check_group(StudyStore.open(settings.output).results)
    return ds

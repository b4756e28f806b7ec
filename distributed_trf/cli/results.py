"""``dtrf results``, ``dtrf figures``."""

from __future__ import annotations

from pathlib import Path

import typer
import xarray as xr
from rich.table import Table

from distributed_trf.cli.console import out
from distributed_trf.cli.study import STUDY
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.config.word_errors import load_word_errors
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.gallery import FIGURES, chosen, draw
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.save import FORMATS, save_figure
from distributed_trf.figures.style import notes_of
from distributed_trf.results.open import open_results
from distributed_trf.results.responses.known_rates import ceiling_distance
from distributed_trf.results.tables.layer_table import layer_table
from distributed_trf.results.tables.reliability_table import reliability_table
from distributed_trf.speech_recognition.word_errors import TABLE
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import check_group


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
    only: str | None = typer.Option(None, help="Figures by name with commas between them, such as 3,S2,controls."),
    formats: str = typer.Option("png", "--format", help="File formats with commas between them: png, pdf, svg."),
    dpi: int = typer.Option(150, min=30, help="Resolution of png."),
    delta: float = typer.Option(0.5, help="Of the rule for highly tuned units; S8 to S10 have 1."),
    bin_width: float | None = typer.Option(None, help="Milliseconds; by default 50, 20 of low-passed features."),
    word_errors: str | None = typer.Option(None, help="File or name of what `dtrf wer` was given, for S5."),
) -> None:
    """Draw all figures that the results allow into the study's figures/ folder; S5 needs --word-errors."""
    endings = [ending.strip() for ending in formats.split(",")]
    for ending in endings:
        if ending not in FORMATS:
            raise typer.BadParameter(f"{ending!r} is not one of {', '.join(FORMATS)}", param_hint="--format")
    wanted = None if only is None else only.split(",")
    chosen(wanted)  # a misspelt name is found before anything is drawn
    folder = _folder(study)
    _check(folder)
    table = None if word_errors is None else load_word_errors(word_errors).output / TABLE
    left_out = {}
    for drawing, figure in draw(Inputs(folder, delta, bin_width, table), wanted):
        if isinstance(figure, str):
            left_out[drawing.name] = figure
            continue
        at = "" if bin_width is None else f"_{bin_width:g}ms"
        for file in save_figure(figure, folder / "figures", f"figure_{drawing.name}{at}", endings, dpi=dpi):
            out.print(f"figure: {file}", soft_wrap=True, markup=False)
        for text in notes_of(figure):
            out.print(f"note: {text}", markup=False)
    if left_out and (wanted is not None or len(left_out) == len(FIGURES)):
        raise NothingToDrawError("; ".join(f"figure {name}: {reason}" for name, reason in left_out.items()))
    for name, reason in left_out.items():
        out.print(f"no figure {name}: {reason}", markup=False)


def _folder(study: str) -> Path:
    """Return the folder of results: the one given, else that of a study."""
    given = Path(study)
    return given if (given / "store.json").is_file() else Path(load_study(study).output)


def _check(folder: Path) -> None:
    """Read the analyses that figures are drawn from; the results are checked when they are read.

    Raises
    ------
    StoreError
        If there are no results.
    DamagedError
        If some of them are damaged.
    """
    open_results(folder)
    store = StudyStore.open(folder)
    for kind in ("lowpass", "together"):
        for found in sorted((store.root / "analyses").glob(f"{kind}-*.zarr")):
            check_group(found)


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

"""``dtrf figures``."""

from __future__ import annotations

import typer

from distributed_trf.cli.console import out
from distributed_trf.cli.results_folder import RESULTS, results_folder, say_what_they_are_of
from distributed_trf.config.word_errors import load_word_errors
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.gallery import FIGURES, chosen, draw
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.save import FORMATS, save_figure
from distributed_trf.figures.style import notes_of
from distributed_trf.results.tree import open_tree
from distributed_trf.speech_recognition.word_errors import TABLE


def draw_figures(
    study: str = RESULTS,
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
    folder, settings = results_folder(study)
    open_tree(folder)  # checks all that figures are drawn from
    say_what_they_are_of(folder, settings)
    table = None if word_errors is None else load_word_errors(word_errors).output / TABLE
    left_out = {}
    for drawing, figure in draw(Inputs(folder, delta, bin_width, table), wanted):
        if isinstance(figure, str):
            left_out[drawing.name] = figure
            continue
        at = "" if bin_width is None else f"_{bin_width:g}ms"
        for file in save_figure(figure, folder / "figures", f"figure_{drawing.name}{at}", endings, dpi=dpi):
            out.print(f"figure: {file}", soft_wrap=True)
        for text in notes_of(figure):
            out.print(f"note: {text}")
    if left_out and (wanted is not None or len(left_out) == len(FIGURES)):
        raise NothingToDrawError("; ".join(f"figure {name}: {reason}" for name, reason in left_out.items()))
    for name, reason in left_out.items():
        out.print(f"no figure {name}: {reason}")

"""``dtrf figures`` and ``dtrf report``: what is drawn and written of the results of a study."""

from __future__ import annotations

import re
import webbrowser
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from distributed_trf.cli.console import out
from distributed_trf.cli.results import RESULTS, results_folder, say_what_they_are_of
from distributed_trf.config.analyses import load_word_errors
from distributed_trf.errors import ConfigError, NothingToDrawError
from distributed_trf.figures.gallery import FIGURES, chosen, draw
from distributed_trf.figures.html.session_report import write_session_report
from distributed_trf.figures.html.study_report import write_report
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.latex import PGF, check_tex
from distributed_trf.figures.printed_page import Width, page
from distributed_trf.figures.shown_tests import Tests
from distributed_trf.figures.style import FORMATS, notes_of, save_figure, too_high
from distributed_trf.results.analyses import open_tree
from distributed_trf.speech_recognition.word_errors import TABLE
from distributed_trf.store.atomic import check_folder
from distributed_trf.store.study_store import StudyStore


def draw_figures(
    study: str = RESULTS,
    *,
    only: str | None = typer.Option(None, help="Figures by name with commas between them, such as 3,S2,controls."),
    formats: str = typer.Option("png", "--format", help="File formats with commas between them: png, pdf, svg, pgf."),
    dpi: int = typer.Option(150, min=30, help="Resolution of png."),
    width: str = typer.Option("double", help="single: for one column of a journal, 3.5 inches; double: for two, 7.5."),
    delta: float = typer.Option(0.5, help="Of the rule for highly tuned units; S8 to S10 have 1."),
    bin_width: float | None = typer.Option(None, help="Milliseconds; by default 50, 20 of low-passed features."),
    word_errors: str | None = typer.Option(None, help="For S5: file or name of what `dtrf wer` was given, or a .csv."),
    tests: str = typer.Option(
        "default", help="default: over sessions, best layers chosen on training folds; published: over units."
    ),
) -> None:
    """Draw all figures that the results allow into the study's figures/ folder; S5 needs --word-errors."""
    endings = [ending.strip() for ending in formats.split(",")]
    for ending in endings:
        if ending not in FORMATS:
            raise typer.BadParameter(f"{ending!r} is not one of {', '.join(FORMATS)}", param_hint="--format")
    if PGF in endings:
        check_tex()  # before anything is drawn
    if width not in get_args(Width):
        raise typer.BadParameter(f"{width!r} is not one of {', '.join(get_args(Width))}", param_hint="--width")
    if tests not in get_args(Tests):
        raise typer.BadParameter(f"{tests!r} is not one of {', '.join(get_args(Tests))}", param_hint="--tests")
    wanted = None if only is None else only.split(",")
    chosen(wanted)  # a misspelt name is found before anything is drawn
    folder, settings = results_folder(study)
    open_tree(folder)  # checks all that figures are drawn from
    say_what_they_are_of(folder, settings)
    table = None if word_errors is None else _word_error_table(word_errors)
    left_out = {}
    suffix = ("" if bin_width is None else f"_{bin_width:g}ms") + ("" if width == "double" else f"_{width}")
    with page(cast(Width, width)):
        for drawing, figure in draw(Inputs(folder, delta, bin_width, table, cast(Tests, tests)), wanted):
            if isinstance(figure, str):
                left_out[drawing.name] = figure
                continue
            for file in save_figure(figure, folder / "figures", f"figure_{drawing.name}{suffix}", endings, dpi=dpi):
                out.print(f"figure: {file}", soft_wrap=True)
            for text in (*notes_of(figure), *too_high(figure)):
                out.print(f"note: {text}")
    if left_out and (wanted is not None or len(left_out) == len(FIGURES)):
        raise NothingToDrawError("; ".join(f"figure {name}: {reason}" for name, reason in left_out.items()))
    for name, reason in left_out.items():
        out.print(f"no figure {name}: {reason}")


def _word_error_table(named: str) -> Path:
    """Return the table itself, or that of an evaluation."""
    return Path(named) if named.endswith(".csv") else load_word_errors(named).output / TABLE


def report(
    study: str = RESULTS,
    *,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="By default report.html in the study's folder.", show_default=False),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of one session, on a page.", show_default=False)
    ] = None,
) -> None:
    """Write what a study is and found, with every figure, as one HTML file."""
    folder, settings = results_folder(study)
    path = folder / _file_name(session) if output is None else output
    if path.is_dir():
        raise ConfigError(f"--output: {path} is a folder; name a file")
    check_folder(path.parent)  # before minutes are spent on figures
    if session is None:
        write_report(folder, path, study=settings)
    else:
        write_session_report(folder, session, path)
    say_what_they_are_of(folder, settings)
    out.print(f"report: {path}", soft_wrap=True)


def open_report(study: str = RESULTS) -> None:
    """Open a study's report in a browser; it is written first if it is older than the results."""
    folder, settings = results_folder(study)
    path = folder / _file_name(None)
    store = StudyStore.open(folder)
    changed = [store.results, *store.receipts.glob("*"), *store.runs.glob("*/manifest.json")]
    newest = max((entry.stat().st_mtime for entry in changed if entry.exists()), default=0.0)
    if not path.is_file() or path.stat().st_mtime < newest:
        write_report(folder, path, study=settings)
        out.print(f"report: {path}", soft_wrap=True)
    if not webbrowser.open(path.absolute().as_uri()):
        out.print(f"there is no browser here; copy {path} to where there is one", soft_wrap=True)


def _file_name(session: str | None) -> str:
    """Name a report; the name of a session of imported results may be no name for a file."""
    return "report.html" if session is None else "report_" + re.sub(r"[^\w.-]", "_", session) + ".html"

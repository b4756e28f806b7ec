"""``dtrf report``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from distributed_trf.cli.console import out
from distributed_trf.cli.results_folder import RESULTS, results_folder, say_what_they_are_of
from distributed_trf.errors import ConfigError
from distributed_trf.figures.html.session_report import write_session_report
from distributed_trf.figures.html.study_report import write_report
from distributed_trf.store.atomic import check_folder


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


def _file_name(session: str | None) -> str:
    """Name a report; the name of a session of imported results may be no name for a file."""
    return "report.html" if session is None else "report_" + re.sub(r"[^\w.-]", "_", session) + ".html"

"""``dtrf init``: a first study of one's own recordings, or of an example of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from distributed_trf.cli.console import out
from distributed_trf.pipeline.first_study import NETWORKS, check_name, write_first_study
from distributed_trf.recordings.example_recordings import write_example_recordings
from distributed_trf.recordings.simulation.simulate import LAYOUTS, simulate

GENERIC = "generic"
EXAMPLES = (GENERIC, *LAYOUTS)


def init(
    recordings: Annotated[
        Path | None, typer.Argument(help="Folder of the recording set; prompted for if not given.", show_default=False)
    ] = None,
    *,
    study: Annotated[Path, typer.Option(metavar="FILE.yaml", help="Study file to write.")] = Path("study.yaml"),
    fmt: Annotated[
        str | None, typer.Option("--format", help="Recording format; if not given, the one that opens it.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Networks and spectrograms, one each; by default {', '.join(NETWORKS)}."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help=f"Write simulated recordings there first: {', '.join(EXAMPLES)}."),
    ] = None,
) -> None:
    """Write a study file with comments for recordings: what they hold decides what it says."""
    if example is not None and example not in EXAMPLES:
        raise typer.BadParameter(f"{example!r} is not one of {', '.join(EXAMPLES)}", param_hint="--example")
    if recordings is None and example is not None:
        recordings = Path(f"{example}_recordings")
    if recordings is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("name a folder, or try --example generic", param_hint="RECORDINGS")
        recordings = Path(typer.prompt("Folder of the recordings"))
    check_name(study)
    weights = ["trained", "reset"]
    if example is not None:
        weights = ["reset"]  # which needs no internet
        if example == GENERIC:
            write_example_recordings(recordings)
        else:
            simulate(recordings, format=example, sessions=2, channels=4, sentences=30)
        out.print(f"recordings: {recordings}", soft_wrap=True)
    written = write_first_study(study, recordings, format=fmt, networks=network or NETWORKS, weights=weights)
    out.print(f"stimulus sets: {', '.join(written.stimuli)}", soft_wrap=True)
    out.print(f"study: {study}; its output will be in {written.output}", soft_wrap=True)
    out.print("look at it, then:")
    for command in ("plan", "run", "report"):
        out.print(f"  dtrf {command} {study}", soft_wrap=True)

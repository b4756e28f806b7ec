"""``dtrf simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from distributed_trf.cli.console import out, size
from distributed_trf.recordings.simulation.simulate import simulate


def write_recordings(
    folder: Path = typer.Argument(help="New folder of the recording set.", show_default=False),
    *,
    format: str = typer.Option("ucsf", help="Published format of the files: ucsf or ucdavis."),
    sessions: int = typer.Option(3, help="Recording sessions."),
    channels: str = typer.Option(
        "8", help="Channels of each session, or 'published'; of several, one is pure noise.", metavar="N|published"
    ),
    sentences: int = typer.Option(60, help="Sentences in all, of which some are repeated for testing."),
    calls: int = typer.Option(0, help="Presentations of monkey calls (ucsf), or different calls (ucdavis)."),
    seed: int = typer.Option(0, help="Of everything random."),
) -> None:
    """Write simulated recordings in a published format, with the truth beside them."""
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    with Progress(TextColumn("write sessions"), *columns, *left, console=out, transient=True) as progress:
        bar = progress.add_task("", total=sessions)
        truth = simulate(
            folder,
            format=format,
            sessions=sessions,
            channels=int(channels) if channels.isdecimal() else cast(Literal["published"], channels),
            sentences=sentences,
            calls=calls,
            seed=seed,
            on_session=lambda _: progress.advance(bar),
        )
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    out.print(
        f"{sessions} sessions of {truth.sizes['unit']} units in all, {sentences} sentences, {calls} calls; "
        f"{size(on_disk)}: {folder.resolve()}",
        soft_wrap=True,
    )

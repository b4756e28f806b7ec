"""``dtrf simulate``."""

from __future__ import annotations

from pathlib import Path

import typer

from distributed_trf.cli.console import out
from distributed_trf.recordings.simulation.simulate import simulate


def write_recordings(
    folder: Path = typer.Argument(help="New folder of the recording set.", show_default=False),
    *,
    sessions: int = typer.Option(3, help="Recording sessions."),
    channels: int = typer.Option(8, help="Channels of each session; one of them is pure noise."),
    sentences: int = typer.Option(60, help="Sentences in all, of which ten are repeated for testing."),
    seed: int = typer.Option(0, help="Of everything random."),
) -> None:
    """Write simulated recordings in the published layout, with the truth beside them."""
    simulate(folder, sessions=sessions, channels=channels, sentences=sentences, seed=seed)
    out.print(f"{sessions} sessions of {channels} channels, {sentences} sentences: {folder.resolve()}", soft_wrap=True)

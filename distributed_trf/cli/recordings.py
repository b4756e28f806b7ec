"""``dtrf recordings``."""

from __future__ import annotations

import re
from pathlib import Path

import typer
import xarray as xr
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from distributed_trf.cli.console import out
from distributed_trf.errors import ConfigError
from distributed_trf.figures.raster import raster_figure
from distributed_trf.figures.save import FORMATS
from distributed_trf.recordings.formats import guess_format, open_recordings
from distributed_trf.recordings.inventory import inventory

SOME_UNREADABLE = 1
COLUMNS = ("session", "area", "subject", "units", "trials", "train", "missing", "test", "repeats")
N_TEXT = 3
"""Columns of text before those of numbers."""


def list_recordings(
    folder: Path = typer.Argument(help="Folder of the recording set.", show_default=False),
    *,
    fmt: str | None = typer.Option(None, "--format", help="Recording format; if not given, the one that opens it."),
    raster: tuple[str, str, str] | None = typer.Option(
        None, metavar="SESSION UNIT STIMULUS", help="Draw the spikes of one unit in all repeats of one sound instead."
    ),
    stimuli: str | None = typer.Option(None, help="Of --raster: stimulus set, where several have such a sound."),
    output: Path | None = typer.Option(
        None, help=f"Of --raster: file to draw into ({', '.join(FORMATS)}); by default named after the three."
    ),
    dpi: int = typer.Option(300, help="Of --raster: resolution of png."),
) -> None:
    """Say what a recording set holds: sessions, units, trials and repeats of each stimulus set."""
    if raster is None and (stimuli or output):
        raise typer.BadParameter("needs --raster", param_hint="--stimuli" if stimuli else "--output")
    file = output or Path("_".join(["raster", *(re.sub(r"[^\w.-]+", "-", part) for part in raster or ())]) + ".png")
    if file.suffix.removeprefix(".") not in FORMATS or not file.parent.is_dir():
        raise ConfigError(f"--output: {file} is not a file ending in {', '.join(FORMATS)} in a folder that exists")
    name, recordings = (fmt, open_recordings(fmt, folder)) if fmt else guess_format(folder)
    if raster is not None:
        raster_figure(recordings, *raster, stimuli=stimuli).savefig(file, dpi=dpi)
        out.print(f"figure: {file}", soft_wrap=True)
        return

    held = inventory(recordings)
    out.print(f"{folder} ({name})", soft_wrap=True)
    for stimulus_set in held["stimuli"].values:
        _print_set(held.sel(stimuli=stimulus_set))
    problems = [
        f"{stimulus_set}, session {session}: {held['problem'].sel(stimuli=stimulus_set, session=session).item()}"
        for stimulus_set in held["stimuli"].values
        for session in held["session"].values[held["problem"].sel(stimuli=stimulus_set) != ""]
    ]
    for title, lines in (("notes", recordings.notes), ("problems", problems)):
        if lines:
            out.print(f"\n{title}", style="italic")
        for line in lines:
            out.print(Padding(Text(line, overflow="fold"), (0, 0, 0, 2), expand=False))
    if (held["heard"] & held["n_trials"].isnull()).any():
        raise typer.Exit(SOME_UNREADABLE)


def _print_set(of_set: xr.Dataset) -> None:
    """Print one stimulus set: a row per session that heard it, and their sum."""
    sounds = ", ".join(
        f"{_number(of_set[f'n_{kind}'])} {word} sounds ({of_set[f'{kind}_seconds'].item():.1f} s)"
        for kind, word in (("train", "training"), ("test", "test"))
    )
    out.print()
    out.print(f"{of_set['stimuli'].item()}: {sounds}", style="italic")
    view = Table(box=None, pad_edge=False)
    for k, column in enumerate(COLUMNS):
        is_text = k < N_TEXT
        view.add_column(column, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    heard = of_set.sel(session=of_set["heard"])
    for session in heard["session"].values:
        place = heard.sel(session=session)
        fewest, most = _number(place["repeats_min"]), _number(place["repeats_max"])
        view.add_row(
            *(str(place[name].item()) for name in COLUMNS[:N_TEXT]),
            *(_number(place[n]) for n in ("n_units", "n_trials", "train_stimuli", "missing", "test_stimuli")),
            fewest if fewest == most else f"{fewest}-{most}",
        )
    out.print(view)
    of_all = "" if heard.sizes["session"] == of_set.sizes["session"] else f" of {of_set.sizes['session']}"
    out.print(f"{heard.sizes['session']}{of_all} sessions, {_number(heard['n_units'].sum())} units")


def _number(value: xr.DataArray) -> str:
    """Write a whole number, or a dash where it is not known."""
    return "-" if value.isnull() else str(int(value))

"""``dtrf recordings`` and ``dtrf simulate``: what recordings hold, and simulated ones."""

from __future__ import annotations

import re
from math import isnan
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
import xarray as xr
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from distributed_trf.cli.console import out, size
from distributed_trf.errors import ConfigError
from distributed_trf.figures.raster import raster_figure
from distributed_trf.figures.style import FORMATS, save_figure
from distributed_trf.recordings.inventory import READ, inventory
from distributed_trf.recordings.open_recordings import guess_format, open_recordings
from distributed_trf.recordings.recording_set import unusable_sessions
from distributed_trf.recordings.simulation.simulate import simulate

SOME_UNREADABLE = 1
CLOCK = ("session", "sounds (s)", "spikes (s)", "spikes/s", "in sounds")
SIGNALS = ("session", "sounds (s)", "signal (s)", "Hz", "flat units", "with gaps")
VALUES = ("session", "flat units", "with gaps")
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
    spikes: Annotated[bool, typer.Option(help="Read the responses too, and see whether they fit the trials.")] = True,
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
        ending = file.suffix.removeprefix(".")
        save_figure(raster_figure(recordings, *raster, stimuli=stimuli), file.parent, file.stem, [ending], dpi=dpi)
        out.print(f"figure: {file}", soft_wrap=True)
        return

    held = inventory(recordings, spikes=spikes)
    out.print(f"{folder} ({name})", soft_wrap=True)
    for stimulus_set in held["stimuli"].values:
        _print_set(held.sel(stimuli=stimulus_set), spikes=spikes)
    problems = [
        f"{stimulus_set}, session {session}: {held['problem'].sel(stimuli=stimulus_set, session=session).item()}"
        for stimulus_set in held["stimuli"].values
        for session in held["session"].values[held["problem"].sel(stimuli=stimulus_set) != ""]
    ]
    for title, lines in (("notes", [*recordings.notes, *_of_training(held)]), ("problems", problems)):
        if lines:
            out.print(f"\n{title}", style="italic")
        for line in lines:
            out.print(Padding(Text(line, overflow="fold"), (0, 0, 0, 2), expand=False))
    nothing = held["rate"].isnull() & held["flat"].isnull()
    unread = held["n_trials"].isnull() | ((held["n_trials"] > 0) & nothing & spikes)
    if unusable_sessions(recordings) or (held["heard"] & unread).any():
        raise typer.Exit(SOME_UNREADABLE)


def _of_training(held: xr.Dataset) -> list[str]:
    """Say in which stimulus sets training stimuli were presented several times."""
    totals = [(name, int(held["further"].sel(stimuli=name).sum())) for name in held["stimuli"].values]
    return [
        f"{name}: {n} further presentations of training stimuli; a study with `training: mean` or `all` uses them"
        for name, n in totals
        if n
    ]


def _print_set(of_set: xr.Dataset, *, spikes: bool) -> None:
    """Print one stimulus set: a row per session in which it was presented, and their sum."""
    if int(of_set["n_test"]):
        sounds = ", ".join(
            f"{_number(of_set[f'n_{kind}'])} {word} sounds ({of_set[f'{kind}_seconds'].item():.1f} s)"
            for kind, word in (("train", "training"), ("test", "test"))
        )
    else:
        sounds = (
            f"{_number(of_set['n_train'])} sounds ({of_set['train_seconds'].item():.1f} s), none for testing; "
            "test a study by splits"
        )
    out.print()
    out.print(f"{of_set['stimuli'].item()}: {sounds}", style="italic")
    view = Table(box=None, pad_edge=False)
    for k, column in enumerate(COLUMNS):
        is_text = k < N_TEXT
        view.add_column(column, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    presented = of_set.sel(session=of_set["heard"])
    for session in presented["session"].values:
        counts = presented.sel(session=session)
        fewest, most = _number(counts["repeats_min"]), _number(counts["repeats_max"])
        view.add_row(
            *(str(counts[name].item()) for name in COLUMNS[:N_TEXT]),
            *(_number(counts[n]) for n in ("n_units", "n_trials", "train_stimuli", "missing", "test_stimuli")),
            fewest if fewest == most else f"{fewest}-{most}",
        )
    out.print(view)
    if spikes:
        _print_clock(presented)
    of_all = "" if presented.sizes["session"] == of_set.sizes["session"] else f" of {of_set.sizes['session']}"
    out.print(f"{presented.sizes['session']}{of_all} sessions, {_number(presented['n_units'].sum())} units")


def _print_clock(presented: xr.Dataset) -> None:
    """Print where sounds and responses of each session begin and end, and how often units fire or which are flat."""
    for kind, columns in (("spikes", CLOCK), ("signal", SIGNALS), ("values", VALUES)):
        of_kind = presented.sel(session=presented["response"] == kind)
        view = Table(box=None, pad_edge=False)
        for k, column in enumerate(columns):
            view.add_column(column, justify="right" if k else "left", no_wrap=bool(k), overflow="fold")
        for session in of_kind["session"].values:
            of = {name: of_kind[name].sel(session=session).item() for name in READ}
            spans = [
                f"{_short(of[f'{what}_first'])} to {_short(of[f'{what}_last'])}"
                for what in ("onset", "spike" if kind == "spikes" else "signal")
            ]
            if kind == "spikes":
                view.add_row(str(session), *spans, _short(of["rate"]), _short(of["in_sounds"], ".0%"))
            else:
                timed = [*spans, _short(of["sampling_rate"])] if kind == "signal" else []
                view.add_row(str(session), *timed, *(_short(of[name]) for name in ("flat", "gaps")))
        if view.row_count:
            out.print(view)


def _short(value: float, how: str = ".4g") -> str:
    return "-" if isnan(value) else f"{value:{how if abs(value) < 1e4 else '.6g'}}"


def _number(value: xr.DataArray) -> str:
    """Write a whole number, or a dash where it is not known."""
    return "-" if value.isnull() else str(int(value))


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

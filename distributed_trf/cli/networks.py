"""``dtrf networks`` and ``dtrf wer``: which networks there are, adding one, and how well they recognise speech."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from distributed_trf.cli.console import err, out
from distributed_trf.config.analyses import load_word_errors
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import listed
from distributed_trf.config.study import load_study
from distributed_trf.features.families.registry import completed, is_supported
from distributed_trf.features.probe.add import add_network
from distributed_trf.features.probe.check import check_table
from distributed_trf.features.probe.study_tables import study_table
from distributed_trf.features.table import FOLDER, NetworkTable, load_table
from distributed_trf.features.weights.source import WeightsLocation, available_weights
from distributed_trf.speech_recognition.word_errors import TABLE, word_error_rates

SHOW = "show"


class _NamesOrCommand(TyperGroup):
    """``dtrf networks NAME`` shows networks; ``dtrf networks add`` is a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command that shows networks before anything that is none."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_NamesOrCommand,
    subcommand_metavar="[NAME]... [--study FILE] | add SOURCE",
    help="Say which networks there are, those that are named layer by layer, and with --study those of a study. "
    "`dtrf networks add` makes the table of a network from a hub id or a folder.",
    add_completion=False,
)


@app.command(SHOW, hidden=True)
def list_networks(
    names: list[str] | None = typer.Argument(
        None, metavar="[NAME]...", help=f"Networks to show layer by layer: files, or names of some in {FOLDER}/."
    ),
    *,
    study: str | None = typer.Option(None, help="Study whose networks to list, with the weights that it gives."),
) -> None:
    """Say which networks there are, what their layers give, and whether their trained weights are available."""
    of_study = {network.name: network for network in load_study(study).networks} if study else {}
    tables = [
        study_table(of_study[name]) if name in of_study else load_table(name)
        for name in names or list(of_study) or listed(FOLDER)
    ]
    settings = [of_study.get(table.name) or NetworkSettings(name=table.name) for table in tables]
    show = _layers if names else _overview
    show(list(zip(tables, settings, strict=True)))
    for table, network in zip(tables, settings, strict=True) if names else ():
        check_table(completed(table, network))


@app.command("add")
def add(
    source: Annotated[str, typer.Argument(help="Folder with config.json, or id in the Hugging Face hub.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name in studies; by default the last part of SOURCE.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of the hub id; by default the newest.")] = None,
    layers: Annotated[
        str, typer.Option(help="stack (front end, blocks, final norm), all, or a regular expression of module names.")
    ] = "stack",
    parts: Annotated[
        list[str] | None, typer.Option(help="Sub-layers of each block as well: attention, mlp; may be repeated.")
    ] = None,
    heads: Annotated[bool, typer.Option("--heads", help="Each head of attention as a layer as well.")] = False,
    grid: Annotated[str, typer.Option(help="Patches of a spectrogram: flatten bands, or their mean.")] = "flatten",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the table and write nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a table of that name.")] = False,
) -> None:
    """Find out the layers of an audio network from its own files and write its table to ./configs/networks."""
    if err.is_terminal:
        err.print(f"looking at the network of {source} ...", markup=False)
    added = add_network(
        source, name=name, revision=revision, layers=layers, parts=parts or [], heads=heads, grid=grid,
        dry_run=dry_run, replace=replace,
    )  # fmt: skip
    if added.file is None:
        out.print(Text(added.text), soft_wrap=True, end="")
        return
    _layers([(added.table, NetworkSettings(name=added.table.name))])
    for note in added.notes:
        out.print(Text(f"note: {note}", overflow="fold"))
    out.print(Text(f"table: {added.file}", overflow="fold"))
    out.print(Text(f"use it in a study: networks: [{{name: {added.table.name}, weights: [trained, reset]}}]"))


def _overview(networks: list[tuple[NetworkTable, NetworkSettings]]) -> None:
    """Print a row per network, and below where its weights come from, by which licence, and whether they are here."""
    view = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("network", "family"):
        view.add_column(column, overflow="fold")
    for column in ("layers", "width", "frames/s", "kHz", "params"):
        view.add_column(column, justify="right", no_wrap=True)
    view.add_column("trained", no_wrap=True)
    notes = []
    for table, settings in networks:
        weights = available_weights(table, settings)
        numbers = (_range(layer.width for layer in table.layers), _range(layer.rate for layer in table.layers))
        labels = (table.name, table.family, str(len(table.layers)))
        view.add_row(*labels, *numbers, f"{table.sfreq / 1000:g}", _parameters(table), weights.location)
        if weights.location is not WeightsLocation.FIXED:
            notes.append(f"{table.name}: {weights.detail}{_licence(table)}")
    out.print(view)
    _list("trained weights", notes)
    unknown = [table.name for table, _ in networks if not is_supported(table)]
    _list("cannot be extracted by this version", [", ".join(unknown)] if unknown else [])


def _list(title: str, lines: list[str]) -> None:
    if lines:
        out.print(f"\n{title}", style="italic")
    for line in lines:
        out.print(Padding(Text(line, overflow="fold"), (0, 0, 0, 2), expand=False))


def _layers(networks: list[tuple[NetworkTable, NetworkSettings]]) -> None:
    """Print a row per layer of each network."""
    for k, (table, settings) in enumerate(networks):
        weights = available_weights(table, settings)
        known = "" if is_supported(table) else " (which this version cannot extract)"
        head = (
            f"{table.name}: family {table.family}{known}, {table.sfreq / 1000:g} kHz, parameters {_parameters(table)}"
            f"{'' if table.window is None else f', sounds up to {table.window:g} s'}"
            f"{_licence(table)}"
        )
        if k:
            out.print()
        out.print(Text(head, style="italic", overflow="fold"))
        out.print(Text(f"trained weights: {weights.detail}", overflow="fold"))
        view = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        view.add_column("layer", justify="right")
        view.add_column("module", overflow="fold")
        view.add_column("type", no_wrap=True)
        for column in ("width", "frames/s", "RF (ms)"):
            view.add_column(column, justify="right", no_wrap=True)
        for layer in table.layers:
            field = "-" if layer.receptive_field is None else f"{layer.receptive_field:g}"
            view.add_row(str(layer.id), layer.name, layer.type, str(layer.width), f"{layer.rate:g}", field)
        out.print(view)


def _range(values: Iterable[float]) -> str:
    """Write the smallest and largest of some numbers, of fractions four digits."""
    ends = sorted(set(values))
    return "-".join(f"{end:.5g}" if end >= 10_000 else f"{end:.4g}" for end in dict.fromkeys((ends[0], ends[-1])))


def _licence(table: NetworkTable) -> str:
    """Write what the weights may be used by, where the table says it."""
    return "" if table.licence is None else f", licence {table.licence}"


def _parameters(table: NetworkTable) -> str:
    """Write the number of parameters in millions, or a dash where it is not known."""
    if table.parameters is None:
        return "-"
    millions = table.parameters / 1e6
    return f"{millions:.0f}M" if millions >= 100 else f"{millions:.1f}M"


def show_word_errors(
    config: str = typer.Argument(help="YAML file, or the name of one in ./configs/word_errors or of those that ship."),
) -> None:
    """Let networks recognise speech benchmarks and print their word error rates."""
    settings = load_word_errors(config)
    tasks: dict[tuple[str, str], TaskID] = {}
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), console=err
    ) as bars:

        def progress(network: str, benchmark: str, done: int, total: int) -> None:
            key = network, benchmark
            if key not in tasks:
                tasks[key] = bars.add_task(f"{network}, {benchmark}", total=total)
            bars.update(tasks[key], completed=done)

        table = word_error_rates(settings, progress)
    view = Table("network", "benchmark", "WER %", "words", "sub", "del", "ins", "cut", box=None, pad_edge=False)
    for _, row in table.iterrows():
        counts = [str(row[name]) for name in ("words", "substitutions", "deletions", "insertions", "cut")]
        view.add_row(row["network"], row["benchmark"], f"{row['wer']:.1f}", *counts)
    out.print(view)
    if table["cut"].any():
        out.print("cut: utterances of which only the first 30 s were given to the network, its maximum")
    out.print(f"table: {settings.output / TABLE}", soft_wrap=True)

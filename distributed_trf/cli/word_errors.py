"""``dtrf wer``."""

from __future__ import annotations

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from distributed_trf.cli.console import err, out
from distributed_trf.config.word_errors import load_word_errors
from distributed_trf.speech_recognition.word_errors import TABLE, word_error_rates


def show_word_errors(
    config: str = typer.Argument(help="YAML file, or the name of one in ./configs/word_errors or of those that ship."),
) -> None:
    """Let networks recognise speech benchmarks and print their word error rates."""
    settings = load_word_errors(config)
    tasks: dict[tuple[str, str], TaskID] = {}
    with Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), console=err
    ) as bars:

        def heard(network: str, benchmark: str, done: int, total: int) -> None:
            key = network, benchmark
            if key not in tasks:
                tasks[key] = bars.add_task(f"{network}, {benchmark}", total=total)
            bars.update(tasks[key], completed=done)

        table = word_error_rates(settings, heard)
    view = Table("network", "benchmark", "WER %", "words", "sub", "del", "ins", "cut", box=None, pad_edge=False)
    for _, row in table.iterrows():
        counts = [str(row[name]) for name in ("words", "substitutions", "deletions", "insertions", "cut")]
        view.add_row(row["network"], row["benchmark"], f"{row['wer']:.1f}", *counts)
    out.print(view)
    if table["cut"].any():
        out.print("cut: utterances of which the network heard the first 30 s only, all that it takes")
    out.print(f"table: {settings.output / TABLE}", soft_wrap=True)

"""``dtrf doctor``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from distributed_trf.cli.console import out
from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.clusters.doctor.gpus import check_gpus
from distributed_trf.clusters.doctor.site import check_site
from distributed_trf.clusters.doctor.store import check_store
from distributed_trf.clusters.doctor.threads import check_threads
from distributed_trf.clusters.doctor.versions import check_versions
from distributed_trf.clusters.recipe import load_recipe

SOMETHING_WRONG = 1


def doctor(
    *,
    cluster: Annotated[
        str, typer.Option(metavar="RECIPE", help="The recipe to check: a file, or the name of one in cluster/.")
    ] = "local",
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder in which the disk is tried; nothing stays in it.")
    ] = Path(),
) -> None:
    """Say what would keep a study from running here, and what to do about it."""
    recipe = load_recipe(cluster)
    wrong = 0
    for heading, findings in (
        ("versions", check_versions(recipe)),
        ("GPUs", check_gpus(recipe)),
        ("cores, threads, memory", check_threads(recipe)),
        ("disk", check_store(output)),
        (f"recipe {cluster}", check_site(recipe)),
    ):
        wrong += _show(heading, findings)
    if wrong:
        out.print(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong", style="bold red")
        raise typer.Exit(SOMETHING_WRONG)
    out.print("nothing is wrong")


def _show(heading: str, findings: Iterable[Finding]) -> int:
    """Print the findings of a check; return how many are wrong."""
    out.print(heading, style="bold")
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    wrong = 0
    for finding in findings:
        mark = Text("ok", style="green") if finding.ok else Text("!!", style="bold red")
        table.add_row(mark, Text(finding.topic), Text(finding.found))
        if not finding.ok:
            table.add_row("", "", Text(finding.remedy, style="red"))
            wrong += 1
    out.print(table)
    return wrong

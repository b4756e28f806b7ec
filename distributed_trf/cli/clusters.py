"""``dtrf recipes`` and ``dtrf doctor``: where workers come from, and whether they work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from distributed_trf.cli.completion import complete_recipe
from distributed_trf.cli.console import JSON, out, print_json
from distributed_trf.clusters.doctor_installation import Finding, check_gpus, check_threads, check_versions
from distributed_trf.clusters.doctor_site import check_site, check_store
from distributed_trf.clusters.job_script import job_script
from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.config.load import listed, locate, shipped
from distributed_trf.errors import ConfigError, DeviceError

FOLDER = "cluster"

app = typer.Typer(help="List recipes, which say where workers come from, or show one.", add_completion=False)


@app.callback(invoke_without_command=True)
def list_recipes(context: typer.Context) -> None:
    """List the recipes of ./cluster and those that ship."""
    if context.invoked_subcommand is not None:
        return
    view = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("recipe", "kind"):
        view.add_column(column, no_wrap=True)
    view.add_column("workers", justify="right", no_wrap=True)
    view.add_column("device", no_wrap=True)
    view.add_column(overflow="fold")
    unusable = []
    for name in listed(FOLDER):
        path = locate(name, FOLDER)
        try:
            recipe = load_recipe(path)
        except ConfigError as error:
            unusable.append(str(error))
            continue
        yours = "" if path.resolve().parent == shipped(FOLDER).resolve() else "(yours) "
        view.add_row(name, recipe.kind, _workers(recipe), recipe.device, f"{yours}{_first_comment(path)}")
    out.print(view)
    for problem in unusable:
        out.print(Text(f"cannot be used: {problem}", overflow="fold"))
    out.print("\nUse one with: dtrf run STUDY --cluster RECIPE", soft_wrap=True)
    out.print("To adapt one, write it to ./cluster: dtrf recipes show slurm > cluster/mine.yaml", soft_wrap=True)


@app.command("show")
def show_recipe(
    recipe: Annotated[str, typer.Argument(help="Recipe file, or the name of one in cluster/.", show_default=False)],
    *,
    script: Annotated[
        bool, typer.Option("--script", help="Print the job script that would be submitted instead.")
    ] = False,
) -> None:
    """Print a recipe as it is in its file, or the script of its jobs."""
    path = locate(recipe, FOLDER)
    if not script:
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    settings = load_recipe(path)
    if not isinstance(settings, JobRecipe):
        raise ConfigError(
            f"{path}: kind = {settings.kind!r} submits no jobs, so there is no script; slurm, pbs, lsf and sge do"
        )
    typer.echo(job_script(settings), nl=False)


def _workers(recipe: Recipe) -> str:
    try:
        return str(recipe.n_workers)
    except DeviceError:  # one for each GPU of a machine that has none
        return "-"


def _first_comment(path: Path) -> str:
    """Return what a file says of itself in its first line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


SOMETHING_WRONG = 1


def doctor(
    *,
    cluster: Annotated[
        str,
        typer.Option(
            metavar="RECIPE",
            help="The recipe to check: a file, or the name of one in cluster/.",
            autocompletion=complete_recipe,
        ),
    ] = "local",
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder in which the disk is tried; nothing stays in it.")
    ] = Path(),
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say what would keep a study from running here, and what to do about it."""
    recipe = load_recipe(cluster)
    wrong, said = 0, []
    for heading, findings in (
        ("versions", check_versions(recipe)),
        ("GPUs", check_gpus(recipe)),
        ("cores, threads, memory", check_threads(recipe)),
        ("disk", check_store(output)),
        (f"recipe {cluster}", check_site(recipe)),
    ):
        if as_json:
            said += [{"check": heading, **asdict(finding), "ok": finding.ok} for finding in findings]
        else:
            wrong += _show(heading, findings)
    if as_json:
        wrong = sum(not finding["ok"] for finding in said)
        print_json({"cluster": cluster, "wrong": wrong, "findings": said})
    if wrong:
        if not as_json:
            out.print(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong", style="bold red")
        raise typer.Exit(SOMETHING_WRONG)
    if not as_json:
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

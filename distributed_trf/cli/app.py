"""``dtrf``: the commands."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distributed_trf.cli import (
    doctor,
    figures,
    networks,
    published,
    recipes,
    recordings,
    report,
    results,
    simulate,
    study,
    word_errors,
)
from distributed_trf.cli.console import err
from distributed_trf.cli.interrupt import interruptible
from distributed_trf.errors import DistributedTRFError

CANNOT_BEGIN = 2
"""Exit code of a command that could not begin; a run of which some items failed ends with 1."""


class Commands(TyperGroup):
    """Commands whose expected errors are one clear message, not a stack trace."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except DistributedTRFError as error:
            err.print("[bold red]error:[/]", end=" ")
            err.print(str(error), markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(CANNOT_BEGIN) from None


app = typer.Typer(
    cls=Commands,
    help="Predict every recorded neuron from every layer of every audio network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(study.plan)
app.command()(study.run)
app.command()(study.status)
app.command()(study.repair)
app.command("results")(results.show_results)
app.command("figures")(figures.draw_figures)
app.command()(report.report)
app.command("import-results")(published.import_results)
app.command("export-csv")(published.export_csv)
app.command("networks")(networks.list_networks)
app.add_typer(recipes.app, name="recipes")
app.command("recordings")(recordings.list_recordings)
app.command("simulate")(simulate.write_recordings)
app.command("wer")(word_errors.show_word_errors)
app.command()(doctor.doctor)


@app.callback()
def main(
    *, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries log.")] = False
) -> None:
    """Set up logging; only the command line does, never the library."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO if verbose else logging.ERROR)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", handlers=[handler])
    # Bokeh raises when a browser leaves the dashboard before its page is complete; that is no news for the user.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)

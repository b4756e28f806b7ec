"""``dtrf``: the commands."""

from __future__ import annotations

import errno
import logging
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distributed_trf.cli.console import LOGS, err, interruptible, out
from distributed_trf.errors import DistributedTRFError

COMMANDS = {
    "plan": "study.plan",
    "run": "study.run",
    "status": "study.status",
    "repair": "study.repair",
    "prune": "study.prune",
    "results": "results.show_results",
    "figures": "results.draw_figures",
    "report": "results.report",
    "import-results": "published.import_results",
    "export-csv": "published.export_csv",
    "networks": "networks.app",
    "recipes": "clusters.app",
    "recordings": "recordings.list_recordings",
    "simulate": "recordings.write_recordings",
    "wer": "networks.show_word_errors",
    "doctor": "clusters.doctor",
}
"""Where each command is, beside this module; it is loaded when it is used, as loading all takes seconds."""
BEGINS = {
    "plan": "looking at the study and its recordings",
    "run": "looking at the study and its recordings",
    "results": "reading results",
    "status": "looking at the study and its recordings",
    "repair": "reading all that is done",
    "figures": "reading results",
    "report": "reading results",
    "import-results": "reading published results",
    "export-csv": "reading results",
    "recordings": "reading recordings",
    "simulate": "preparing recordings",
    "wer": "preparing networks",
    "doctor": "looking at this machine",
}
"""What commands say at once to who watches them, as loading what they need takes seconds."""
SAID_IN_OUTPUT = ("plan", "run")
"""Commands that say it in their output too; the output of the others is their result alone."""
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of files and folders that are a user's to mend; any other is shown with where it came from."""
CANNOT_BEGIN = 2
"""Exit code of a command that could not begin; a run of which some items failed ends with 1."""


class Commands(TyperGroup):
    """Commands whose expected errors are one clear message, not a stack trace."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a command; None if there is none of that name."""
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command, and say what it begins with: to load what it needs takes seconds on a busy machine."""
        if args and args[0] in BEGINS and "--help" not in args:
            if args[0] in SAID_IN_OUTPUT:
                out.print(f"{BEGINS[args[0]]} ...")
            elif err.is_terminal:
                err.print(f"{BEGINS[args[0]]} ...")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except DistributedTRFError as error:
            _say(str(error))
        except OSError as error:
            if error.errno not in REFUSALS or error.filename is None:
                raise
            _say(f"{error.filename}: {error.strerror}; check who may read and write there, or give another path")
        raise typer.Exit(CANNOT_BEGIN)


def _say(problem: str) -> None:
    err.print("error:", style="bold red", end=" ")
    err.print(problem, soft_wrap=True)


def _load(name: str) -> Any:
    module, member = COMMANDS[name].split(".")
    found = getattr(import_module(f"distributed_trf.cli.{module}"), member)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(
    cls=Commands,
    help="Predict every recorded neuron from every layer of every audio network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main(
    *, verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries log.")] = False
) -> None:
    """Set up logging and output; only the command line does, never the library."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files that the terminal has no letters for
    LOGS.setLevel(logging.INFO if verbose else logging.ERROR)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", handlers=[LOGS])
    # Bokeh raises when a browser leaves the dashboard before its page is complete; that is no news for the user.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)

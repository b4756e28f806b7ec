"""``dtrf``: the commands."""

from __future__ import annotations

import errno
import logging
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from distributed_trf.cli.console import LOGS, NOTES, err, interruptible, out
from distributed_trf.errors import DistributedTRFError


class Entry(NamedTuple):
    """What is known of a command before it is loaded."""

    home: str
    """Where it is, beside this module."""
    line: str
    """What ``dtrf --help`` says of it: the first words of its own help."""
    begins: str = ""
    """What it says at once to who watches it, as loading what it needs takes a second, or several on a busy machine."""
    examples: tuple[str, ...] = ()
    """What its own help ends with, after ``dtrf`` and its name."""


COMMANDS = {
    "init": Entry(
        "init.init",
        "Write a study file with comments for recordings: what they hold decides what it says.",
        "looking at recordings",
        ("my_recordings", "my_recordings --network wav2vec2 --network mel_whisper", "--example generic"),
    ),
    "plan": Entry(
        "study.plan",
        "Say what a run would do and need, without doing it.",
        "looking at the study and its recordings",
        ("study.yaml", "study.yaml --cluster slurm_gpu", "study.yaml --json"),
    ),
    "run": Entry(
        "study.run",
        "Do everything of a study that is not done yet.",
        "looking at the study and its recordings",
        ("study.yaml", "study.yaml --cluster local_cuda", "study.yaml --item 1/8"),
    ),
    "status": Entry(
        "study.status",
        "Say what is done, running, missing, stale or failed, and why.",
        "looking at the study and its recordings",
        ("study.yaml", "study.yaml --all"),
    ),
    "repair": Entry(
        "study.repair",
        "Check all that is done against its checksums; what is damaged is made anew by the next run.",
        "reading all that is done",
    ),
    "prune": Entry("study.prune", "Remove items in the folder of a study that are not part of the study."),
    "results": Entry(
        "results.show_results",
        "Print the median test correlation of every network and layer.",
        "reading results",
        ("study.yaml", "study.yaml --by area --sort r --top 5", "study.yaml --save fits.csv"),
    ),
    "figures": Entry(
        "figures.draw_figures",
        "Draw all figures that the results allow into the study's figures/ folder; S5 needs --word-errors.",
        "reading results",
        ("study.yaml", "study.yaml --only 3,S2 --format pdf,svg"),
    ),
    "report": Entry(
        "figures.report",
        "Write what a study is and found, with every figure, as one HTML file.",
        "reading results",
        ("study.yaml", "study.yaml --session 180413"),
    ),
    "open": Entry(
        "figures.open_report",
        "Open a study's report in a browser; it is written first if it is older than the results.",
        "looking for the report",
        ("study.yaml",),
    ),
    "import-results": Entry(
        "published.import_results",
        "Read correlations that Ahmed et al. (2025) published as CSV files, into a folder that open_results opens.",
        "reading published results",
    ),
    "export-csv": Entry(
        "published.export_csv",
        "Write correlations as CSV files in the layout of Ahmed et al. (2025).",
        "reading results",
    ),
    "networks": Entry(
        "networks.app",
        "Say which networks there are, those that are named layer by layer, and with --study those of a study. "
        "`dtrf networks add` makes the table of a network from a hub id or a folder.",
    ),
    "recipes": Entry("clusters.app", "List recipes, which say where workers come from, or show one."),
    "recordings": Entry(
        "recordings.list_recordings",
        "Say what a recording set holds: sessions, units, trials and repeats of each stimulus set.",
        "reading recordings",
        ("my_recordings", "my_recordings --raster s1 u1 dog"),
    ),
    "simulate": Entry(
        "recordings.write_recordings",
        "Write simulated recordings in a published format, with the truth beside them.",
        "preparing recordings",
        ("recordings", "recordings --sessions 41 --channels published --sentences 499 --calls 780"),
    ),
    "wer": Entry(
        "networks.show_word_errors",
        "Let networks recognise speech benchmarks and print their word error rates.",
        "preparing networks",
    ),
    "doctor": Entry(
        "clusters.doctor",
        "Say what would keep a study from running here, and what to do about it.",
        "looking at this machine",
        ("", "--cluster slurm_gpu"),
    ),
}
"""Every command; it is loaded when it is used, and ``dtrf --help`` loads none."""
SAID_IN_OUTPUT = ("plan", "run")
"""Commands that say it in their output too; the output of the others is their result alone."""
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of files and folders that are a user's to mend; any other is shown with where it came from."""
CANNOT_BEGIN = 2
"""Exit code of a command that could not begin; a run of which some items failed ends with 1."""


class Deferred(TyperCommand):
    """A command that is loaded when its arguments are read."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the command and have it read its arguments."""
        return load(str(self.name)).make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """Commands whose expected errors are one clear message, not a stack trace."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: dict[str, Any] = {name: Deferred(name, help=entry.line) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command, and say what it begins with: to load what it needs takes seconds on a busy machine."""
        begin = args and args[0] in COMMANDS and COMMANDS[args[0]].begins and not ctx.resilient_parsing
        if begin and "--help" not in args and not ctx.params.get("quiet"):
            begins = f"{COMMANDS[args[0]].begins} ..."
            if args[0] in SAID_IN_OUTPUT and "--json" not in args:
                out.print(begins)
            elif err.is_terminal:
                err.print(begins)
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


def load(name: str) -> Any:
    """Load a command."""
    module, member = COMMANDS[name].home.split(".")
    found = getattr(import_module(f"distributed_trf.cli.{module}"), member)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False)
        found.command(name)(function)
    command = typer.main.get_command(found)
    command.name = name
    if examples := COMMANDS[name].examples:
        command.epilog = "\n\n".join(["Examples:", *(f"dtrf {name} {words}".rstrip() for words in examples)])
    return command


app = typer.Typer(
    cls=Commands,
    help="Predict every recorded neuron from every layer of every audio network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _say_version(asked: bool) -> None:  # noqa: FBT001  typer gives it so
    if asked:
        from importlib.metadata import version

        out.print(version("distributed_trf"), highlight=False)
        raise typer.Exit


@app.callback()
def main(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries log.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors, and what --json gives, alone.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Set up logging and output; only the command line does, never the library."""
    out.quiet = quiet
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files that the terminal has no letters for
    LOGS.setLevel(logging.INFO if verbose else logging.ERROR)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", handlers=[LOGS])
    logging.getLogger("distributed_trf.config").addHandler(NOTES)
    # Bokeh raises when a browser leaves the dashboard before its page is complete; that is no news for the user.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)

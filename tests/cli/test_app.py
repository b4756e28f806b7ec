"""Commands are loaded one by one, so that each begins at once."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from distributed_trf import __version__
from distributed_trf.cli.app import COMMANDS, app, load
from distributed_trf.cli.console import LOGS, err, out, quieten_dask
from distributed_trf.clusters.dask_settings import dask_settings
from distributed_trf.clusters.recipe import load_recipe

SLOW = {"scipy", "pandas", "xarray", "zarr", "dask", "distributed", "matplotlib", "torch"}
"""To import; ``recipes`` needs none of them."""


def loaded(arguments: list[str], among: set[str]) -> str:
    """Run a command in a new process; return its exit code and which of some modules it loads."""
    code = (
        "import sys; from typer.testing import CliRunner; from distributed_trf.cli.app import app;"
        f"print(CliRunner().invoke(app, {arguments!r}).exit_code, sorted({among} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


def test_command__loads_what_it_needs_alone():
    assert loaded(["recipes"], SLOW) == "0 []"


def test_help__loads_no_command():
    homes = {f"distributed_trf.cli.{entry.home.partition('.')[0]}" for entry in COMMANDS.values()}
    assert loaded(["--help"], homes | SLOW | {"numpy", "pydantic"}) == "0 []"
    assert loaded(["recipes", "--help"], homes) == "0 ['distributed_trf.cli.clusters']"


def test_command_of_a_study__loads_neither_workers_nor_networks_nor_what_tables_need(saved_study):
    """It reads receipts and results; whoever watches a run asks for it again and again."""
    study = str(saved_study.parent / "study.yaml")
    unneeded = {"distributed", "torch", "transformers", "bokeh", "scipy.stats", "scipy.optimize", "scipy.signal"}
    assert loaded(["results", study], unneeded | {"matplotlib"}) == "0 []"
    unneeded |= {"dask", "xarray", "pandas", "zarr", "matplotlib", "scipy.fft"}
    assert loaded(["status", study], unneeded) == "0 []"
    assert loaded(["plan", study], unneeded) == "0 []"


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.examples])
def test_help__ends_with_examples_that_the_command_understands(name):
    shown = CliRunner().invoke(app, [name, "--help"]).output
    command = load(name)
    for words in COMMANDS[name].examples:
        assert f"dtrf {name} {words}".rstrip() in " ".join(shown.split())
        command.make_context(name, words.split())  # raises where an option or argument does not exist


def test_completion__offers_commands_studies_recipes_and_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()

    def offered(words: str) -> list[str]:
        env = {
            "_DTRF_COMPLETE": "complete_bash",
            "COMP_WORDS": f"dtrf {words}",
            "COMP_CWORD": str(words.count(" ") + 1),
        }
        return CliRunner().invoke(app, env=env, prog_name="dtrf").stdout.split()

    assert offered("pl") == ["plan"]
    assert offered("run mi") == ["mine.yaml"]
    assert offered("results quick") == ["quickstart"]
    assert offered("doctor --cluster slurm") == ["slurm", "slurm_gpu"]
    assert offered("status --j") == ["--json"]


def test_path_from_the_working_directory__is_told_without_the_place_in_the_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "sub").mkdir()
    fields = "name: a\nrecordings: {format: generic, path: recordings}\noutput: out\nnetworks: [{name: mel_whisper}]\n"
    (tmp_path / "sub/study.yaml").write_text(fields)
    code = "from distributed_trf.cli.app import app; app(['plan', 'sub/study.yaml'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2  # the folder is empty
    first, *_ = done.stderr.splitlines()
    assert first.startswith("note: recordings is taken from the working directory")
    assert first.endswith(f"Write {Path(os.pardir, 'recordings')}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help__says_of_a_command_what_the_command_says(name):
    assert " ".join(load(name).help.partition("\n\n")[0].split()) == COMMANDS[name].line


@pytest.mark.parametrize("name", COMMANDS)
def test_command__is_where_it_is_looked_for(dtrf, name):
    done = dtrf(name, "--help")
    assert done.exit_code == 0
    assert f" {name} [OPTIONS]" in done.stdout


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.begins])
@pytest.mark.parametrize("watched", [False, True])
def test_command__says_something_before_it_is_loaded(dtrf, monkeypatch, name, watched):
    """What it needs takes seconds to load on a busy machine."""
    monkeypatch.setattr(err, "_force_terminal", watched)

    def end(_):
        raise SystemExit(9)

    monkeypatch.setattr("distributed_trf.cli.app.load", end)
    done = dtrf(name, "something")
    assert done.exit_code == 9
    said = f"{COMMANDS[name].begins} ...\n"
    is_told = name in ("plan", "run")
    assert (done.stdout, done.stderr) == (said if is_told else "", said if watched and not is_told else "")


def test_refused_file__is_one_message_and_any_other_error_is_not_hidden(dtrf, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr("distributed_trf.cli.app.load", fail)
    error = PermissionError(errno.EACCES, "Permission denied", "x[/y]")
    done = dtrf("results", "something")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: x[/y]: Permission denied; ")
    error = OSError(errno.EIO, "Input/output error", "file")
    with pytest.raises(OSError, match="Input/output error"):
        dtrf("results", "something")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_name_without_letters_on_the_terminal__is_escaped(tmp_path, encoding):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / os.fsdecode(b"[\xff].yaml")).write_text(
        "# \u017f\nkind: local\nworkers: 1\n", encoding="utf-8"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    command = [sys.executable, "-m", "distributed_trf", "recipes"]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"[\\udcff] " in done.stdout


@pytest.mark.parametrize("console", [out, err])
def test_text__is_printed_as_it_is(console):
    text = "[old]/x[/y] [red]:smile:[/red] [bold]"
    table = Table(text, box=None, pad_edge=False)
    table.add_row(text)
    with console.capture() as printed:
        console.print(text)
        console.print(table)
    assert [line.rstrip() for line in printed.get().splitlines()] == [text] * 3


def test_dask__is_quiet_unless_asked(monkeypatch):
    import distributed  # noqa: F401

    names = ["distributed", "distributed.client", "tornado.application", "asyncio"]
    before = {name: logging.getLogger(name).level for name in names}
    try:
        monkeypatch.setattr(LOGS, "level", logging.INFO)
        quieten_dask()
        assert {name: logging.getLogger(name).level for name in names} == before
        monkeypatch.setattr(LOGS, "level", logging.ERROR)
        quieten_dask()
        assert {logging.getLogger(name).level for name in names} == {logging.CRITICAL}
        of_workers = dask_settings(load_recipe("local"))
        assert of_workers["distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"] == "critical"
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def test_unknown_command__names_the_nearest(dtrf):
    done = dtrf("rn")
    assert done.exit_code == 2
    assert "No such command 'rn'. Did you mean 'run'?" in done.stderr


def test_version__is_that_of_the_package():

    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"{__version__}\n")

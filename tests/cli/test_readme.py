"""Commands and Python examples of the README and of the first pages, run as written in a copy of the checkout."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("start", "how_to", "concepts")
PAGES = [ROOT / "README.md", *(page for folder in FOLDERS for page in sorted((ROOT / "docs" / folder).glob("*.md")))]
TEXT = "\n".join(page.read_text() for page in PAGES)
ENVIRONMENT = Path(sys.prefix)
OF_SETUP = ("pyproject.toml", "scripts/constraints.txt", "scripts/trained_networks.txt")


def is_current():
    """Whether this environment was installed from these files, so that no script installs it anew from a copy."""
    content = b"".join((ROOT / name).read_bytes() for name in OF_SETUP)
    stamp = ENVIRONMENT / "installed-dev"
    return stamp.is_file() and stamp.read_text().split()[0] == sha256(content).hexdigest()


def blocks(language):
    return list(dict.fromkeys(re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)))


def commands():
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if shlex.split(line, comments=True)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The tracked files in a new folder, with this environment as its .venv."""
    folder = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in tracked.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ENVIRONMENT)
    return folder


def run(command, folder, **options):
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


COMMANDS = """
import json, sys
from distributed_trf.cli.app import app
for command in json.load(sys.stdin):
    print("$ dtrf", *command, flush=True)
    try:
        app(command, prog_name="dtrf")
    except SystemExit as end:
        if end.code:
            raise
"""
"""Runs commands one after another in one process, as each new one takes seconds to begin."""

EXAMPLES = """
import runpy
from pathlib import Path
for example in sorted(Path().glob("example_*.py")):
    print("$ example")
    runpy.run_path(str(example), run_name="__main__")
"""
"""Runs the Python examples likewise."""


def test_readme__shows_the_two_commands_and_every_subcommand():
    shown = commands()
    assert ["./scripts/quickstart"] in shown
    assert ["./scripts/test"] in shown
    assert {c[1] for c in shown if c[0] == "dtrf"} == {
        "init",
        "plan",
        "prune",
        "run",
        "status",
        "results",
        "figures",
        "simulate",
        "networks",
        "recordings",
        "recipes",
        "doctor",
        "repair",
        "report",
        "export-csv",
        "import-results",
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not is_current(), reason="needs the environment of scripts/test, as it is now")
def test_readme__commands_and_examples_run_as_written(checkout):
    """First the quickstart, then the rest, which finds its study done."""
    start = time.perf_counter()
    out = run(["./scripts/quickstart"], checkout)
    seconds = time.perf_counter() - start
    assert "installing" not in out
    assert "22 items done now, 0 were done before" in out
    assert re.search(r"study page: http://127\.0\.0\.1:\d+/study", out)
    assert re.search(r"whisper_tiny +reset +5 +layers\.3\.final_layer_norm +0\.\d{3}", out)
    distance = re.search(r"median\s+distance\s+(0\.\d{3})", out)
    assert distance, out
    assert f"distance from it is {distance[1]}" in TEXT
    assert (checkout / "quickstart/study/figures/figure_3.png").stat().st_size > 10_000
    assert max(map(len, out.splitlines())) <= 80 or "/" in max(out.splitlines(), key=len)  # a path may be longer
    print(f"quickstart took {seconds:.0f} s")

    shown = [command[1:] for command in commands() if command[0] == "dtrf"]
    out = run([sys.executable, "-c", COMMANDS], checkout, input=json.dumps(shown))
    assert out.count("$ dtrf") == len(shown)
    assert "nothing to do: all 22 items were done before" in out
    assert (checkout / "quickstart/study/figures/figure_3.pdf").exists()
    assert (checkout / "more/recordings/sessions_metadata.yml").exists()
    for k, example in enumerate(blocks("python")):
        (checkout / f"example_{k}.py").write_text(example)
    said = run([sys.executable, "-c", EXAMPLES], checkout).split("$ example")
    assert len(said) == 1 + len(blocks("python"))
    assert all(text.strip() for text in said[1:])

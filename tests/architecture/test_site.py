"""The documentation builds without a warning, and says something of everything that a user may write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import distributed_trf
from docs.reference_pages import GROUPS, undescribed, write_reference
from docs.type_links import PAGES

ROOT = Path(__file__).resolve().parents[2]


def test_groups__hold_each_public_name_once():
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(distributed_trf.__all__)


def test_settings__have_a_meaning_each():
    assert undescribed() == []


def test_reference__has_every_command_with_its_options(tmp_path):
    write_reference(tmp_path)
    commands = (tmp_path / "commands.md").read_text()
    kept = (Path(__file__).with_name("public_api.txt")).read_text()
    options = re.findall(r"^(dtrf [\w -]*?) (--[\w-]+)", kept, flags=re.MULTILINE)
    assert len(options) > 40
    for command, option in options:
        if option in ("--help", "--version"):
            continue
        section = commands.split(f" `{command}`\n", 1)[1].split("\n#", 1)[0]
        assert option in section, (command, option)


def test_reference__is_committed_as_it_is_written_now(tmp_path):
    """Of commands and files, which are read where the code is browsed; `scripts/docs` writes them."""
    write_reference(tmp_path)
    committed = [
        path for path in (ROOT / "docs/reference").glob("*.md") if path.stem not in ("index", "python", "gallery")
    ]
    assert len(committed) == 5
    for path in committed:
        assert (tmp_path / path.name).read_text() == path.read_text(), f"{path.name}: run scripts/docs and commit it"


def test_site__builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    options = ["-q", "-W", "--keep-going", "-j", "auto", "-c", "docs", "-b", "html", "-d", tmp_path / "trees"]
    command = [sys.executable, "-m", "sphinx", *options, ".", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    front = (tmp_path / "site/docs/index.html").read_text()
    assert "every audio network" in front
    assert "<math" in (tmp_path / "site/docs/concepts/analysis.html").read_text()
    pages = tmp_path / "site/docs/reference/api"
    for name in distributed_trf.__all__:
        assert (pages / f"distributed_trf.{name}.html").exists()
    run = (pages / "distributed_trf.Study.html").read_text().split('id="distributed_trf.Study.run"')[1]
    signatures = "".join(page.read_text() for page in pages.glob("*.html"))
    assert [link for link in PAGES.values() if f'href="{link}"' not in signatures] == []  # none is listed for nothing
    for link in (
        "https://docs.python.org/3/library/pathlib.html#pathlib.Path",
        "recipe_file.html",
        "distributed_trf.pipeline.run_record.Report.html",
        "distributed_trf.errors.ConfigError.html",
    ):
        assert link in run

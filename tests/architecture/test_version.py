"""The version is that of the tag, and what says it by hand says the same."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import distributed_trf
from distributed_trf.pipeline.status import State
from distributed_trf.pipeline.study import Study
from distributed_trf.store import fingerprint

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
NEXT, STATE = re.findall(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[0]
"""The version on top of the changelog, and when it was released."""


@pytest.fixture
def checkout(tmp_path):
    """The smallest folder that has a version: all that one is made of."""
    for name in ("pyproject.toml", ".gitattributes", ".git_archival.txt", "README.md", "LICENSE"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def git(folder, *arguments):
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True).stdout


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Change something")


def version(folder):
    pytest.importorskip("hatch_vcs")
    command = [sys.executable, "-m", "hatchling", "version"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def unpacked(folder, into):
    into.mkdir()
    subprocess.run(["tar", "x", "-C", into], input=git(folder, "archive", "HEAD"), check=True)
    return into


def test_version__of_a_copy_without_history_is_the_next_one_in_the_making(checkout):
    assert version(checkout) == f"{NEXT}.dev0"


def test_version__follows_the_tag(checkout, tmp_path):
    git(checkout, "init", "--quiet")
    commit(checkout)
    assert version(checkout).startswith(f"{NEXT}.dev1+")
    assert version(unpacked(checkout, tmp_path / "archive of no release")) == f"{NEXT}.dev0"
    git(checkout, "tag", "v7.8.0")
    assert version(checkout) == "7.8.0"
    assert version(unpacked(checkout, tmp_path / "archive of a release")) == "7.8.0"
    commit(checkout)
    assert version(checkout).startswith("7.8.1.dev1+")


def test_version__is_the_same_wherever_it_is_written():
    fallback = tomllib.loads(PYPROJECT)["tool"]["hatch"]["version"]["fallback-version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert (fallback, str(cited)) == (f"{NEXT}.dev0", NEXT)
    assert STATE == "unreleased" or re.fullmatch(r"\d{4}-\d\d-\d\d", STATE)


def test_version__another_one_makes_nothing_stale(write_study, tmp_path_factory, monkeypatch):
    """Fingerprints hold what numbers depend on: revisions of the code and versions of libraries, not this package's."""
    study = Study.load(write_study(reliability=None, networks=[{"name": "mel_librosa"}]))
    assert study.run(None).ok

    other = tmp_path_factory.mktemp("site") / "distributed_trf-99.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: distributed_trf\nVersion: 99.0\n")
    (other / "entry_points.txt").write_text(metadata.distribution("distributed_trf").read_text("entry_points.txt"))
    monkeypatch.syspath_prepend(other.parent)
    fingerprint._version.cache_clear()
    assert distributed_trf.__version__ == "99.0"
    assert {planned.state for planned in study.status()} == {State.DONE}

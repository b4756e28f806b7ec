"""The tiers of the tests: the lists name what is there, and the fast one is held to what it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import importlib.util
import multiprocessing
import subprocess
import sys


def test_plain():
    assert importlib.util.find_spec("torch") is None


def test_command():
    subprocess.run([sys.executable, "-c", ""], check=True)


def test_multiprocessing():
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()


def test_torch():
    import torch


def test_named():
    subprocess.run([sys.executable, "-c", ""], check=True)
"""


def test_tiers__name_what_is_there():
    tiers = tomllib.loads((ROOT / "tests/tiers.toml").read_text())
    for entry in (entry for tier in tiers.values() for entry in tier):
        path, _, test = entry.partition("::")
        assert (ROOT / path).exists(), entry
        assert not test or f"def {test}(" in (ROOT / path).read_text(), entry


def test_fast_tier__fails_what_starts_a_process_or_loads_torch(tmp_path):
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "tests/tiers.toml").write_text('torch = []\nprocess = ["test_some.py::test_named"]')
    (tmp_path / "test_some.py").write_text(TESTS)
    options = ["-o", "markers=fast\nprocess", "--rootdir", tmp_path, "--import-mode=importlib", "-rA"]

    def outcomes(*more):
        command = [sys.executable, "-m", "pytest", "-c", "/dev/null", *options, *more, tmp_path]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return sorted(re.findall(r"^(PASSED|FAILED|ERROR) \S*::test_(\w+)", said, re.MULTILINE))

    ran = [("PASSED", "command"), ("PASSED", "multiprocessing")]
    refused = [("ERROR", "command"), ("ERROR", "multiprocessing")]
    assert outcomes("-m", "fast") == [*refused, ("FAILED", "torch"), *ran, ("PASSED", "plain")]
    assert outcomes("-k", "not plain and not torch") == [*refused, *ran, ("PASSED", "named")]


ONCE = """
from pathlib import Path

seen = Path(__file__).with_suffix(".seen")


def {name}():
    first = not seen.exists()
    seen.touch()
    assert not first
"""


def test_a_test_that_starts_processes__is_run_again_once_and_named(tmp_path):
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "tests/tiers.toml").write_text('torch = []\nprocess = ["test_named.py"]')
    for name in ("named", "plain"):
        (tmp_path / f"test_{name}.py").write_text(ONCE.format(name=f"test_{name}"))
    options = ["-o", "markers=fast\nprocess", "--rootdir", tmp_path, "--import-mode=importlib", "-raR"]
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", *options, tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert re.findall(r"^(RERUN|FAILED) \S*::(\w+)", said, re.MULTILINE) == [
        ("RERUN", "test_named"),
        ("FAILED", "test_plain"),
    ]
    assert "failed at first: test_named.py::test_named" in said

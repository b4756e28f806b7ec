"""Benchmarks run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def tables(tmp_path: Path) -> Callable[..., str]:
    """Run a benchmark with some options; the tables that it writes."""

    def run(name: str, *options: str) -> str:
        output = tmp_path / "table.md"
        command = [sys.executable, SCRIPTS / name, *options, "--output", output]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return output.read_text()

    return run


@pytest.fixture(autouse=True)
def beside_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test import what benchmarks import from one another."""
    monkeypatch.syspath_prepend(SCRIPTS)

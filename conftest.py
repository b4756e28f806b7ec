"""The tiers of the tests: what ``tests/tiers.toml`` does not name is fast.

``-m fast`` selects it, draws fewer examples and runs as if torch were not installed. A fast test that starts a process
fails, in whatever run.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Generator
from importlib.machinery import PathFinder
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent

TIERS: dict[str, list[str]] = tomllib.loads((ROOT / "tests/tiers.toml").read_text())

# What hypothesis draws must not depend on how busy the machine is.
settings.register_profile("whole", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("fast", settings.get_profile("whole"), max_examples=20)

QUICK = ("describe --always", "nvidia-smi", "import fcntl", "uname -p", "ldconfig -p")
"""Of processes that end within hundredths of a second: they tell versions, GPUs, a lock, the processor, libraries."""

started: list[str] = []
"""Processes that were started since the last look."""


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note a process that is started; Python calls it for whatever it audits."""
    if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty"):
        command = " ".join(map(str, arguments[1])) if event == "subprocess.Popen" else event
        if not any(quick in command for quick in QUICK):
            started.append(command[:200])


def start(process: BaseProcess, begin: Callable[[BaseProcess], None] = BaseProcess.start) -> None:
    """Note a process of multiprocessing, and start it."""
    started.append(repr(process))
    begin(process)


sys.addaudithook(watch)
BaseProcess.start = start


class WithoutTorch(PathFinder):
    """Finds every module but torch."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a module as usual, unless it is torch."""
        return None if name == "torch" else super().find_spec(name, path, target)


def named(nodeid: str, among: list[str]) -> bool:
    """Whether a test, a file or its folder is in a list."""
    return any(nodeid == entry or nodeid.startswith((f"{entry}/", f"{entry}::", f"{entry}[")) for entry in among)


def is_fast(config: pytest.Config) -> bool:
    """Whether only the fast tier is requested."""
    return config.option.markexpr == "fast"


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples hypothesis draws, and hide torch from the fast tier."""
    settings.load_profile("fast" if is_fast(config) else "whole")
    if is_fast(config):
        sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTorch
        os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # it would say that there is no torch


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what would load torch as soon as it is collected."""
    return True if is_fast(config) and named(collection_path.relative_to(ROOT).as_posix(), TIERS["torch"]) else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test the markers of its tiers."""
    for tier, entries in TIERS.items():
        if named(item.nodeid, entries):
            item.add_marker(tier)
    if item.get_closest_marker("process"):
        item.add_marker(pytest.mark.flaky(reruns=1))  # a busy machine may starve a process; the summary names the test
    if not any(item.get_closest_marker(tier) for tier in TIERS):
        item.add_marker("fast")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that no process is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what the tests failed on that then passed: it may be a defect that is seldom met."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"failed at first: {report.nodeid}")
        terminalreporter.line(report.longreprtext)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Look at what is started from here on."""
    started.clear()
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a fast test that is none; what ends with the last test of a process, such as a Slurm, is no part of it."""
    of_test = started[:1]
    yield
    if of_test and item.get_closest_marker("fast"):
        pytest.fail(f"a fast test starts a process: {of_test[0]}; name it in tests/tiers.toml", pytrace=False)

"""Runs of a study in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.clusters.study_run import Run


@pytest.fixture
def run(workplace: Path) -> Iterator[Callable[..., Run]]:
    """Start ``dtrf run``; one that the test leaves running is ended."""
    started: list[Run] = []

    def start(
        study: str = "study.yaml",
        recipe: str = "here.yaml",
        *,
        inside: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> Run:
        started.append(Run(workplace / "study", study, "--cluster", recipe, inside=inside, env=env))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
        each.process.communicate(timeout=60)

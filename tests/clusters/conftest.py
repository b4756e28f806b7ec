"""Runs of a study in a process of their own, and what an undisturbed one makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from distributed_trf import Study
from distributed_trf.config.study import StudySettings
from tests.clusters.study_run import Run
from tests.conftest import SMALL_STUDY
from tests.stored import contents

CHANGES = {"extraction": {"batch": 1}}
"""Of the small study, so that it has 48 extractions."""


@pytest.fixture(scope="session")
def undisturbed(recordings: Path, made_once: Callable[..., Path]) -> dict[str, bytes]:
    """What the small study gives in one process; studies of ``write_study(**CHANGES)`` must give the same bytes."""

    def fill(folder: Path) -> None:
        here = {"recordings": {"format": "ucsf", "path": recordings}, "output": folder / "study"}
        assert Study(StudySettings.model_validate({**SMALL_STUDY, **CHANGES, **here})).run("local", item="1/1").ok

    return contents(made_once("undisturbed_small", fill) / "study")


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
        each.process.communicate(timeout=300)

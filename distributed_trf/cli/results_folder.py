"""Where the results are that a command is about, and what they are of."""

from __future__ import annotations

from pathlib import Path

import typer

from distributed_trf.cli.console import out
from distributed_trf.config.locate import listed
from distributed_trf.config.study import StudySettings, load_study
from distributed_trf.errors import ConfigError
from distributed_trf.pipeline.fit_state import FitState, fit_state
from distributed_trf.store.study_store import StudyStore

RESULTS = typer.Argument(
    metavar="STUDY",
    help="Study file, the name of one in configs/, or a folder with results, such as one of dtrf import-results.",
    show_default=False,
)


def results_folder(study: str) -> tuple[Path, StudySettings | None]:
    """Return the folder of a study's results, and the study where its file is named.

    The folder is ``study`` itself if it is such a folder, or else the output of the study.

    Raises
    ------
    ConfigError
        If it is neither that, nor a study file that can be used.
    """
    folder = Path(study)
    if (folder / "store.json").is_file():
        return folder, None
    if folder.is_dir() and study not in listed("configs"):
        near = sorted(str(marker.parent) for marker in folder.glob("*/store.json"))
        hint = f"; did you mean {near[0]}?" if near else "; name a study file, or the output folder of a study"
        raise ConfigError(f"{study}: is a folder without store.json, so it holds no results{hint}")
    settings = load_study(study)
    return settings.output, settings


def say_what_they_are_of(folder: Path, study: StudySettings | None) -> FitState | None:
    """Print what a reader of the results must know: fits of other settings, fits that failed or are missing."""
    state = fit_state(StudyStore.open(folder), study)
    for line in state.lines() if state is not None else ():
        out.print(f"note: {line}", soft_wrap=True)
    return state

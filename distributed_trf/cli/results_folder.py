"""Where the results are that a command is about."""

from __future__ import annotations

from pathlib import Path

import typer

from distributed_trf.config.study import load_study

RESULTS = typer.Argument(
    metavar="STUDY",
    help="Study file, the name of one in configs/, or a folder with results, such as one of dtrf import-results.",
    show_default=False,
)


def results_folder(study: str) -> Path:
    """Return the folder of a study's results: ``study`` itself if it is such a folder, or else the output of the study.

    Raises
    ------
    ConfigError
        If it is neither that, nor a study file that can be used.
    """
    folder = Path(study)
    return folder if (folder / "store.json").is_file() else load_study(study).output

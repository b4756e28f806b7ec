"""The record of one run: settings, versions, seconds per stage, what failed."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed_trf.config.load import PACKAGE
from distributed_trf.config.study import StudySettings
from distributed_trf.store.atomic import make_folder

LIBRARIES = (
    "numpy",
    "scipy",
    "xarray",
    "zarr",
    "dask",
    "distributed",
    "torch",
    "transformers",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
CITATION = "Ahmed et al. (2025), PLoS Comput Biol 21(8): e1013334 (the method)"


def now() -> str:
    """Return the time in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(study: StudySettings) -> dict[str, Any]:
    """Return what made the results: settings, versions, revision of the code, where and when."""
    return {
        "source": f"distributed_trf {version('distributed_trf')}",
        "git_revision": git_revision(),
        "study": study.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **_versions()},
        "host": socket.gethostname(),
        "written": now(),
        "method": CITATION,
    }


def new_run(runs: Path) -> Path:
    """Make the folder of a new run; its name sorts by time."""
    path = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    make_folder(path.parent)
    path.mkdir()
    return path


def git_revision() -> str:
    """Return the commit of the checkout that the package is run from, or '' when it is installed."""
    try:
        found = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found

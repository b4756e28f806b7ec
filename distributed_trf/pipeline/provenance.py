"""Provenance of results: settings of the study, versions, revision of the code, host and time."""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import ValidationError

from distributed_trf.config.load import PACKAGE
from distributed_trf.config.study import StudySettings

PROVENANCE = ("source", "git_revision", "study", "versions", "host", "written", "method")
"""Fields of the manifest of a run, and attributes of results."""
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
    """Return the provenance of results that are made now."""
    return {
        "source": f"distributed_trf {version('distributed_trf')}",
        "git_revision": git_revision(),
        "study": study.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **_versions()},
        "host": socket.gethostname(),
        "written": now(),
        "method": CITATION,
    }


def study_of(attrs: Mapping[str, Any]) -> StudySettings | None:
    """Return the settings in the provenance of results; None if there are none that this version can read."""
    try:
        return StudySettings.model_validate(attrs["study"]) if isinstance(attrs.get("study"), dict) else None
    except ValidationError:
        return None


def git_revision() -> str:
    """Return the commit of the checkout that the package is run from, or '' when it is installed."""
    try:
        described = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()


def _versions() -> dict[str, str]:
    versions = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return versions

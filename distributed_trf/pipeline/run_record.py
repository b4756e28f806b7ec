"""What a run leaves in the study's folder: settings for its tasks, and a manifest that says what it did and how."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed_trf.config.load import PACKAGE, Settings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.store.atomic import TEMPORARY, make_folder
from distributed_trf.store.receipts import read_record, write_record
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files

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


@dataclass
class Report:
    """What a run did, and what it could not do."""

    done: dict[str, int] = field(default_factory=dict)
    """Items done now, by stage."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Items that were done before, by stage."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """Items that other elements of a job array did meanwhile, by stage."""
    failed: dict[str, str] = field(default_factory=dict)
    """Message of each item that failed, by stage and key."""
    blocked: dict[str, str] = field(default_factory=dict)
    """What each item that could not begin was waiting for."""
    constant_units: int = 0
    """Units that never vary, in the fit that has most of them."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What was left out of sessions while reading them, by stimulus set and session."""
    doubts: dict[str, list[str]] = field(default_factory=dict)
    """What in recordings does not fit together, such as spikes in milliseconds, by stimulus set and session."""
    unused_presentations: int = 0
    """Presentations of training stimuli beyond the first that fits leave out, in the fit that leaves out most."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Sessions of which nothing was used for what their own files say, and why."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that heard too little to be cross-validated, and why."""
    heard_in_parts: int = 0
    """Extractions whose batch did not fit the memory of the device."""
    fallbacks: int = 0
    """Factorisations that failed their check, so that a slower way was taken."""
    beside: str = ""
    """How much is kept in the study's folder that the study does not ask for; nothing if nothing is."""
    removed: list[str] = field(default_factory=list)
    """What of that could not be kept beside what was to be made."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by stage."""
    folder: Path | None = None
    """Manifest and performance report of the run; None when there was nothing to do."""

    @property
    def ok(self) -> bool:
        """Whether every item of the study is done, and every session of the recordings could be used."""
        return not self.failed and not self.blocked and not self.unusable


MANIFEST = "manifest.json"
REMEDY = "no number depends on it: delete the folder of that run"


@dataclass(frozen=True)
class PastRun:
    """One run, as its manifest tells."""

    name: str
    """Of its folder; names sort by time."""
    manifest: Mapping[str, Any]
    """What ``Run`` wrote at its start, and again at its end; empty if it was killed before."""
    damage: str = ""
    """What is damaged of it, and what to do."""

    @property
    def state(self) -> str:
        """``finished``, ``interrupted`` by an error, damaged, or what is known of one that did not say how it ended."""
        if self.damage:
            return self.damage
        state = str(self.manifest.get("state", "running"))
        return "at work, or killed" if state == "running" else state

    @property
    def began(self) -> str:
        """When, in UTC, to the second."""
        day, _, clock = self.name.partition("T")
        return f"{day[:4]}-{day[4:6]}-{day[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"

    def counted(self, field: str) -> Mapping[str, int]:
        """Return a count of items by stage, such as those ``done`` now or ``skipped``, as they were done before."""
        found: Mapping[str, int] = self.manifest.get(field, {})
        return found

    @property
    def seconds(self) -> Mapping[str, float]:
        """Wall time by stage."""
        found: Mapping[str, float] = self.manifest.get("seconds", {})
        return found


def past_runs(store: StudyStore) -> list[PastRun]:
    """Return the runs of a study, the oldest first; none where the results were not made by runs."""
    folders = sorted(path for path in store.runs.glob("*") if path.is_dir())
    return [_past_run(store, folder) for folder in folders]


def _past_run(store: StudyStore, folder: Path) -> PastRun:
    try:
        manifest = read_record(folder / MANIFEST, store.root, REMEDY)
        if manifest is None:
            others = any(TEMPORARY not in path.name for path in folder.iterdir())  # a run writes them after it
            gone = f"{folder / MANIFEST}: not there, though the run wrote more; {REMEDY}" if others else ""
            return PastRun(folder.name, {}, gone)
        check_files(folder, {name: d for name, d in manifest.get("files", {}).items() if name == FILE})
    except DamagedError as error:
        return PastRun(folder.name, {}, f"{error.path}: damaged; {REMEDY}")
    return PastRun(folder.name, manifest)


FILE = "study.json"


class RunSettings(Settings):
    """A study as the driver found it: a worker may run in another folder."""

    study: StudySettings
    tables: dict[str, NetworkTable]
    """Of the study's networks."""


def write_run_settings(run: Path, content: RunSettings) -> None:
    """Keep in a run's folder what its tasks need."""
    write_record(run / FILE, _root(run), {"shared": content.model_dump(mode="json")})


@lru_cache(maxsize=4)
def run_settings(run: Path) -> RunSettings:
    """Read what the tasks of a run need, once in a process.

    Raises
    ------
    StoreError
        If it is not there, or damaged.
    """
    found = read_record(run / FILE, _root(run), "run again")
    if found is None:
        raise StoreError(
            f"{run / FILE}: not there, so this process does not know the study of its task; let all workers see the "
            "study's folder under one path, and run again"
        )
    return RunSettings.model_validate(found["shared"])


def _root(run: Path) -> Path:
    """Return the study's folder, in which a run has one."""
    return run.parent.parent

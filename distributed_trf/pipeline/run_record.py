"""What a run leaves in the study's folder: settings for its tasks, and a manifest that says what it did and how."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from distributed_trf.config.load import Settings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.pipeline.provenance import PROVENANCE, now, provenance
from distributed_trf.store.atomic import TEMPORARY, make_folder
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import read_record, write_record
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files

MANIFEST, SETTINGS, EVENTS = "manifest.json", "study.json", "events.jsonl"
"""Files in the folder of a run."""
SESSIONS, SOUNDS = "heard", "sounds"
"""Fields of the manifest: sessions that each stimulus set was presented to, and its number of sounds."""
DELETE_RUN = "no number depends on it: delete the folder of that run"


class RunSettings(Settings):
    """What all tasks of a run share, as the driver had it: a worker may run in another working directory."""

    study: StudySettings
    tables: dict[str, NetworkTable]
    """Of the study's networks."""


@dataclass
class Report:
    """What a run did, and what it could not do. Its fields are those of the manifest, but for the folder."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by stage."""
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
    """Sessions with too few sounds presented to be cross-validated, and why."""
    heard_in_parts: int = 0
    """Extractions whose batch did not fit the memory of the device, so that its forward pass was taken in parts."""
    fallbacks: int = 0
    """Factorisations that failed their check, so that a slower way was taken."""
    beside: str = ""
    """How much is kept in the study's folder that the study does not ask for; nothing if nothing is."""
    removed: list[str] = field(default_factory=list)
    """What of that could not be kept beside what was to be made."""
    folder: Path | None = None
    """Manifest and performance report of the run; None when there was nothing to do."""

    @property
    def ok(self) -> bool:
        """Whether every item of the study is done, and every session of the recordings could be used."""
        return not self.failed and not self.blocked and not self.unusable

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Report:
        """Return the report that a run wrote; a run of an older version knew fewer fields."""
        return cls(**{f.name: manifest[f.name] for f in fields(cls) if f.name in manifest})


@dataclass(frozen=True)
class PastRun:
    """One run, by its manifest."""

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
        return "running, or killed" if state == "running" else state

    @property
    def began(self) -> str:
        """When, in UTC, to the second."""
        day, _, clock = self.name.partition("T")
        return f"{day[:4]}-{day[4:6]}-{day[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"

    @property
    def report(self) -> Report:
        """What it did so far."""
        known = {f.name for f in fields(Report)}  # a run of an older version wrote fewer
        return Report(**{name: value for name, value in self.manifest.items() if name in known})

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What made its results, with the time of the manifest's last writing; empty where it left no settings."""
        if "study" not in self.manifest:
            return {}
        of_run = {name: self.manifest[name] for name in PROVENANCE if name in self.manifest}
        return {**of_run, "written": self.manifest.get("updated", "")}


def latest_provenance(results: Mapping[str, Any] | None, runs: Sequence[PastRun]) -> Mapping[str, Any]:
    """Return what is newest: what the results carry, if there are any, or what the latest run has written so far."""
    known = [results] if results is not None else []
    if runs and runs[-1].provenance:
        known.append(runs[-1].provenance)
    of_studies = [attrs for attrs in known if isinstance(attrs.get("study"), dict)]
    return max(of_studies, key=lambda attrs: str(attrs.get("written", "")), default=known[0] if known else {})


def new_run(runs: Path) -> Path:
    """Make the folder of a new run; its name sorts by time."""
    path = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    make_folder(path.parent)
    path.mkdir()
    return path


def write_run_settings(run: Path, content: RunSettings) -> None:
    """Keep in a run's folder what its tasks need, so that a task itself is a few hundred bytes."""
    write_record(run / SETTINGS, _root(run), {"shared": content.model_dump(mode="json")})


@lru_cache(maxsize=4)
def run_settings(run: Path) -> RunSettings:
    """Read what the tasks of a run need, once in a process.

    Raises
    ------
    StoreError
        If it is not there, or damaged.
    """
    found = read_record(run / SETTINGS, _root(run), "run again")
    if found is None:
        raise StoreError(
            f"{run / SETTINGS}: not there, so this process does not know the study of its task; let all workers see "
            "the study's folder under one path, and run again"
        )
    return RunSettings.model_validate(found["shared"])


def write_manifest(
    run: Path,
    study: StudySettings,
    report: Report,
    *,
    state: str,
    recipe: dict[str, Any] | None,
    workers: Sequence[Mapping[str, Any]],
    sessions: Mapping[str, Sequence[str]],
    n_sounds: Mapping[str, int],
) -> None:
    """Write the manifest of a run, as a record of the study's folder.

    Parameters
    ----------
    run
        Its folder.
    study, report
        What it was to do, and what it did.
    state
        ``running``, or how it ended: then the manifest holds digests of the run's other files.
    recipe, workers
        Where workers came from, None for this process, and what each computed on.
    sessions, n_sounds
        Of each stimulus set, the sessions that it was presented to and the number of its sounds.
    """
    ended = [] if state == "running" else [name for name in (EVENTS, SETTINGS) if (run / name).exists()]
    content = {
        "state": state,
        "recipe": recipe,
        "workers": workers,
        "seconds": report.seconds,
        **{name: value for name, value in asdict(report).items() if name not in ("seconds", "folder")},
        SESSIONS: sessions,
        SOUNDS: n_sounds,
        "updated": now(),
        "files": {name: digest_file(run / name) for name in ended},
        **provenance(study),
    }
    write_record(run / MANIFEST, _root(run), content)


def past_runs(store: StudyStore) -> list[PastRun]:
    """Return the runs of a study, the oldest first; none where the results were not made by runs."""
    folders = sorted(path for path in store.runs.glob("*") if path.is_dir())
    return [_past_run(store, folder) for folder in folders]


def _past_run(store: StudyStore, folder: Path) -> PastRun:
    try:
        manifest = read_record(folder / MANIFEST, store.root, DELETE_RUN)
        if manifest is None:
            others = any(TEMPORARY not in path.name for path in folder.iterdir())  # a run writes them after it
            gone = f"{folder / MANIFEST}: not there, though the run wrote more; {DELETE_RUN}" if others else ""
            return PastRun(folder.name, {}, gone)
        check_files(folder, {name: d for name, d in manifest.get("files", {}).items() if name == SETTINGS})
    except DamagedError as error:
        return PastRun(folder.name, {}, f"{error.path}: damaged; {DELETE_RUN}")
    return PastRun(folder.name, manifest)


def _root(run: Path) -> Path:
    """Return the study's folder, in which a run has one."""
    return run.parent.parent

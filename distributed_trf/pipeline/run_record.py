"""The record of a run in the study's folder: settings for its tasks, and a manifest of what it did and how."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from distributed_trf.config.load import Settings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.features.table import NetworkTable
from distributed_trf.pipeline.provenance import PROVENANCE, now, provenance
from distributed_trf.store.atomic import TEMPORARY, make_folder
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import read_record, write_record
from distributed_trf.store.study_store import StudyStore

MANIFEST, SETTINGS, EVENTS = "manifest.json", "study.json", "events.jsonl"
"""Files in the folder of a run."""
SESSIONS, SOUNDS = "heard", "sounds"
"""Fields of the manifest: the sessions that each stimulus set was presented to, and the number of its sounds."""
SHOWN = 10
"""Items that are not done, in a notebook."""
DELETE_RUN = "no number depends on it: delete the folder of that run"


class RunSettings(Settings):
    """Settings that all tasks of a run share, with absolute paths: a worker may have another working directory."""

    study: StudySettings
    tables: dict[str, NetworkTable]
    """Tables of the study's networks."""


@dataclass
class Report:
    """What a run did, and what it could not do. All fields except the folder are fields of the manifest."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by stage."""
    done: dict[str, int] = field(default_factory=dict)
    """Items done now, by stage."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Items that were done before the run, by stage."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """Items that other elements of a job array did during the run, by stage."""
    failed: dict[str, str] = field(default_factory=dict)
    """Message of each item that failed, by stage and key."""
    blocked: dict[str, str] = field(default_factory=dict)
    """What each item that could not start was waiting for."""
    constant_units: int = 0
    """Largest number of constant units in a fit."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What was left out of sessions while reading them, by stimulus set and session."""
    doubts: dict[str, list[str]] = field(default_factory=dict)
    """What looks inconsistent in recordings, such as spikes in milliseconds, by stimulus set and session."""
    unused_presentations: int = 0
    """Largest number of repeated presentations of training stimuli that a fit leaves out."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Sessions that cannot be used because of their own files, and why."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions with too few sounds presented to be cross-validated, and why."""
    heard_in_parts: int = 0
    """Extractions whose batch did not fit the memory of the device, so that it took several forward passes."""
    fallbacks: int = 0
    """Factorisations that failed their check, so that a slower way was taken."""
    upsampled: dict[str, str] = field(default_factory=dict)
    """Networks whose rate is above that of the sounds, with both rates."""
    features: dict[str, list[str]] = field(default_factory=dict)
    """What was done to features of one's own so that they fit their sounds, and what storing takes of features, by
    network."""
    beside: str = ""
    """How much is kept in the study's folder outside the study; empty if nothing is."""
    removed: list[str] = field(default_factory=list)
    """Earlier outputs outside the study that could not be kept."""
    folder: Path | None = None
    """Folder of the manifest and performance report; None if there was nothing to do."""

    @property
    def ok(self) -> bool:
        """Whether every item of the study is done, and every session of the recordings could be used."""
        return not self.failed and not self.blocked and not self.unusable

    def _repr_html_(self) -> str:
        """Show in a notebook what was done, stage by stage, and what was not."""
        rows = "".join(
            f"<tr><td>{stage}</td><td>{self.done.get(stage, 0)}</td><td>{self.skipped.get(stage, 0)}</td>"
            f"<td>{self.seconds.get(stage, 0.0):.1f}</td></tr>"
            for stage in dict.fromkeys((*self.done, *self.skipped))
        )
        table = "<p>nothing was done</p>"
        if rows:
            head = "<tr><th>stage</th><th>done now</th><th>done before</th><th>seconds</th></tr>"
            table = f"<table>{head}{rows}</table>"
        wrong = [f"{kind} {key}: {reason}" for kind, of in self._not_done() for key, reason in of.items()]
        return (
            table
            + "".join(f"<p>{escape(text)}</p>" for text in wrong[:SHOWN])
            + (f"<p>... and {len(wrong) - SHOWN} more</p>" if len(wrong) > SHOWN else "")
        )

    def _not_done(self) -> list[tuple[str, dict[str, str]]]:
        return [("failed", self.failed), ("blocked", self.blocked), ("unusable session", self.unusable)]


@dataclass(frozen=True)
class PastRun:
    """One run, as its manifest describes it."""

    name: str
    """Name of its folder; names sort by time."""
    manifest: Mapping[str, Any]
    """What the run wrote at its start and at its end; empty if it was killed before that."""
    damage: str = ""
    """Which of its files is damaged, and what to do."""

    @property
    def state(self) -> str:
        """``finished``, ``interrupted`` by an error, the damage, or ``running, or killed``."""
        if self.damage:
            return self.damage
        state = str(self.manifest.get("state", "running"))
        return "running, or killed" if state == "running" else state

    @property
    def began(self) -> str:
        """When the run began, in UTC."""
        day, _, clock = self.name.partition("T")
        return f"{day[:4]}-{day[4:6]}-{day[6:8]} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"

    @property
    def report(self) -> Report:
        """What the run did."""
        known = {f.name for f in fields(Report)}  # a run of an older version wrote fewer fields
        return Report(**{name: value for name, value in self.manifest.items() if name in known})

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Provenance of its results, with the time of the manifest's last update; empty if it left no settings."""
        if "study" not in self.manifest:
            return {}
        recorded = {name: self.manifest[name] for name in PROVENANCE if name in self.manifest}
        return {**recorded, "written": self.manifest.get("updated", "")}


def latest_provenance(results: Mapping[str, Any] | None, runs: Sequence[PastRun]) -> Mapping[str, Any]:
    """Return the newest provenance: that of the results, or that of the latest run."""
    candidates = [results] if results is not None else []
    if runs and runs[-1].provenance:
        candidates.append(runs[-1].provenance)
    with_study = [attrs for attrs in candidates if isinstance(attrs.get("study"), dict)]
    return max(with_study, key=lambda attrs: str(attrs.get("written", "")), default=candidates[0] if candidates else {})


def new_run(runs: Path) -> Path:
    """Make the folder of a new run; its name sorts by time."""
    path = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
    make_folder(path.parent)
    path.mkdir()
    return path


def write_run_settings(run: Path, content: RunSettings) -> None:
    """Write what the tasks of a run need into its folder, so that a task itself has a few hundred bytes."""
    write_record(run / SETTINGS, _root(run), {"shared": content.model_dump(mode="json")})


@lru_cache(maxsize=4)
def run_settings(run: Path) -> RunSettings:
    """Read what the tasks of a run need, once in a process.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    """
    record = read_record(run / SETTINGS, _root(run), "run again")
    if record is None:
        raise StoreError(
            f"{run / SETTINGS}: missing, so this process does not know the study of its task; let all workers see "
            "the study's folder under one path, and run again"
        )
    return RunSettings.model_validate(record["shared"])


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
        Folder of the run.
    study, report
        The study, and what the run did.
    state
        ``running``, or how the run ended; a run that ended has digests of its other files in the manifest.
    recipe, workers
        Where workers came from (None for this process), and the device of each worker.
    sessions, n_sounds
        For each stimulus set, the sessions that it was presented to and the number of its sounds.
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


def page_of_run(store: StudyStore) -> str | None:
    """Return the link to the dashboard's page of the study that the latest run gave; None if it has none."""
    for folder in sorted((path for path in store.runs.glob("*") if path.is_dir()), reverse=True)[:1]:
        with suppress(OSError, ValueError):
            for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines():
                if page := json.loads(line).get("page"):
                    return str(page)
    return None


def past_runs(store: StudyStore) -> list[PastRun]:
    """Return the runs of a study, oldest first; empty for imported results."""
    folders = sorted(path for path in store.runs.glob("*") if path.is_dir())
    return [_past_run(store, folder) for folder in folders]


def _past_run(store: StudyStore, folder: Path) -> PastRun:
    try:
        manifest = read_record(folder / MANIFEST, store.root, DELETE_RUN)
        if manifest is None:
            others = any(TEMPORARY not in path.name for path in folder.iterdir())  # written after the manifest
            gone = f"{folder / MANIFEST}: missing, though the run wrote other files; {DELETE_RUN}" if others else ""
            return PastRun(folder.name, {}, gone)
        check_files(folder, {name: d for name, d in manifest.get("files", {}).items() if name == SETTINGS})
    except DamagedError as error:
        return PastRun(folder.name, {}, f"{error.path}: damaged; {DELETE_RUN}")
    return PastRun(folder.name, manifest)


def _root(run: Path) -> Path:
    """Return the study's folder, which holds the folder of the run."""
    return run.parent.parent

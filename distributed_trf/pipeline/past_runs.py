"""The runs that a study's folder remembers, each by its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.shared import FILE
from distributed_trf.store.atomic import TEMPORARY
from distributed_trf.store.receipts import read_record
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.vouched import check_files

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

"""What all tasks of a run share: kept once in the run's folder, so that a task itself is a few hundred bytes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from distributed_trf.config.load import Settings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import StoreError
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.store.receipts import read_record, write_record

FILE = "study.json"


class Shared(Settings):
    """A study as the driver found it: a worker may run in another folder."""

    study: StudySettings
    tables: dict[str, NetworkTable]
    """Of the study's networks."""


def share(run: Path, content: Shared) -> None:
    """Keep in a run's folder what its tasks need."""
    write_record(run / FILE, _root(run), {"shared": content.model_dump(mode="json")})


@lru_cache(maxsize=4)
def shared(run: Path) -> Shared:
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
    return Shared.model_validate(found["shared"])


def _root(run: Path) -> Path:
    """Return the study's folder, in which a run has one."""
    return run.parent.parent

"""Where the items of a study stand, as its folder tells: no recordings and no study file are needed.

A survey holds receipts against settings and inputs as they are now. This does not: what was done with other settings
counts as done until a run takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.asked import Remembered
from distributed_trf.pipeline.items import STAGES, Assess, Item, ReadSession
from distributed_trf.pipeline.past_runs import PastRun
from distributed_trf.pipeline.survey import State, items
from distributed_trf.store.item_locks import holders
from distributed_trf.store.receipts import read_failure
from distributed_trf.store.study_store import StudyStore

NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class Standing:
    """The items of one stage."""

    stage: str
    done: int
    failed: Mapping[str, str]
    """Why, by key."""
    missing: Mapping[str, str] | None
    """What each item that is neither waits for, by key; None where no run left word of what was asked for."""


def standing(store: StudyStore, runs: Sequence[PastRun], study: StudySettings | None) -> list[Standing]:
    """Find out what is done, failed and missing, stage by stage; stages without any item are left out.

    Parameters
    ----------
    store
        The study's folder.
    runs
        What ``past_runs`` returns; the newest that asked for all of it says what the recordings and networks have.
    study
        What is asked for, where that is known.
    """
    newest = runs[-1] if runs else None
    asked = None
    for run in reversed(runs):
        if study is not None and asked is None:
            asked = Remembered.of_run(store, run.name, run.manifest, study)
    waiting = waiting_items(store, newest)
    found = []
    for stage in STAGES:
        done = {path.stem for path in (store.receipts / stage).glob("*.json")}
        failed = {path.stem: _why(store, stage, path.stem) for path in sorted((store.failures / stage).glob("*.json"))}
        missing = None
        if asked is not None:
            keys = [item.key for item in items(asked, stage) if not _has_no_spikes(store, item)]
            failed = {key: failed[key] for key in keys if key in failed}
            done = {key for key in keys if key in done and key not in failed}
            left = [key for key in keys if key not in done and key not in failed]
            missing = {key: waiting.get(f"{stage} {key}", NOT_BEGUN) for key in left}
        if done or failed or missing:
            found.append(Standing(stage, len(done), failed, missing))
    return found


def _has_no_spikes(store: StudyStore, item: Item) -> bool:
    """Tell whether an item is of a session that could not be read, of which there is nothing to assess."""
    read = ReadSession.stage
    return isinstance(item, Assess) and _failed(store, read, ReadSession(item.stimuli, item.session).key)


def _failed(store: StudyStore, stage: str, key: str) -> bool:
    return (store.failures / stage / f"{key}.json").exists()


def waiting_items(store: StudyStore, newest: PastRun | None) -> dict[str, str]:
    """Say of items that are not done what they wait for, or who is at them, by stage and key."""
    blocked: Mapping[str, str] = newest.manifest.get("blocked", {}) if newest is not None else {}
    at_work = {f"{stage} {key}": f"{State.RUNNING}: {who}" for (stage, key), who in holders(store).items()}
    return {**blocked, **at_work}


def _why(store: StudyStore, stage: str, key: str) -> str:
    failure = read_failure(store, stage, key)
    return str(failure.details.get("message", "")) if failure is not None else ""

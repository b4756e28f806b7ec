"""What was done and what was not: items by stage, why some failed or are missing, and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distributed_trf.figures.html.table import NONE, Table, counted, numbers, words
from distributed_trf.pipeline.items import LABELS, STAGES
from distributed_trf.pipeline.past_runs import PastRun
from distributed_trf.pipeline.standing import Standing

NAMED = 100
"""Items that are named under one reason; of more the number is told."""


@dataclass(frozen=True)
class Undone:
    """Items that are not done for one reason."""

    state: str
    reason: str
    items: tuple[str, ...]
    """Some of them, by stage and key."""
    n: int


def item_table(stages: Sequence[Standing]) -> Table:
    """Count items by stage."""
    missing = [NONE if s.missing is None else str(len(s.missing)) for s in stages]
    return Table(
        "work items",
        (
            words("stage", [LABELS[s.stage] for s in stages]),
            numbers("done", [s.done for s in stages]),
            numbers("failed", [len(s.failed) for s in stages]),
            numbers("missing", missing),
        ),
    )


def undone(stages: Sequence[Standing]) -> list[Undone]:
    """Gather items that failed or are missing by reason, in the order of stages."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for state in ("failed", "missing"):
        for s in stages:
            for key, reason in (getattr(s, state) or {}).items():
                by_reason.setdefault((state, reason), []).append(f"{s.stage} {key}")
    return [Undone(state, why, tuple(keys[:NAMED]), len(keys)) for (state, why), keys in by_reason.items()]


def left_out(runs: Sequence[PastRun]) -> list[tuple[str, str]]:
    """Say what was left out of sessions and which could not be fitted, as the latest run that did it; and what looks
    wrong in the recordings, as the latest run.
    """
    notes: dict[str, str] = {}
    for run in runs:
        notes |= {key: "; ".join(told) for key, told in _mapping(run, "notes").items()}
        notes |= {f"{session}, in fits": str(why) for session, why in _mapping(run, "left_out").items()}
    for run in runs[-1:]:
        notes |= {f"{key}, looks wrong": "; ".join(told) for key, told in _mapping(run, "doubts").items()}
        notes |= {f"{session}, unusable": str(why) for session, why in _mapping(run, "unusable").items()}
    return sorted(notes.items())


def run_table(runs: Sequence[PastRun]) -> Table:
    """List the runs with the seconds that each stage took."""
    stages = [stage for stage in STAGES if any(stage in run.seconds for run in runs)]
    return Table(
        counted(len(runs), "run"),
        (
            words("began (UTC)", [run.began for run in runs]),
            words("state", [run.state for run in runs]),
            words("workers", [_workers(run) for run in runs]),
            numbers("items done", [sum(run.counted("done").values()) for run in runs]),
            numbers("failed", [len(_mapping(run, "failed")) for run in runs]),
            *(numbers(f"{LABELS[stage]} (s)", [run.seconds.get(stage) for run in runs], _seconds) for stage in stages),
            words("code", [_code(run) for run in runs]),
        ),
    )


def _workers(run: PastRun) -> str:
    recipe, found = run.manifest.get("recipe"), run.manifest.get("workers") or []
    if not isinstance(recipe, dict):
        return "one process"
    models = list(dict.fromkeys(str(worker.get("model")) for worker in found if worker.get("model")))
    told = f"{recipe.get('kind', '')}: {len(found)}" if found else str(recipe.get("kind", ""))
    return f"{told} on {', '.join(models)}" if models else told


def _code(run: PastRun) -> str:
    source, revision = (str(run.manifest.get(name, "")) for name in ("source", "git_revision"))
    return f"{source} ({revision})" if revision else source


def _mapping(run: PastRun, field: str) -> Mapping[str, Any]:
    found = run.manifest.get(field)
    return found if isinstance(found, dict) else {}


def _seconds(spent: float | None) -> str:
    return NONE if spent is None else f"{spent:.1f}"

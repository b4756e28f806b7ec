"""The report of a study: its settings and results, its items by stage, why some failed or are missing, and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import counted
from distributed_trf.figures.html.figure_section import gallery_figures
from distributed_trf.figures.html.page import NONE, Table, numbers, words, write_page
from distributed_trf.figures.html.provenance import in_utc, provenance_of, settings_lines
from distributed_trf.figures.html.tables import area_table, found, reliability_counts, session_table
from distributed_trf.figures.inputs import Inputs
from distributed_trf.pipeline.fit_state import fits_of
from distributed_trf.pipeline.folder_status import FolderStatus, StageStatus, stage_statuses
from distributed_trf.pipeline.items import LABELS, STAGES
from distributed_trf.pipeline.provenance import now
from distributed_trf.pipeline.run_record import PastRun, past_runs
from distributed_trf.store.results import has_results
from distributed_trf.store.study_store import StudyStore

NAMED = 100
"""Items that are named under one reason; of more only the number is given."""


@dataclass(frozen=True)
class Undone:
    """Items that are not done for one reason."""

    state: str
    reason: str
    items: tuple[str, ...]
    """Some of them, by stage and key."""
    n: int


def item_table(stages: Sequence[StageStatus]) -> Table:
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


def undone(stages: Sequence[StageStatus]) -> list[Undone]:
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
    for report in (run.report for run in runs):
        notes |= {key: "; ".join(texts) for key, texts in report.notes.items()}
        notes |= {f"features of {network}": "; ".join(texts) for network, texts in report.features.items()}
        notes |= {f"{session}, in fits": why for session, why in report.left_out.items()}
    for report in (run.report for run in runs[-1:]):
        notes |= {f"{key}, looks wrong": "; ".join(texts) for key, texts in report.doubts.items()}
        notes |= {f"{session}, unusable": why for session, why in report.unusable.items()}
    return sorted(notes.items())


def run_table(runs: Sequence[PastRun]) -> Table:
    """List the runs with the seconds that each stage took."""
    reports = [run.report for run in runs]
    stages = [stage for stage in STAGES if any(stage in report.seconds for report in reports)]
    return Table(
        counted(len(runs), "run"),
        (
            words("began (UTC)", [run.began for run in runs]),
            words("state", [run.state for run in runs]),
            words("workers", [_workers(run) for run in runs]),
            numbers("items done", [sum(report.done.values()) for report in reports]),
            numbers("failed", [len(report.failed) for report in reports]),
            *(numbers(f"{LABELS[stage]} (s)", [r.seconds.get(stage) for r in reports], _seconds) for stage in stages),
            words("code", [_code(run) for run in runs]),
        ),
    )


def _workers(run: PastRun) -> str:
    recipe, found = run.manifest.get("recipe"), run.manifest.get("workers") or []
    if not isinstance(recipe, dict):
        return "one process"
    models = list(dict.fromkeys(str(worker.get("model")) for worker in found if worker.get("model")))
    workers = f"{recipe.get('kind', '')}: {len(found)}" if found else str(recipe.get("kind", ""))
    return f"{workers} on {', '.join(models)}" if models else workers


def _code(run: PastRun) -> str:
    source, revision = (str(run.manifest.get(name, "")) for name in ("source", "git_revision"))
    return f"{source} ({revision})" if revision else source


def _seconds(spent: float | None) -> str:
    return NONE if spent is None else f"{spent:.1f}"


def write_report(
    folder: str | Path, path: str | Path, *, study: StudySettings | None = None, delta: float = 0.5
) -> None:
    """Write the report of a study as one HTML file that needs nothing beside it.

    It holds the settings, what made the results, recordings and reliability, the best layers with tests, every figure
    that can be drawn, the status of the work items, and the runs. A study that is not finished has a report of what is
    there; imported results have one without settings and runs.

    Parameters
    ----------
    folder
        Of the study, or of imported results.
    path
        The file; one that is there is replaced when the new one is complete.
    study
        The study to report, if it differs from the settings in the results, as where its file was changed since.
    delta
        Of the rule for highly tuned units, which tables and figures are about.

    Raises
    ------
    StoreError
        If there is no study.
    DamagedError
        If some of its results are damaged.
    """
    store = StudyStore.open(Path(folder))
    inputs = Inputs(store.root, delta=delta)
    ds = results_if_any(store, inputs)
    runs = past_runs(store)
    made = provenance_of(ds, runs)
    asked = study or made.study
    status = None if asked is None else FolderStatus(store, asked, runs)
    stages, state = stage_statuses(store, status), None if status is None else fits_of(status)
    write_page(
        Path(path),
        "study.html.j2",
        title=made.name or store.root.name,
        folder=store.root,
        written=in_utc(now()),
        made=made,
        settings=settings_lines(made.study) if made.study is not None else [],
        areas=area_table(ds) if ds is not None else None,
        sessions=session_table(ds) if ds is not None else None,
        reliability=reliability_counts(ds, delta) if ds is not None else None,
        found=list(found(ds, delta)) if ds is not None else [],
        figures=list(gallery_figures(inputs)) if ds is not None else [],
        was_done=state is not None and state.was_done,
        notes=list(state.lines()) if state is not None else [],
        items=item_table(stages) if stages else None,
        undone=undone(stages),
        left_out=left_out(runs),
        runs=run_table(runs) if runs else None,
    )


def results_if_any(store: StudyStore, inputs: Inputs) -> xr.Dataset | None:
    """Open the results after every number was read once; None before there are any.

    Raises
    ------
    DamagedError
        If some of them are damaged.
    """
    return inputs.results if has_results(store) else None

"""The report of a study: what it is, what it found, and what of it is done."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf.config.study import StudySettings
from distributed_trf.figures.html.found import found
from distributed_trf.figures.html.origin import in_utc, origin, settings_lines
from distributed_trf.figures.html.page import write_page
from distributed_trf.figures.html.recorded import area_table, reliability_counts, session_table
from distributed_trf.figures.html.shown_figures import gallery_figures
from distributed_trf.figures.html.work import item_table, left_out, run_table, undone
from distributed_trf.figures.inputs import Inputs
from distributed_trf.pipeline.fit_state import fit_state
from distributed_trf.pipeline.manifest import now
from distributed_trf.pipeline.past_runs import past_runs
from distributed_trf.pipeline.standing import standing
from distributed_trf.store.results import has_results
from distributed_trf.store.study_store import StudyStore


def write_report(
    folder: str | Path, path: str | Path, *, study: StudySettings | None = None, delta: float = 0.5
) -> None:
    """Write the report of a study as one HTML file that needs nothing beside it.

    It holds the settings, what made the results, recordings and reliability, the best layers with tests, every figure
    that can be drawn, where the work items stand, and the runs. A study that is not finished has a report of what is
    there; imported results have one without settings and runs.

    Parameters
    ----------
    folder
        Of the study, or of imported results.
    path
        The file; one that is there is replaced when the new one is complete.
    study
        What is asked for, if another study than the results say, as where its file was changed since.
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
    made = origin(ds, runs)
    stages, state = standing(store, runs, study or made.study), fit_state(store, study)
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

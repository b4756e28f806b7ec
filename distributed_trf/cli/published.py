"""``dtrf import-results``, ``dtrf export-csv``."""

from __future__ import annotations

from pathlib import Path

import typer

from distributed_trf.cli.console import out
from distributed_trf.cli.results import RESULTS, results_folder, say_what_they_are_of
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.results.analyses import has_bootstraps, has_lowpass, open_bootstraps, open_lowpass
from distributed_trf.results.open_results import open_results
from distributed_trf.results.published.export_csv import write_published_csv
from distributed_trf.results.published.import_csv import import_published_csv
from distributed_trf.results.published.units import UCSF

RECORDINGS = typer.Option(
    None, help="UCSF recordings that the results are of, for the labels of their channels.", show_default=False
)


def import_results(
    folder: Path = typer.Argument(help="Folder of *_corr_results.csv, such as ahmed-25.", show_default=False),
    *,
    output: Path = typer.Option(..., help="New folder of the results; an earlier import is replaced."),
    recordings: Path | None = RECORDINGS,
    sessions_metadata: Path | None = typer.Option(
        None, help="sessions_metadata.yml, for areas and sites; if not given, the published ones.", show_default=False
    ),
    dataset: str | None = typer.Option(None, help="ucsf or ucdavis, where files of both are there."),
    lag: float | None = typer.Option(None, help="Largest lag in ms, where files of several are there."),
    identifier: str | None = typer.Option(None, help="End of the names, where several are there: ahmed_25."),
) -> None:
    """Read correlations that Ahmed et al. (2025) published as CSV files, into a folder that open_results opens."""
    done = import_published_csv(
        folder,
        output,
        recordings=_recordings(recordings),
        sessions_metadata=sessions_metadata,
        dataset=dataset,
        lag=lag,
        identifier=identifier,
    )
    for name in done.files:
        _say(f"read {name}")
    for name, reason in done.left_out.items():
        _say(f"left out {name}: {reason}")
    for note in done.notes:
        _say(f"note: {note}")
    _say(
        f"{len(done.files)} files read, {len(done.left_out)} left out: {done.n_fits} fits, {done.n_lowpass} on "
        f"low-passed features and {done.n_draws} draws of bootstraps, of {done.n_units} units"
    )
    _say(f"output: {done.output.resolve()}")


def export_csv(
    study: str = RESULTS,
    *,
    output: Path = typer.Option(..., help="Folder to write to; files of the same names are replaced."),
    identifier: str | None = typer.Option(
        None, help="End of the names: ahmed_25 for the published notebooks; if not given, the name of the study."
    ),
    recordings: Path | None = RECORDINGS,
) -> None:
    """Write correlations as CSV files in the layout of Ahmed et al. (2025)."""
    folder, settings = results_folder(study)
    ds = open_results(folder)
    say_what_they_are_of(folder, settings)
    files = write_published_csv(
        ds,
        output,
        identifier=identifier,
        lowpass=open_lowpass(folder) if has_lowpass(folder) else None,
        bootstraps=[open_bootstraps(folder, of) for of in ("training", "test") if has_bootstraps(folder, of)],
        recordings=_recordings(recordings),
    )
    for file in files:
        _say(f"written {file.name}")
    _say(f"{len(files)} files: {output.resolve()}")


def _recordings(folder: Path | None) -> RecordingSet | None:
    return None if folder is None else open_recordings(UCSF, folder)


def _say(line: str) -> None:
    out.print(line, soft_wrap=True)

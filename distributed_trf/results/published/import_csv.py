"""Published results, read into a folder that opens as the results of a study do, analyses included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import ResultsFileError, StoreError
from distributed_trf.pipeline.items import BootstrapTest, BootstrapTraining, FitLowpass
from distributed_trf.pipeline.provenance import CITATION, now
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import UNKNOWN, RecordingSet
from distributed_trf.recordings.ucsf.metadata import read_site_table
from distributed_trf.results.published.gather import Gathered, UnitValues, gather, grid_of, other_types
from distributed_trf.results.published.read_file import Chosen, choose_files
from distributed_trf.results.published.units import UCSF, Names
from distributed_trf.store.analyses import allocate_analysis, unit_coords
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.result_allocation import allocate_result_arrays, record_digests
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.results import write_fit, write_reliability
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, member, open_group


def write_lowpass(store: StudyStore, gathered: Gathered) -> None:
    """Write fits on low-passed features, for ``open_lowpass``."""
    units = unit_coords(store.results)
    for (cell, lowpass_bin), fit in gathered.lowpass.items():
        columns = {**fit.values, "cv_score": np.full(len(units[names.UNIT]), np.nan)}
        ds = xr.Dataset({name: (names.UNIT, column) for name, column in columns.items()})
        key = FitLowpass(*cell, lowpass_bin).key
        allocate_analysis(store, key, ds.merge(units), _labels(cell) | {"lowpass_bin": lowpass_bin})


def write_draws(store: StudyStore, gathered: Gathered) -> None:
    """Write bootstraps, for ``open_bootstraps``.

    Draws are the identifiers in natural order; where some percentage has fewer, NaN follows.
    """
    units = unit_coords(store.results)
    for kind in ("bootstrap-training", "bootstrap-test"):
        of_kind = {key: draws for key, draws in gathered.draws.items() if key[0] == kind}
        n_draws = max((len(draws) for draws in of_kind.values()), default=0)
        for cell in dict.fromkeys(cell for _, cell, _, _ in of_kind):
            draws = {key[2:]: _stacked(found, n_draws) for key, found in of_kind.items() if key[1] == cell}
            write = _write_training if kind == "bootstrap-training" else _write_test
            write(store, cell, draws, units)


def _write_training(
    store: StudyStore, cell: Cell, draws: dict[tuple[float, float], dict[str, np.ndarray]], units: xr.Dataset
) -> None:
    for (percent, _), values in draws.items():
        ds = xr.Dataset({name: (("draw", names.UNIT), stacked) for name, stacked in values.items()})
        key = BootstrapTraining(*cell, percent).key
        allocate_analysis(store, key, ds.merge(units), _labels(cell) | {"training_percent": percent})


def _write_test(
    store: StudyStore, cell: Cell, draws: dict[tuple[float, float], dict[str, np.ndarray]], units: xr.Dataset
) -> None:
    percents, repeats = (sorted({key[k] for key in draws}) for k in range(2))
    first = next(iter(draws.values()))["r"]
    r = np.full((len(percents), len(repeats), *first.shape), np.nan)
    for (percent, n_repeats), values in draws.items():
        r[percents.index(percent), repeats.index(n_repeats)] = values["r"]
    ds = xr.Dataset(
        {"r": (("test_percent", "n_repeats", "draw", names.UNIT), r)},
        coords={"test_percent": percents, "n_repeats": [int(n) for n in repeats]},
    )
    allocate_analysis(store, BootstrapTest(*cell).key, ds.merge(units), _labels(cell))


def _stacked(draws: dict[str, UnitValues], n_draws: int) -> dict[str, np.ndarray]:
    """Return values of shape (draw, unit) by name."""
    found = [draws[identifier].values for identifier in sorted(draws, key=_natural)]
    missing = [{name: np.full_like(column, np.nan) for name, column in found[0].items()}] * (n_draws - len(found))
    return {name: np.stack([values[name] for values in (*found, *missing)]) for name in found[0]}


def _natural(identifier: str) -> list[tuple[int, int, str]]:
    """Sort ``e2`` before ``e10``."""
    parts = re.split(r"(\d+)", identifier)
    return [(k % 2, int(part) if k % 2 else 0, part) for k, part in enumerate(parts)]


def _labels(cell: Cell) -> dict[str, Any]:
    return dict(zip(names.GRID, cell, strict=True))


IMPORTED = "imported"
"""Attribute of results that were read from published files: what was read, and what was not."""
COMMENT = (
    "as it stands in the files: the published code gives N / (N - 1) times Pearson r over the N bins of the "
    "concatenated test stimuli, per repeat, then the mean over repeats; NaN where nothing stands"
)


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    output: Path
    """Folder that ``open_results`` opens."""
    n_units: int
    n_fits: int
    n_lowpass: int
    """Fits on low-passed features."""
    n_draws: int
    """Of bootstraps, each of one percentage and number of repeats."""
    files: tuple[str, ...]
    """Names of the files that were read."""
    left_out: dict[str, str]
    """Why other files were not, by name."""
    notes: tuple[str, ...]
    """What else is not as in the files, or not known."""


def import_published_csv(
    folder: str | Path,
    output: str | Path,
    *,
    recordings: RecordingSet | None = None,
    sessions_metadata: str | Path | None = None,
    dataset: str | None = None,
    lag: float | None = None,
    identifier: str | None = None,
) -> Imported:
    """Read CSV files as Ahmed et al. (2025) published them into a new folder.

    Parameters
    ----------
    folder
        Folder of the files, such as ``ahmed-25``.
    output
        New folder, for ``open_results``; ``open_lowpass`` and ``open_bootstraps`` have what files of those hold. An
        earlier import that is there is replaced, anything else is refused.
    recordings
        The recordings that the results are of. Channels get their labels, so that imported and own results pair by
        session and channel; by default they are called by their index.
    sessions_metadata
        ``sessions_metadata.yml`` of the recordings, for area, subject and site of sessions; by default those published.
    dataset, lag, identifier
        Which results, where the folder has several: ``ucsf`` or ``ucdavis``, largest delay in ms, and the user's name
        of the run.

    Returns
    -------
    Imported
        What was read and what was left out, with reasons.

    Raises
    ------
    ResultsFileError
        If a file cannot be read or its content is not what its columns hold, if two files hold the same fit, or if the
        choice is not clear. Nothing is written then.
    StoreError
        If something is at ``output`` that is no import.

    Notes
    -----
    ``alpha = 10 ** opt_lmbda``. Correlations are not altered; see the comment of ``r``. Columns of the other stimulus
    set, ``normalized_test_cc`` (which follows from others) and ``N_sents`` are not kept.

    Examples
    --------
    >>> import_published_csv("results/ahmed-25", "published")  # doctest: +SKIP
    >>> open_results("published").rho.sel(network="whisper_base", stimuli="timit")  # doctest: +SKIP
    """
    folder, output = Path(folder), Path(output)
    _check_output(output)
    chosen = choose_files(folder, dataset=dataset, lag=lag, identifier=identifier)
    sites = read_site_table(Path(sessions_metadata)) if sessions_metadata is not None else None
    unit_names = Names.of(chosen.dataset, recordings, sites)
    gathered = gather(chosen, unit_names)
    if not gathered.cells:
        raise ResultsFileError(f"{folder}: nothing can be kept of its files: {'; '.join(gathered.notes)}")
    grid = grid_of(gathered, unit_names)
    gathered.notes += [*other_types(gathered), *_unknown(grid.units, unit_names, recordings)]
    with new_folder(output) as new:
        store = StudyStore.create(new)
        allocate_result_arrays(store.results, grid, [], _attrs(chosen, gathered))
        for cell, fit in gathered.fits.items():
            write_fit(store.results, cell, fit.values)
        for (stimuli, bin_width), measured in gathered.reliability.items():
            write_reliability(store.results, stimuli, bin_width, measured)
        member(open_group(store.results, mode="r+"), "r").attrs["comment"] = COMMENT
        record_digests(store.results)
        write_lowpass(store, gathered)
        write_draws(store, gathered)
    files = tuple(path.name for path in chosen.files)
    return Imported(
        output=output,
        n_units=grid.n_units,
        n_fits=len(gathered.fits),
        n_lowpass=len(gathered.lowpass),
        n_draws=sum(len(draws) for draws in gathered.draws.values()),
        files=files,
        left_out=chosen.left_out,
        notes=tuple(gathered.notes),
    )


def _check_output(output: Path) -> None:
    """Make sure that nothing is replaced but an earlier import."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:  # whichever version of this package wrote it
        is_import = IMPORTED in attributes(open_group(StudyStore(output.resolve()).results))
    except StoreError:
        is_import = False
    if not is_import:
        raise StoreError(f"{output}: something is there that is no import of published results; choose another output")


def _attrs(chosen: Chosen, gathered: Gathered) -> dict[str, Any]:
    """Say what made the results, with the fields of a study that are known."""
    return {
        "source": f"distributed_trf {version('distributed_trf')}",
        "study": {
            "name": chosen.identifier,
            "recordings": {"format": chosen.dataset},
            "lags": {"tmin": 0.0, "tmax": chosen.lag / 1000},
            "delay": gathered.delay / 1000,
        },
        IMPORTED: {
            "files": {path.name: digest_file(path) for path in chosen.files},
            "left_out": chosen.left_out,
            "notes": gathered.notes,
        },
        "written": now(),
        "method": CITATION,
    }


def _unknown(units: dict[str, tuple[Any, ...]], unit_names: Names, recordings: RecordingSet | None) -> Iterable[str]:
    """Say of which sessions something is not known."""
    areas = dict(zip(units["session"], units["area"], strict=True))
    nowhere = [session for session, area in areas.items() if area == UNKNOWN]
    if nowhere and unit_names.dataset == UCSF:
        yield f"area and site of sessions {some_of(nowhere)} are not known"
    without = [session for session in areas if session not in unit_names.channels]
    if recordings is not None and unit_names.dataset == UCSF and without:
        yield f"sessions {some_of(without)} are not in the recordings; their channels are called by their index"

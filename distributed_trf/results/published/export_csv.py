"""Results written as CSV files in the published layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED
from distributed_trf.errors import ResultsFileError
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.results.open_results import study_of
from distributed_trf.results.published.file_name import (
    LATER,
    LAYER_TYPE,
    N_BANDS,
    N_SENTENCES,
    NORMALISER,
    RHO,
    FileName,
    Kind,
    R,
    columns_of,
    exponent_of,
    later_columns,
    prefixes,
    write_name,
)
from distributed_trf.results.published.units import UCDAVIS, UCSF, Names
from distributed_trf.store.atomic import write_text


@dataclass(frozen=True)
class PublishedFit:
    """What a file has a row of for each unit."""

    layer: int
    bin_width: float
    """Milliseconds in column ``bin_width``: of low-passed features that of the bins that they went through."""
    r: np.ndarray
    alpha: np.ndarray
    percent: float | None = None
    """Of the duration of stimuli, where they were drawn."""
    n_repeats: float | None = None
    """Of test stimuli, where they were drawn."""


def file_text(of: FileName, fits: list[PublishedFit], ds: xr.Dataset, labels: pd.DataFrame, delay: float) -> str:
    """Write the fits of a file, one after another.

    Parameters
    ----------
    of
        What the file is of.
    fits
        Each of all units; sessions without any number have no rows.
    ds
        Results, of which normalisers, nulls and types of layers are taken.
    labels
        Numbers of session and channel of each unit.
    delay
        Milliseconds.

    Returns
    -------
    str
        CSV, with numbers that are read back as they are.
    """
    measured = _measured(of, ds)
    types = _layer_types(of, ds)
    prefix, other = prefixes(of.stimuli)
    parts = []
    for fit in fits:
        with np.errstate(divide="ignore", invalid="ignore"):  # as published: a normaliser may be 0 or below
            rho = fit.r / np.sqrt(measured[NORMALISER]) if measured else fit.r
        exponent = exponent_of(fit.alpha)
        columns = {
            "session": labels["session"],
            "layer": fit.layer,
            "channel": labels["channel"],
            "bin_width": plain(fit.bin_width),
            "percent_duration": _plain_or_none(fit.percent),
            "n_test_trials": _plain_or_none(fit.n_repeats),
            "delay": float(delay) if of.weights == FIXED else delay,  # as published
            other + R: 0.0,
            other + NORMALISER: 0.0,
            prefix + NORMALISER: 0.0,
            prefix + R: fit.r,
            **{prefix + name: values for name, values in measured.items()},
            prefix + RHO: rho,
            LAYER_TYPE: types.get(fit.layer, ""),
            "opt_lag": plain(of.lag),
            "opt_lmbda": exponent,
            "N_sents": N_SENTENCES,
            "num_freqs": N_BANDS,
            "tmin": 0,
            "tmax": plain(of.lag),
            "lmbda": exponent,
        }
        fitted = pd.Series(~(np.isnan(fit.r) & np.isnan(fit.alpha)), index=labels.index)
        parts.append(pd.DataFrame(columns, index=labels.index)[fitted.groupby(labels["session"]).transform("any")])
    later = [column for column in later_columns(of) if column != LAYER_TYPE or any(types.values())] if measured else []
    text: str = pd.concat(parts)[[*columns_of(of), *later]].to_csv(index=False, lineterminator="\n")
    return text


def plain(number: float) -> float:
    """Return a whole number as one, so that it is written without a point."""
    return int(number) if float(number).is_integer() else float(number)


def _plain_or_none(number: float | None) -> float | None:
    return None if number is None else plain(number)


def _measured(of: FileName, ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return normaliser and null of each unit by their published names; nothing where none was measured."""
    bins = of.bin_width
    if not set(LATER.values()) <= set(ds.data_vars) or bins not in ds[names.BIN_WIDTH].values:
        return {}
    labels = {names.STIMULI: of.stimuli, names.BIN_WIDTH: bins}
    measured = {name: ds[here].sel(labels).values for name, here in LATER.items()}
    return measured if any(np.isfinite(values).any() for values in measured.values()) else {}


def _layer_types(of: FileName, ds: xr.Dataset) -> dict[int, str]:
    types = ds[LAYER_TYPE].sel({names.NETWORK: of.network})
    return dict(zip(types[names.LAYER].values.tolist(), types.values.tolist(), strict=True))


LOWPASS_BIN, N_REPEATS = "lowpass_bin", "n_repeats"
PERCENTS: dict[str, Kind] = {"training_percent": "bootstrap-training", "test_percent": "bootstrap-test"}
"""Kind of bootstraps by the dimension of the percentages that were drawn."""
DRAW = "draw"


def write_published_csv(
    ds: xr.Dataset,
    folder: str | Path,
    *,
    identifier: str | None = None,
    lowpass: xr.Dataset | None = None,
    bootstraps: Iterable[xr.Dataset] = (),
    recordings: RecordingSet | None = None,
) -> list[Path]:
    """Write results as CSV files that the code of Ahmed et al. (2025) reads, and ``import_published_csv``.

    Parameters
    ----------
    ds
        Results of ``open_results``, of a study or an import, with their ``attrs`` and all units of each session. Any
        part of the grid may be selected, as long as its dimensions stay.
    folder
        Where to write; a file of the same name is replaced.
    identifier
        What the names of the files end with, such as ``ahmed_25``, which the published notebooks read; by default that
        of the import, or the name of the study.
    lowpass
        Results of ``open_lowpass``, to be written as well.
    bootstraps
        Results of ``open_bootstraps``, of training and test stimuli, to be written as well.
    recordings
        The recordings that the results are of, by which the positions of UCSF channels among the files of their session
        are known whatever part of them is in ``ds``.

    Returns
    -------
    list of Path
        A file for each stimulus set, network, kind of weights and bin width, with a row for each layer, session and
        channel of sessions that have a number; of bootstraps one for each draw as well, whose number ends the
        identifier (``_draw3``). Each is written whole or not at all, numbers so that they are read back as they were.

    Raises
    ------
    ResultsFileError
        If the results are not of UCSF or UC Davis recordings, lags begin elsewhere than at 0, or a session, channel or
        network cannot be named in the layout. Nothing is written then.

    Notes
    -----
    The layout has no column for ``cv_score``, measures of reliability other than normaliser and null, names of layers,
    sites, layers fitted together, drawn normalisers and bootstraps of spectrograms. It has the base-10 logarithm of a
    penalty, which gives powers of ten back exactly and others to the last digits. Seeds, and controls other than
    ``reset``, become part of the identifier (see ``file_name``). Our r is Pearson's, the published one N / (N - 1)
    times that; numbers are written as they are.
    """
    settings = _settings(ds)
    dataset = settings["recordings"]["format"]
    identifier = settings["name"] if identifier is None else identifier
    labels = Names.of(dataset, recordings).numbers(ds)
    lag, delay = (plain(round(seconds * 1000, 6)) for seconds in (settings["lags"]["tmax"], settings["delay"]))
    grids: list[tuple[xr.Dataset, Kind, str]] = [(ds, "grid", identifier)]
    if lowpass is not None:
        _check_units(lowpass, ds, "lowpass")
        grids.append((lowpass, "lowpass", identifier))
    for drawn in bootstraps:
        _check_units(drawn, ds, "bootstraps")
        kind, draws = _kind(drawn), drawn[["r"]].assign(alpha=drawn.get("alpha", drawn["r"] * np.nan)).compute()
        draws = draws.sel({names.WEIGHTS: draws[names.WEIGHTS] != FIXED})
        grids += [(draws.isel({DRAW: k}), kind, f"{identifier}_draw{k}") for k in range(draws.sizes[DRAW])]
    files: dict[Path, str] = {}
    for grid, kind, of_grid in grids:
        for (stimuli, network, weights, bin_width), fits in _files(grid):
            of = FileName(dataset, stimuli, network, weights, lag, bin_width, of_grid, kind)
            files[Path(folder) / write_name(of)] = file_text(of, fits, ds, labels, delay)
    if not files:
        raise ResultsFileError("no unit has a number in any fit of the results; `dtrf results STUDY` says why")
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _settings(ds: xr.Dataset) -> dict[str, Any]:
    """Return what the study says of recordings, lags and delay."""
    settings = study_of(ds)
    if settings is None or not {"name", "recordings", "lags", "delay"} <= set(settings):
        raise ResultsFileError(
            "attribute study of the dataset does not say what it is of; keep in attrs what open_results returns there"
        )
    recorded = settings["recordings"]["format"]
    if recorded not in (UCSF, UCDAVIS):
        raise ResultsFileError(
            f"recordings of format {recorded!r} have no published layout; expected {UCSF} or {UCDAVIS}"
        )
    if settings["lags"]["tmin"] != 0:
        raise ResultsFileError(
            f"lags begin at {settings['lags']['tmin']:g} s; expected 0, as the layout has only the largest"
        )
    return settings


def _check_units(other: xr.Dataset, ds: xr.Dataset, what: str) -> None:
    if not all(np.array_equal(other[name].values, ds[name].values) for name in ("session", "channel")):
        raise ResultsFileError(f"{what} has other units than ds; open both from one folder, with all units")


def _kind(drawn: xr.Dataset) -> Kind:
    """Return what was drawn."""
    kinds = [kind for percent, kind in PERCENTS.items() if percent in drawn.dims]
    if not kinds:
        raise ResultsFileError(
            f"bootstraps over {', '.join(map(str, drawn.dims))} cannot be written in the published layout; expected "
            f"those of open_bootstraps with of='training' or 'test', over {' or '.join(PERCENTS)}"
        )
    return kinds[0]


def _files(grid: xr.Dataset) -> Iterator[tuple[tuple[str, str, str, float], list[PublishedFit]]]:
    """Yield stimulus set, network, weights and bin width of each file, and its fits in the order of its rows."""
    outer = (names.STIMULI, names.NETWORK, names.WEIGHTS, names.BIN_WIDTH)
    inner = tuple(dim for dim in (names.LAYER, LOWPASS_BIN, *PERCENTS, N_REPEATS) if dim in grid.dims)
    for labels in product(*(grid[dim].values.tolist() for dim in outer)):
        of_file = grid[["r", "alpha"]].sel(dict(zip(outer, labels, strict=True))).transpose(*inner, names.UNIT)
        r, alpha = of_file["r"].values, of_file["alpha"].values
        fits = []
        for index in np.ndindex(*r.shape[:-1]):
            if np.isfinite(r[index]).any() or np.isfinite(alpha[index]).any():
                at = {dim: float(grid[dim].values[k]) for dim, k in zip(inner, index, strict=True)}
                percent = next((at[dim] for dim in PERCENTS if dim in at), None)
                bin_width = at.get(LOWPASS_BIN, labels[-1])
                fits.append(
                    PublishedFit(int(at[names.LAYER]), bin_width, r[index], alpha[index], percent, at.get(N_REPEATS))
                )
        if fits:
            yield labels, fits

"""The text of one published file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.config.weights import FIXED
from distributed_trf.results.published.columns import (
    LATER,
    LAYER_TYPE,
    N_SENTENCES,
    NORMALISER,
    RHO,
    R,
    columns_of,
    later_columns,
    prefixes,
)
from distributed_trf.results.published.file_name import N_BANDS, FileName
from distributed_trf.results.published.penalty import exponent_of


@dataclass(frozen=True)
class Fit:
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


def file_text(of: FileName, fits: list[Fit], ds: xr.Dataset, labels: pd.DataFrame, delay: float) -> str:
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
    place = {names.STIMULI: of.stimuli, names.BIN_WIDTH: bins}
    measured = {name: ds[here].sel(place).values for name, here in LATER.items()}
    return measured if any(np.isfinite(values).any() for values in measured.values()) else {}


def _layer_types(of: FileName, ds: xr.Dataset) -> dict[int, str]:
    types = ds[LAYER_TYPE].sel({names.NETWORK: of.network})
    return dict(zip(types[names.LAYER].values.tolist(), types.values.tolist(), strict=True))

"""How often the first or the last penalty was chosen: the grid may be too narrow, or units follow nothing."""

from __future__ import annotations

import pandas as pd
import pydantic
import xarray as xr

from distributed_trf.config.study import RidgeSettings
from distributed_trf.names import BIN_WIDTH, STIMULI
from distributed_trf.results.attributes import study_of
from distributed_trf.trf.crossval import at_edges


def penalty_edges(ds: xr.Dataset) -> pd.DataFrame:
    """Count choices at the edges of the grid of penalties, one row per stimulus set and bin width.

    Parameters
    ----------
    ds
        Results of ``open_results``.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, bin_width; n, penalties chosen, one for each unit and fit; smallest and largest of the grid;
        first and last, how often they were chosen. Rows without any fit are left out, and all where the results carry
        no such settings or the grid has a single penalty.
    """
    rows = []
    penalties = _penalties(ds)
    for stimuli in ds[STIMULI].values if len(penalties) > 1 else []:
        for bin_width in ds[BIN_WIDTH].values:
            alpha = ds["alpha"].sel({STIMULI: stimuli, BIN_WIDTH: bin_width}).values
            first, last = at_edges(alpha, penalties)
            n = int((alpha > 0).sum())
            if n:
                rows.append((stimuli, bin_width, n, penalties[0], first, penalties[-1], last))
    return pd.DataFrame(rows, columns=["stimuli", "bin_width", "n", "smallest", "first", "largest", "last"])


def in_words(row: pd.Series) -> str:
    """Say of a row of ``penalty_edges`` what it counts."""
    return (
        f"chosen penalties: the smallest ({row['smallest']:g}) in {row['first'] / row['n']:.1%}, the largest "
        f"({row['largest']:g}) in {row['last'] / row['n']:.1%} of {row['n']} fits of a unit"
    )


def _penalties(ds: xr.Dataset) -> list[float]:
    """List the grid's penalties; none of imported results, or of settings that this version does not understand."""
    try:
        return RidgeSettings.model_validate((study_of(ds) or {})["ridge"]).penalties
    except (KeyError, pydantic.ValidationError):
        return []

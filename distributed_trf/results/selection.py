"""What a selection of units took away: as JSON in ``attrs["selection"]`` of the dataset, as a table and in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.results.open_results import unpacked

SELECTION, NOTE = "selection", "note"
"""Attributes of a dataset: what was selected, and what a reader must know of the result."""
COLUMNS = ["criterion", "value", "removes", "alone", "removed", "left"]


@dataclass(frozen=True)
class Criterion:
    """A condition on units."""

    name: str
    value: Any
    removes: str
    """What the units are that it removes, in words, such as ``not in core``."""
    meets: np.ndarray
    """Whether each unit meets it, of shape (units,), or (settings, units) where all of them count."""


def keep_units(ds: xr.Dataset, criteria: Sequence[Criterion]) -> xr.Dataset:
    """Keep the units that meet all conditions, and write down how many each of them removes.

    Parameters
    ----------
    ds
        Any dataset of units; what an earlier selection of them wrote down is carried on.
    criteria
        In the order in which they are to be told.

    Returns
    -------
    xarray.Dataset
        With ``attrs["selection"]``, JSON: ``units`` before any selection, and for each criterion its ``criterion``,
        ``value``, ``removes`` (in words), ``alone``, the number of units it removes on its own from those that the
        selection was given, and ``left``, how many were left after it and those before it. If none is left,
        ``attrs["note"]`` says so.
    """
    if not criteria:
        return ds
    told = selection_of(ds)
    n = ds.sizes[names.UNIT]
    if told and _left(told) != n:
        if _left(told) < n:  # of another dataset
            told = {}
        else:
            told["criteria"].append(_entry("other", None, "left out otherwise", _left(told) - n, n))
    told = told or {"units": n, "criteria": []}
    keep = np.ones(n, dtype=bool)
    for criterion in criteria:
        meets = criterion.meets.all(axis=0) if criterion.meets.ndim > 1 else criterion.meets
        keep &= meets
        told["criteria"].append(
            _entry(
                criterion.name,
                criterion.value,
                criterion.removes,
                int(np.count_nonzero(~meets)),
                int(np.count_nonzero(keep)),
            )
        )
    kept = ds.isel({names.UNIT: np.flatnonzero(keep)})
    kept = kept.assign_attrs({SELECTION: json.dumps(told, ensure_ascii=False)})
    return kept if keep.any() else with_note(kept, f"no unit is left: {selection_in_words(kept)}")


def with_note(ds: xr.Dataset, text: str) -> xr.Dataset:
    """Add a sentence to ``attrs["note"]``, once."""
    said = str(ds.attrs.get(NOTE, ""))
    return ds if text in said else ds.assign_attrs({NOTE: "; ".join(part for part in (said, text) if part)})


def selection_of(ds: xr.Dataset) -> dict[str, Any]:
    """Return what ``attrs["selection"]`` says; empty where no unit was selected."""
    told = unpacked({SELECTION: ds.attrs.get(SELECTION)})[SELECTION]
    return told if isinstance(told, dict) else {}


def selection_table(ds: xr.Dataset) -> pd.DataFrame:
    """List what removed units from a dataset, one row per criterion of ``select_units``, in its order.

    Parameters
    ----------
    ds
        What ``select_units`` returned.

    Returns
    -------
    pandas.DataFrame
        Columns criterion, value; removes, in words; alone, the units that the criterion removes on its own; removed,
        those that it removed beyond the ones before it; left, the units that remained. No row where nothing was
        selected.
    """
    told = selection_of(ds)
    before, rows = told.get("units", 0), []
    for entry in told.get("criteria", []):
        rows.append({**entry, "removed": before - entry["left"]})
        before = entry["left"]
    return pd.DataFrame(rows, columns=COLUMNS)


def selection_in_words(ds: xr.Dataset) -> str:
    """Say how many units there were, what each criterion removed beyond those before it, and how many are left.

    Returns
    -------
    str
        Such as ``1718 units: 1201 not highly tuned (delta 0.5), 40 not in core; 477 left``; empty where nothing was
        selected.
    """
    told = selection_of(ds)
    if not told:
        return ""
    parts = [f"{row['removed']} {row['removes']}" for _, row in selection_table(ds).iterrows()]
    return f"{told['units']} units: {', '.join(parts)}; {_left(told)} left"


def _entry(name: str, value: Any, removes: str, alone: int, left: int) -> dict[str, Any]:
    return {"criterion": name, "value": value, "removes": removes, "alone": alone, "left": left}


def _left(told: dict[str, Any]) -> int:
    return int(told["criteria"][-1]["left"] if told["criteria"] else told["units"])

"""What a selection of units took away: as JSON in ``attrs["selection"]`` of the dataset, as a table and in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names

SELECTION, NOTE = "selection", "note"
"""Attributes of a dataset: what was selected, and what a reader must know of the result."""
COLUMNS = ["criterion", "value", "removes", "alone", "removed", "left"]


Value = float | str | list[str] | list[float] | None


@dataclass(frozen=True)
class Criterion:
    """A condition on units."""

    name: str
    value: Value
    removes: str
    """What the units are that it removes, in words, such as ``not in core``."""
    meets: np.ndarray
    """Whether each unit meets it, of shape (units,), or (settings, units): then at all settings."""


class Told(TypedDict):
    """What is said of a criterion."""

    criterion: str
    value: Value
    removes: str
    alone: int
    left: int


class Selection(TypedDict):
    """What ``attrs["selection"]`` holds."""

    units: int
    criteria: list[Told]


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
    n = ds.sizes[names.UNIT]
    told = selection_of(ds)
    if told is None or _left(told) < n:  # it is of another dataset
        told = Selection(units=n, criteria=[])
    if _left(told) > n:
        told["criteria"].append(
            Told(criterion="other", value=None, removes="left out otherwise", alone=_left(told) - n, left=n)
        )
    keep = np.ones(n, dtype=bool)
    for criterion in criteria:
        meets = np.atleast_2d(criterion.meets).all(axis=0)
        keep &= meets
        alone, left = int(np.count_nonzero(~meets)), int(np.count_nonzero(keep))
        told["criteria"].append(
            Told(criterion=criterion.name, value=criterion.value, removes=criterion.removes, alone=alone, left=left)
        )
    kept = ds.isel({names.UNIT: np.flatnonzero(keep)})
    kept = kept.assign_attrs({SELECTION: json.dumps(told, ensure_ascii=False)})
    return kept if keep.any() else with_note(kept, f"no unit is left: {selection_in_words(kept)}")


def with_note(ds: xr.Dataset, text: str) -> xr.Dataset:
    """Add a sentence to ``attrs["note"]``, once."""
    said = str(ds.attrs.get(NOTE, ""))
    return ds if text in said else ds.assign_attrs({NOTE: "; ".join(part for part in (said, text) if part)})


def selection_of(ds: xr.Dataset) -> Selection | None:
    """Return what ``attrs["selection"]`` says; None where no unit was selected."""
    told = ds.attrs.get(SELECTION)
    found: Selection | None = None if told is None else json.loads(told)
    return found


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
    rows = []
    if told is not None:
        before = [told["units"], *(entry["left"] for entry in told["criteria"])]
        rows = [{**entry, "removed": n - entry["left"]} for n, entry in zip(before, told["criteria"], strict=False)]
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
    if told is None:
        return ""
    parts = [f"{row['removed']} {row['removes']}" for _, row in selection_table(ds).iterrows()]
    return f"{told['units']} units: {', '.join(parts)}; {_left(told)} left"


def _left(told: Selection) -> int:
    return told["criteria"][-1]["left"] if told["criteria"] else told["units"]

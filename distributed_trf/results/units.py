"""Units: chosen by how they respond and where they are, and found again in other results by session and channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.reliability.selection import benjamini_hochberg, highly_tuned, holm

CORRECTIONS = {"bh": benjamini_hochberg, "holm": holm}
"""Adjustments of p-values for the number of tests, by name."""
LOCATION = ("area", "subject", "session")


def select_units(
    ds: xr.Dataset,
    *,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    delta: float | None = None,
    tuned: float | None = None,
    correction: str | None = "bh",
    area: str | Sequence[str] | None = None,
    subject: str | Sequence[str] | None = None,
    session: str | Sequence[str] | None = None,
) -> xr.Dataset:
    """Keep the units that meet every given condition.

    Parameters
    ----------
    ds
        Results of ``open_results``, or of an analysis beside them.
    stimuli, bin_width
        At which stimulus sets and bin width (ms) units must be tuned; by default at all in the dataset. The dataset
        keeps the others.
    delta
        Highly tuned units, by the published rule: normaliser above zero and above ``null_mean + delta * null_std``
        (0.5 in Ahmed et al. 2025, 1.0 in their Figs S8 to S10).
    tuned
        Units whose p-value in the test by shifts is below this.
    correction
        Of those p-values for the number of units: ``bh`` (false discovery rate), ``holm`` (any false positive) or None.
    area, subject, session
        One label or several.

    Returns
    -------
    xarray.Dataset
        As ``ds`` with fewer units, in the same order; perhaps none.

    Raises
    ------
    DataError
        If a label is not in the dataset, or tuning is selected that was never measured.

    Examples
    --------
    >>> select_units(ds, stimuli="timit", delta=0.5, area="core")  # doctest: +SKIP
    """
    keep = np.ones(ds.sizes[names.UNIT], dtype=bool)
    for name, wanted in zip(LOCATION, (area, subject, session), strict=True):
        if wanted is not None:
            keep &= np.isin(ds[name].values, _known(ds, name, _listed(wanted)))
    if delta is not None or tuned is not None:
        of = _measured(ds, stimuli, bin_width)
        if delta is not None:
            keep &= highly_tuned(of["normaliser"], of["null_mean"], of["null_std"], delta).all(axis=0)
        if tuned is not None:
            adjust = correction_of(correction)
            p = of["tuned_p"] if adjust is None else np.stack([adjust(row) for row in of["tuned_p"]])
            keep &= (p < tuned).all(axis=0)
    return ds.isel({names.UNIT: np.flatnonzero(keep)})


def unit_keys(ds: xr.Dataset | xr.DataArray) -> pd.MultiIndex:
    """Return what identifies units in any results: (session, channel).

    Raises
    ------
    DataError
        If two units have the same.
    """
    keys = pd.MultiIndex.from_arrays([ds["session"].values, ds["channel"].values], names=["session", "channel"])
    doubled = keys[keys.duplicated()]
    if len(doubled):
        session, channel = doubled[0]
        raise DataError(
            f"unit {channel!r} of session {session!r} is there {(keys == doubled[0]).sum()} times; units must differ "
            "in (session, channel) to be paired"
        )
    return keys


def pair_units(a: xr.Dataset, b: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the units that both have, in the order of ``a``, found by (session, channel).

    Raises
    ------
    DataError
        If they have none in common, or one of them has a unit twice.
    """
    of_a, of_b = unit_keys(a), unit_keys(b)
    there = of_b.get_indexer(of_a)
    here = np.flatnonzero(there >= 0)
    if not here.size and len(of_a) and len(of_b):
        raise DataError(
            f"no unit is in both: one has {of_a[0]} and others, the other {of_b[0]}; units are the same where session "
            "and channel are"
        )
    return a.isel({names.UNIT: here}), b.isel({names.UNIT: there[here]})


def correction_of(name: str | None) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the adjustment of p-values of this name; None for none.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    if name is not None and name not in CORRECTIONS:
        raise DataError(f"correction {name!r} is not known; take {', '.join(CORRECTIONS)} or None")
    return CORRECTIONS[name] if name else None


def _measured(ds: xr.Dataset, stimuli: str | Sequence[str] | None, bin_width: float | None) -> dict[str, np.ndarray]:
    """Return measures of reliability where they decide, each of shape (stimulus sets and bin widths, units)."""
    wanted = {
        names.STIMULI: None if stimuli is None else _listed(stimuli),
        names.BIN_WIDTH: None if bin_width is None else [bin_width],
    }
    if "normaliser" not in ds:
        raise DataError("these results hold no reliability of units, so none of them is known to be tuned")
    of = ds[[name for name in names.RELIABILITY if name in ds]]
    for dim, labels in wanted.items():
        if labels is not None:
            labels = _known(ds, dim, labels)
            of = of.sel({dim: labels}) if dim in of.dims else of
    of = of.expand_dims([dim for dim in names.RELIABILITY_DIMS if dim not in of.dims])
    of = of.stack(setting=names.RELIABILITY_DIMS[:-1], create_index=False).transpose("setting", names.UNIT)
    values = {str(name): of[name].values for name in of.data_vars}
    for row, stimulus_set in zip(
        values["normaliser"], of.transpose("setting", ...)[names.STIMULI].values.tolist(), strict=True
    ):
        if row.size and np.isnan(row).all():
            raise DataError(
                f"no unit's reliability was measured for stimulus set {stimulus_set!r}; name others as `stimuli`, "
                "or run the study with `reliability`"
            )
    return values


def _known(ds: xr.Dataset, name: str, wanted: list[str] | list[float]) -> list[str] | list[float]:
    there = list(dict.fromkeys(np.atleast_1d(ds[name].values).tolist()))
    unknown = [label for label in wanted if label not in there]
    if unknown:
        raise DataError(f"{name}: {unknown[0]!r} is not in these results; there are {', '.join(map(str, there))}")
    return wanted


def _listed(labels: str | Sequence[str]) -> list[str]:
    return [labels] if isinstance(labels, str) else list(labels)

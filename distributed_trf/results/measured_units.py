"""Measures of units' responses at the stimulus sets and bin widths that decide which units are selected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.results.halves import FIRST_HALF

KNOWN_BY = {"ceiling_signal_power": "signal_power"}
"""Which variable tells whether a measure was made, where no unit may have it; of others they do themselves."""


class MeasuredUnits:
    """Measures of reliability, one row for each stimulus set and bin width that decides."""

    def __init__(self, ds: xr.Dataset, stimuli: str | Sequence[str] | None, bin_width: float | None) -> None:
        """Take the wanted part of results; by default all.

        Raises
        ------
        DataError
            If a stimulus set or a bin width is not in the dataset, or nothing of units was ever measured.
        """
        if not any(f"normaliser{half}" in ds for half in ("", FIRST_HALF)):
            raise DataError("these results hold no reliability of units, so none of them is known to be tuned")
        of = ds[[n for n, v in ds.data_vars.items() if {names.UNIT} <= set(v.dims) <= set(names.RELIABILITY_DIMS)]]
        wanted = {
            names.STIMULI: None if stimuli is None else listed(stimuli),
            names.BIN_WIDTH: None if bin_width is None else [bin_width],
        }
        for dim, labels in wanted.items():
            if labels is not None:
                labels = known_labels(ds, dim, labels)
                of = of.sel({dim: labels}) if dim in of.dims else of
        of = of.expand_dims([dim for dim in names.RELIABILITY_DIMS if dim not in of.dims])
        self._of = of.stack(setting=names.RELIABILITY_DIMS[:-1], create_index=False).transpose("setting", names.UNIT)
        self.bin_widths: np.ndarray = self._of[names.BIN_WIDTH].values
        """Milliseconds, of each row."""
        self.sets: list[str] = list(map(str, self._of[names.STIMULI].values))

    @property
    def of_sets(self) -> str:
        """The stimulus sets in words, as failing at any of them counts; empty where there is one."""
        sets = list(dict.fromkeys(self.sets))
        return f" for {' or '.join(sets)}" if len(sets) > 1 else ""

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a measure, of shape (stimulus sets and bin widths, units)."""
        if name not in self._of:
            raise DataError(f"these results hold no {name}; run the study with `reliability`, or select by another")
        values: np.ndarray = self._of[name].values
        return values

    def measured(self, name: str) -> np.ndarray:
        """Return a measure that decides.

        Raises
        ------
        DataError
            If it was not made of any unit at one of the stimulus sets.
        """
        values, told = self[name], self[KNOWN_BY.get(name, name)]
        for row, stimulus_set in zip(told, self.sets, strict=True):
            if row.size and np.isnan(row).all():
                what = "reliability was" if name == "normaliser" else f"{name} was"
                raise DataError(
                    f"no unit's {what} measured for stimulus set {stimulus_set!r}; name others as `stimuli`, "
                    "or run the study with `reliability`"
                )
        return values


def known_labels(ds: xr.Dataset, name: str, wanted: list[str] | list[float]) -> list[str] | list[float]:
    """Return labels as they are.

    Raises
    ------
    DataError
        If the dataset lacks one of them.
    """
    there = list(dict.fromkeys(np.atleast_1d(ds[name].values).tolist()))
    unknown = [label for label in wanted if label not in there]
    if unknown:
        raise DataError(
            f"{name}: {unknown[0]!r} is not in these results; there are {', '.join(map(str, there)) or 'none'}"
        )
    return wanted


def listed(labels: str | int | Sequence[str | int]) -> list[str]:
    """Return one label or several as a list of text; a whole number, such as a date, is taken as it is written.

    Raises
    ------
    DataError
        If it is neither.
    """
    several = [labels] if isinstance(labels, str | Integral) or not isinstance(labels, Iterable) else list(labels)
    other = [label for label in several if not isinstance(label, str | Integral)]
    if other:
        raise DataError(f"{other[0]!r} is no label: labels are text, such as {str(other[0])!r}")
    return [str(label) for label in several]

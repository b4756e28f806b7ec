"""Groups of units that are independent of each other, sessions or subjects: their means and weights.

Units of one session share an animal, a day and a recording site, so they are not independent samples; sessions are
closer to that, subjects closer still. All is done for many cells (layers, networks, ...) at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from distributed_trf.errors import DataError, counted
from distributed_trf.recordings.recording_set import UNKNOWN
from distributed_trf.results.layers import quantiles

Level = Literal["session", "subject", "unit"]
"""What tests take for independent samples."""
Summary = Literal["mean", "median"]
"""What a group is summed up by, over its units."""

WEIGHTS = "units that a {level} is worth, n / (1 + (n - 1) icc)"
EQUAL = "all units equal"
"""What groups weigh, in words."""


def group_of_units(ds: xr.Dataset, level: Level) -> np.ndarray:
    """Number the groups of units.

    Returns
    -------
    np.ndarray of shape (units,)
        0 to n_groups - 1; -1 for units of unknown subject.

    Raises
    ------
    DataError
        If the level is not known, or the dataset has no such labels.
    """
    if level not in ("session", "subject", "unit"):
        raise DataError(f"level {level!r} is not known; take session, subject or unit")
    if level == "unit":
        return np.arange(ds["session"].size)
    if level not in ds.coords:
        raise DataError(f"level {level!r}: units of this dataset have no coordinate {level!r}; take level='session'")
    labels = ds[level].values
    index = np.unique(labels, return_inverse=True)[1] if labels.size else np.zeros(0, dtype=int)
    return np.where(labels == UNKNOWN, -1, index) if level == "subject" else index


def count_groups(ds: xr.Dataset, label: Literal["session", "subject"], known: np.ndarray) -> np.ndarray:
    """Count the sessions or subjects that units with a number are of.

    Parameters
    ----------
    ds
        Has the units.
    label
        What to count.
    known
        Which units have a number, shape (cells, units).

    Returns
    -------
    np.ndarray of shape (cells,)
        NaN where there are none, or the dataset has no such labels.
    """
    if label not in ds.coords:
        return np.full(len(known), np.nan)
    return or_nan(np.count_nonzero(known.astype(np.float64) @ membership(group_of_units(ds, label)), axis=1))


def or_nan(count: np.ndarray) -> np.ndarray:
    """Write counts as numbers, none as NaN."""
    return np.where(count > 0, count, np.nan)


def membership(group: np.ndarray) -> np.ndarray:
    """Write group numbers as an array of ones and zeros, shape (units, groups)."""
    return (group[:, None] == np.arange(group.max(initial=-1) + 1)).astype(np.float64)


def unknown_subjects(group: np.ndarray, level: Level) -> list[str]:
    """Say how many units are of no known subject, and left out for it."""
    n = int(np.count_nonzero(group < 0))
    return [f"left out: {counted(n, 'unit')} of unknown {level}"] if n else []


@dataclass(frozen=True)
class Groups:
    """Numbers of units by group; where a group has none, zero."""

    worth: np.ndarray
    """Units that the mean of a group rests on, shape (cells, groups)."""
    mean: np.ndarray
    """Shape (cells, groups)."""
    centre: np.ndarray
    """Mean or median over units, shape (cells, groups)."""
    within: np.ndarray
    """Variance of units within groups, pooled, shape (cells,); zero where no group has two units."""

    @property
    def present(self) -> np.ndarray:
        """Whether a group has units, shape (cells, groups)."""
        return self.worth > 0

    @property
    def count(self) -> np.ndarray:
        """Groups of a cell that have units, shape (cells,)."""
        return np.count_nonzero(self.present, axis=1)

    @classmethod
    def of(cls, values: np.ndarray, group: np.ndarray, summary: Summary = "mean") -> Groups:
        """Sum up numbers of units.

        Parameters
        ----------
        values
            Shape (cells, units), NaN where there is none.
        group
            Of each unit, shape (units,); those of group -1 have no numbers.
        summary
            What ``centre`` is.
        """
        if summary not in ("mean", "median"):
            raise DataError(f"summary {summary!r} is not known; take mean or median")
        known = ~np.isnan(values)
        if np.array_equal(group, np.arange(group.size)):  # each unit is a group
            mean = np.where(known, values, 0)
            return cls(known.astype(np.float64), mean, mean, np.zeros(len(values)))
        to_group = membership(group)
        n = known.astype(np.float64) @ to_group
        mean = np.divide(np.where(known, values, 0) @ to_group, n, out=np.zeros_like(n), where=n > 0)
        away = np.where(known, values - mean[:, group] if mean.size else 0, 0)
        free = n.sum(axis=1) - np.count_nonzero(n, axis=1)
        within = np.divide((away**2).sum(axis=1), free, out=np.zeros(len(n)), where=free > 0)
        centre = mean
        if summary == "median":
            medians = [quantiles(values[:, group == k], [0.5])[0] for k in range(to_group.shape[1])]
            centre = np.nan_to_num(np.stack(medians, axis=1)) if medians else mean
        return cls(n, mean, centre, within)

    def icc_about_zero(self) -> np.ndarray:
        """Estimate the intraclass correlation by what stays the same if the signs of whole groups change.

        So weights made of it are the same for all signs, and the test that flips them is exact.

        Returns
        -------
        np.ndarray of shape (cells,)
            1 where all numbers are zero.
        """
        noise = np.divide(self.within[:, None], self.worth, out=np.zeros_like(self.worth), where=self.present)
        excess = np.where(self.present, self.mean**2 - noise, 0).sum(axis=1)
        between = np.maximum(excess, 0) / np.maximum(self.count, 1)
        return _share(between, self.within)

    def icc(self) -> np.ndarray:
        """Estimate the intraclass correlation by a one-way analysis of variance, clipped to 0 and 1.

        Returns
        -------
        np.ndarray of shape (cells,)
            1 where no group has two units, or no number differs from another: weights are then equal.

        Notes
        -----
        Donner (1986): (MSB - MSW) / (MSB + (n0 - 1) MSW), n0 = (N - sum n² / N) / (S - 1).
        """
        n, total = self.worth, np.maximum(self.worth.sum(axis=1), 1e-300)
        grand = (n * self.mean).sum(axis=1) / total
        others = np.maximum(self.count - 1, 1)
        mean_size = np.maximum((total - (n**2).sum(axis=1) / total) / others, 1e-300)
        of_means = (n * (self.mean - grand[:, None]) ** 2).sum(axis=1) / others
        return _share(np.maximum(of_means - self.within, 0) / mean_size, self.within)

    def weights(self, icc: np.ndarray) -> np.ndarray:
        """Compute how many independent units those of each group are worth, n / (1 + (n - 1) icc) (Kish 1965).

        Parameters
        ----------
        icc
            Of each cell, shape (cells,).

        Returns
        -------
        np.ndarray of shape (cells, groups)
            Zero where a group has no units.
        """
        inflation = 1 + (self.worth - 1) * icc[:, None]
        return np.divide(self.worth, inflation, out=np.zeros_like(self.worth), where=self.present)


def _share(between: np.ndarray, within: np.ndarray) -> np.ndarray:
    total = between + within
    return np.divide(between, total, out=np.ones_like(total), where=total > 0)

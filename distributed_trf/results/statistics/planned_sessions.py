"""The sessions that a test would have: how many units each, how much these vary, and how alike those of one are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DataError
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.results.layers import unit_values
from distributed_trf.results.statistics.groups import Groups, group_of_units

Sessions = xr.Dataset | xr.DataArray | StudySettings | Mapping[str, Sequence[int]] | Sequence[int]
"""What sessions can be taken from; see ``power``."""


@dataclass(frozen=True)
class PlannedSessions:
    """Sessions of one area, or of two that are compared."""

    units: tuple[tuple[int, ...], ...]
    """Units of each session, in ascending order, by area."""
    areas: tuple[str, ...]
    """Names of the areas; empty for one paired test over all sessions."""
    spread: float
    """Standard deviation over units of what is tested."""
    icc: float
    """Its intraclass correlation within sessions."""

    @property
    def count(self) -> int:
        """Number of sessions."""
        return sum(map(len, self.units))

    def scaled(self, sessions: int) -> tuple[tuple[int, ...], ...]:
        """Return the units of each session by area, if there were so many sessions.

        Sizes are the quantiles of those that there are, and areas have their shares; as many sessions as there are give
        those themselves.
        """
        shares = np.array([len(of) for of in self.units]) / self.count
        upper = np.round(np.cumsum(shares) * sessions).astype(int)
        counts = np.diff(upper, prepend=0)
        if not counts.all():
            raise DataError(f"sessions: {sessions} leave none for an area; take {2 * len(counts)} or more")
        return tuple(
            tuple(of[int((k + 0.5) * len(of) / n)] for k in range(n)) for of, n in zip(self.units, counts, strict=True)
        )


def plan_sessions(
    of: Sessions,
    *,
    areas: tuple[str, str] | None,
    variable: str,
    untrained: str,
    kept: float,
    spread: float | None,
    icc: float | None,
) -> PlannedSessions:
    """Find the sessions of data, of a study, or of a list; see ``power`` for the parameters.

    Raises
    ------
    DataError
        If there are no units, or spread and icc are neither known nor given.
    """
    if not 0 < kept <= 1:
        raise DataError(f"kept is {kept!r}; it is the part of the units that a selection keeps, above 0 and up to 1")
    estimated: tuple[float | None, float | None] = None, None
    if isinstance(of, xr.Dataset | xr.DataArray):
        values, sides = _values(of, areas, variable, untrained)
        units = [_counted(values[:, side], session) for side, session in sides]
        estimated = _estimated(values, sides)
    else:
        units = _listed(of, areas)
    units = [sorted(round(n * kept) for n in of_area if round(n * kept) > 0) for of_area in units]
    for name, of_area in zip(areas or ("",), units, strict=True):
        if not of_area:
            raise DataError(f"no session has a unit{f' in area {name!r}' if name else ''}; a test needs some")
    given: dict[str, float] = {}
    for name, value, found in zip(("spread", "icc"), (spread, icc), estimated, strict=True):
        chosen = found if value is None else value
        if chosen is None or np.isnan(chosen):
            raise DataError(f"{name} is not known without results of several sessions, some of several units; give it")
        given[name] = float(chosen)
    if not (given["spread"] > 0 and 0 <= given["icc"] <= 1):
        raise DataError(
            f"spread is {given['spread']:g} and icc {given['icc']:g}; expected a spread above 0 and an icc from 0 to 1"
        )
    return PlannedSessions(tuple(map(tuple, units)), areas or (), **given)


def _listed(
    of: StudySettings | Mapping[str, Sequence[int]] | Sequence[int], areas: tuple[str, str] | None
) -> list[list[int]]:
    """Return units of each session by area, from the recordings of a study or as given."""
    if isinstance(of, StudySettings):
        sessions = open_recordings(of.recordings.format, of.recordings.path).sessions
        return [[len(s.channels) for s in sessions if area is None or s.area == area] for area in (areas or (None,))]
    if isinstance(of, Mapping) != (areas is not None) or (isinstance(of, Mapping) and not set(areas or ()) <= set(of)):
        expected = f"a mapping of {areas[0]} and {areas[1]} to units per session" if areas else "units of each session"
        raise DataError(f"sessions are {of!r}; expected {expected}")
    return [list(of[area]) for area in areas or ()] if isinstance(of, Mapping) else [list(of)]


Side = tuple[np.ndarray, np.ndarray]
"""Positions of the units of an area, and the session of each, counted from 0."""


def _values(
    of: xr.Dataset | xr.DataArray, areas: tuple[str, str] | None, variable: str, untrained: str
) -> tuple[np.ndarray, list[Side]]:
    """Return what is tested, shape (cells, units), and the units of each area."""
    if isinstance(of, xr.Dataset):
        tested = unit_values(of, variable)
        if areas is None:
            known = np.atleast_1d(tested[names.WEIGHTS].values).tolist() if names.WEIGHTS in tested.coords else []
            if not {TRAINED, untrained} <= set(known):
                raise DataError(
                    f"weights are {', '.join(map(str, known)) or 'none'}; expected {TRAINED} and {untrained}, whose "
                    "differences are tested. Give the differences themselves to plan another comparison"
                )
            sides = [tested.sel({names.WEIGHTS: weights}, drop=True) for weights in (TRAINED, untrained)]
            tested = sides[0] - sides[1]
    elif names.UNIT in of.dims:
        tested = of.transpose(..., names.UNIT)
    else:
        raise DataError(f"dimensions are {', '.join(map(str, of.dims)) or 'none'}; expected {names.UNIT} among them")
    n_units = tested.sizes[names.UNIT]
    values = tested.values.reshape(tested.size // n_units if n_units else 1, n_units)
    session = group_of_units(tested.to_dataset(name="tested"), "session")
    area = tested["area"].values if areas else np.full(session.size, "")
    places = [np.flatnonzero(area == name) for name in areas or ("",)]
    return values, [(place, np.unique(session[place], return_inverse=True)[1]) for place in places]


def _counted(values: np.ndarray, session: np.ndarray) -> list[int]:
    """Count units that have a number in any cell, by session."""
    return np.bincount(session[~np.isnan(values).all(axis=0)]).tolist()


def _estimated(values: np.ndarray, sides: list[Side]) -> tuple[float, float]:
    """Estimate spread and icc within areas, the mean over cells and areas that have them; NaN where none has.

    The icc is that of a one-way analysis of variance, clipped at zero in each cell, so that it is rather too large.
    """
    variances, correlations = [], []
    for side, session in sides:
        of = values[:, side]
        of = of[np.count_nonzero(~np.isnan(of), axis=1) > 1]
        groups = Groups.of(of, session)
        several = (groups.count > 1) & (groups.worth.sum(axis=1) > groups.count)
        variances += np.nanvar(of, axis=1, ddof=1).tolist()
        correlations += groups.icc()[several].tolist()
    return (
        float(np.sqrt(np.mean(variances))) if variances else float("nan"),
        float(np.mean(correlations)) if correlations else float("nan"),
    )

"""Results of half of the test repeats, for units that are selected by the other half.

Units are usually selected by the repeats that ``r`` and ``rho`` are computed from. Of units that just pass, chance
helped some, and the same chance is in their numbers: ``r`` of selected units is too high and their normaliser still
more, so that ``rho`` is too low; the more so the weaker the units and the fewer the repeats. The noise of other repeats
is independent: ``r`` and normaliser in the second half of units that the first half chose have no such bias. They are
noisier, being over half the repeats, and ``rho`` of a unit, the ratio of the one to the root of the other, stays too
low where the normaliser is mostly noise.
"""

from __future__ import annotations

import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.results.open_results import with_rho
from distributed_trf.results.selection import with_note

FIRST_HALF, SECOND_HALF = "_first_half", "_second_half"
"""What the names of measures of half of the repeats end with."""
OF_TRAINING = ("alpha", names.FOLD_ALPHA, "cv_score")
"""What says nothing of the test repeats, unless a study tests its training stimuli in turn."""
REPEATS = "repeats"
"""Attribute of a dataset: which repeats its numbers are of, where it is not all."""


def check_halves(ds: xr.Dataset) -> None:
    """Make sure that results are known of halves of the test repeats.

    Raises
    ------
    DataError
        If they are not, or if units were already selected by one of the halves.
    """
    if REPEATS in ds.attrs:
        raise DataError(
            f"these results are of the {ds.attrs[REPEATS]} of the repeats already; give all conditions in one call of "
            "select_units with repeats='split', on the results as they were opened"
        )
    for name in (f"r{SECOND_HALF}", f"normaliser{FIRST_HALF}", f"normaliser{SECOND_HALF}"):
        if name not in ds or (ds[name].size and not ds[name].notnull().any()):
            raise DataError(
                f"{name} is {'not in these results' if name not in ds else 'NaN for all units'}, and repeats='split' "
                "needs it: test stimuli that were presented at least four times, and results that hold both halves, "
                "which older ones do not; run the study again (dtrf run STUDY; nothing is extracted again), or take "
                "repeats='all'"
            )


def second_half(ds: xr.Dataset, selected: xr.Dataset) -> xr.Dataset:
    """Make the results of selected units those of the second half of the test repeats: ``r``, ``normaliser``, ``rho``.

    Parameters
    ----------
    ds
        Results of all units.
    selected
        Those of them that were selected by the first half.

    Returns
    -------
    xarray.Dataset
        As ``selected``, with what is of training stimuli, and the measures of the first half. What is of all repeats is
        left out. ``attrs["repeats"]`` is ``second half``; ``attrs["note"]`` says how many units were not measured in
        halves, and how many selected ones have no ``rho`` for a normaliser that is not positive.
    """
    first = [name for name in selected.data_vars if str(name).endswith(FIRST_HALF)]
    found = selected[[name for name in (*OF_TRAINING, *first) if name in selected]]
    for name in ("r", "normaliser"):
        found[name] = selected[f"{name}{SECOND_HALF}"]
    texts = ["units were selected by the first half of the repeats, and r and rho are of the second"]
    if "normaliser" in ds:
        n = _units(ds["normaliser"].notnull() & ds[f"normaliser{FIRST_HALF}"].isnull())
        texts += [f"{n} units were presented test stimuli fewer than four times and have no halves"] if n else []
    n = _units(found["normaliser"] <= 0)
    texts += [f"{n} selected units have a normaliser that is not positive, and no rho"] if n else []
    found = with_rho(found).assign_attrs({REPEATS: "second half"})
    for text in texts:
        found = with_note(found, text)
    return found


def _units(of: xr.DataArray) -> int:
    """Count units for which something holds anywhere."""
    return int(of.any([dim for dim in of.dims if dim != names.UNIT]).sum())

"""Units: chosen by how they respond and where they are, and found again in other results by session and channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.reliability.selection import benjamini_hochberg, highly_tuned, holm
from distributed_trf.results.halves import FIRST_HALF, check_halves, second_half
from distributed_trf.results.measured_units import MeasuredUnits, known_labels, listed
from distributed_trf.results.selection import Criterion, keep_units

CORRECTIONS = {"bh": benjamini_hochberg, "holm": holm}
"""Adjustments of p-values for the number of tests, by name."""
CORRECTED = {"bh": "false discovery rate", "holm": "p corrected by Holm", None: "p"}
"""What a level is compared with, in words."""
LOCATION = {"area": "in", "subject": "of subject", "session": "of session"}


def select_units(
    ds: xr.Dataset,
    *,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    delta: float | None = None,
    tuned: float | None = None,
    correction: str | None = "bh",
    normaliser: float | None = None,
    ceiling: float | None = None,
    rate: float | None = None,
    area: str | Sequence[str] | None = None,
    subject: str | Sequence[str] | None = None,
    session: str | Sequence[str] | None = None,
    repeats: Literal["all", "split"] = "all",
) -> xr.Dataset:
    """Keep the units that meet every given condition.

    Parameters
    ----------
    ds
        Results of ``open_results``, or of an analysis beside them.
    stimuli, bin_width
        At which stimulus sets and bin width (ms) units must meet the conditions on their responses; by default at all
        in the dataset. The dataset keeps the others.
    delta
        Highly tuned units, by the published rule: normaliser above zero and above ``null_mean + delta * null_std``
        (0.5 in Ahmed et al. 2025, 1.0 in their Figs S8 to S10).
    tuned
        Units whose p-value in the test by shifts is below this.
    correction
        Of those p-values for the number of units: ``bh`` (false discovery rate), ``holm`` (any false positive) or None.
    normaliser
        Units whose inter-trial correlation is at least this, whatever its null: ``get_good_channels`` of the published
        code.
    ceiling
        Units whose ``ceiling_signal_power``, what a perfect model would reach in ``r``, is at least this.
    rate
        Units that fire at least so many spikes in a second, on average over the test stimuli.
    area, subject, session
        One label or several.
    repeats
        ``all``: units are selected by the same test repeats that ``r`` is computed from, as is usual, so that ``r`` of
        units that just pass is too high, by the noise that let them pass, and ``rho`` too low. ``split``: selected by
        half of the repeats, and the results are those of the other half; see Notes.

    Returns
    -------
    xarray.Dataset
        As ``ds`` with fewer units, in the same order; perhaps none, and then ``attrs["note"]`` says so.
        ``attrs["selection"]`` holds what each condition removed: ``selection_table``.

    Raises
    ------
    DataError
        If a label is not in the dataset, or a condition is no number, or on what was never measured, or not of half the
        repeats; if ``stimuli`` or ``bin_width`` is given and no condition on responses.

    Notes
    -----
    With ``repeats="split"`` conditions are on ``normaliser_first_half``, ``null_mean_first_half``,
    ``null_std_first_half`` and ``tuned_p_first_half``. In what is returned ``r`` is ``r_second_half``, ``normaliser``
    is ``normaliser_second_half`` and ``rho`` is of these two; ``alpha`` and ``cv_score``, which are of the training
    stimuli, stay, and so do the measures of the first half. All other variables are of all repeats and are left out.

    Examples
    --------
    >>> select_units(ds, stimuli="timit", delta=0.5, area="core")  # doctest: +SKIP
    """
    if repeats not in ("all", "split"):
        raise DataError(f"repeats={repeats!r} is not known; take 'all' or 'split'")
    half = FIRST_HALF if repeats == "split" else ""
    if half:
        check_halves(ds)
        if ceiling is not None or rate is not None:
            raise DataError(
                "ceilings and rates are of all repeats; with repeats='split' select by delta, tuned or normaliser"
            )
    conditions = {"delta": delta, "tuned": tuned, "normaliser": normaliser, "ceiling": ceiling, "rate": rate}
    _check_conditions(conditions, stimuli, bin_width)
    adjust = correction_of(correction)
    criteria = []
    if any(value is not None for value in conditions.values()):
        of = MeasuredUnits(ds, stimuli, bin_width)
        if delta is not None:
            null = (of[f"null_mean{half}"], of[f"null_std{half}"])
            kept = highly_tuned(of.measured(f"normaliser{half}"), *null, delta)
            criteria.append(Criterion("delta", float(delta), f"not highly tuned (delta {delta:g}){of.of_sets}", kept))
        if tuned is not None:
            p = of.measured(f"tuned_p{half}")
            p = p if adjust is None else np.stack([adjust(row) for row in p])
            words = f"not tuned (test by shifts, {CORRECTED[correction]} {tuned:g}){of.of_sets}"
            criteria.append(Criterion("tuned", float(tuned), words, p < tuned))
        for name, measure, least in (
            ("normaliser", f"normaliser{half}", normaliser),
            ("ceiling", "ceiling_signal_power", ceiling),
        ):
            if least is not None:
                words = f"of {name} below {least:g}{of.of_sets}"
                criteria.append(Criterion(name, float(least), words, of.measured(measure) >= least))
        if rate is not None:
            fast = of.measured("mean_response") >= rate * of.bin_widths[:, None] / 1000
            criteria.append(Criterion("rate", float(rate), f"below {rate:g} spikes/s{of.of_sets}", fast))
    for name, wanted in zip(LOCATION, (area, subject, session), strict=True):
        if wanted is not None:
            labels = known_labels(ds, name, listed(wanted))
            words = f"not {LOCATION[name]} {' or '.join(map(str, labels))}"
            criteria.append(Criterion(name, labels, words, np.isin(ds[name].values, labels)))
    selected = keep_units(ds, criteria)
    return second_half(ds, selected) if half else selected


def _check_conditions(
    conditions: dict[str, float | None], stimuli: str | Sequence[str] | None, bin_width: float | None
) -> None:
    """Make sure that conditions on responses are numbers, and that there is one where they are to be met."""
    given = {name: value for name, value in conditions.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, Real) or np.isnan(float(value)):
            raise DataError(f"{name} is {value!r}; expected a number")
    if not 0 < given.get("tuned", 0.5) <= 1:
        raise DataError(f"tuned is {given['tuned']!r}; expected a level above 0 and up to 1")
    for name, where in (("stimuli", stimuli), ("bin_width", bin_width)):
        if where is not None and not given:
            raise DataError(
                f"{name}={where!r} says where units must meet {', '.join(conditions)}, and none of these is given; "
                f"ds.sel({name}={where!r}) keeps the results of one alone"
            )


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

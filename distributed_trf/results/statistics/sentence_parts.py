"""Parts of the sentences on tests: what was tested, on how many units, what was found, and how it was tested."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.results.statistics.apa import (
    SMALL_P,
    below_one,
    counted,
    decimals,
    interval_in_words,
    least_in_words,
    p_in_words,
)

SIDES = {"greater": "one-sided", "less": "one-sided", "two-sided": "two-sided"}
CORRECTIONS = {"bh": "Benjamini-Hochberg", "holm": "Holm"}
EFFECTS = {False: "matched-pairs rank-biserial correlation over units", True: "rank-biserial correlation over units"}
"""What ``effect`` is in a test of pairs, and in one of two areas."""
FEWEST = 4
"""Sessions or subjects that an interval takes."""
UNTELLING = 0.05
"""A smallest possible p above this is always said."""


def place(cell: xr.Dataset) -> tuple[str, str]:
    """Write which network and layer, and which stimulus set and bin width, were tested; empty if that is not known."""
    known = (names.STIMULI, names.BIN_WIDTH, names.NETWORK, names.LAYER)
    at = {name: cell[name].item() for name in known if name in cell.coords and not cell[name].dims}
    layer = [f"layer {at[names.LAYER]}"] if names.LAYER in at else []
    network = [str(at[names.NETWORK])] if names.NETWORK in at else []
    setting = [str(at[names.STIMULI])] if names.STIMULI in at else []
    setting += [f"{float(at[names.BIN_WIDTH]):g} ms bins"] if names.BIN_WIDTH in at else []
    return " of ".join(layer + network), ", ".join(setting)


def beginning(cell: xr.Dataset) -> str:
    """Write what was tested as the beginning of a sentence, before an article; ``The`` alone if that is not known."""
    network, setting = place(cell)
    if not network and not setting:
        return "The"
    return f"For {network} ({setting}), the" if network and setting else f"For {network or setting}, the"


def units_in(cell: xr.Dataset, side: str = "") -> str:
    """Write how many units (values, where networks are pooled) of how many sessions or subjects there are.

    Parameters
    ----------
    cell
        One test.
    side
        ``_a`` or ``_b`` of two areas.
    """
    value = "value" if cell.attrs.get("pooled") else "unit"
    groups = counted(int(cell[f"n_{_group(cell)}s{side}"]), _group(cell))
    return f"{counted(int(cell[f'n{side}']), value)} in {groups}"


def found(cell: xr.Dataset) -> str:
    """Write difference, interval, statistic, p and effect of one test."""
    groups = [int(cell[name]) for name in _group_counts(cell)]
    low, high = float(cell["low"]), float(cell["high"])
    few = f" for {counted(min(groups), _group(cell))}" if min(groups) < FEWEST else ""
    parts = [decimals(float(cell[difference_name(cell)]))]
    parts.append(f"no confidence interval{few}" if np.isnan([low, high]).any() else interval_in_words(low, high))
    p = float(cell["p"])
    if np.isnan(p):
        return ", ".join([*parts, "not tested"])
    parts += [f"{_symbol(cell)} = {decimals(float(cell['statistic']), 2)}", p_in_words(p) + _how_small(cell, p, groups)]
    if "p_adjusted" in cell and correction_in_words(cell):
        parts.append(p_in_words(float(cell["p_adjusted"]), "adjusted p"))
    return ", ".join([*parts, f"r = {below_one(float(cell['effect']))}"])


def _how_small(cell: xr.Dataset, p: float, groups: list[int]) -> str:
    """Write where so few sessions or subjects allow no smaller p; of units there are enough."""
    least, these = float(cell["smallest_p"]), f"{' and '.join(map(str, groups))} {_group(cell)}s"
    if cell.attrs["level"] == "unit":
        return ""
    if np.isclose(p, least) and p >= SMALL_P:
        return f" (the smallest that {these} allow)"
    return f" (none below {least_in_words(least)} is possible with {these})" if least > UNTELLING else ""


def smallest_of_all(tests: xr.Dataset) -> float:
    """Return the smallest p that any of the tests could have; 0 if that is not known."""
    known = tests["smallest_p"].values[tests["smallest_p"].notnull().values]
    return float(known.min()) if known.size and tests.attrs["level"] != "unit" else 0.0


def how_tested(tests: xr.Dataset) -> str:
    """Write how was tested, once for all."""
    attrs = tests.attrs
    parts = [f"{attrs['test']}, {SIDES[attrs['alternative']]}"]
    if attrs.get("draws"):
        parts[0] += f", {attrs['draws']}" if attrs["draws"] == "exact" else f", {int(attrs['draws']):,} draws"
    if "p_adjusted" in tests:
        parts.append(f"p {correction_in_words(tests) or 'not adjusted for the number of tests'}")
    if attrs.get("pooled"):
        parts.append(f"pooled over {attrs['pooled']}")
    if attrs.get("interval"):
        parts.append(f"intervals: {attrs['interval']}")
    parts.append(f"r: {EFFECTS['area_a' in attrs]}")
    return f"Test: {'; '.join(parts)}."


def correction_in_words(tests: xr.Dataset) -> str:
    """Write how p-values were adjusted; nothing if they were not."""
    name = CORRECTIONS.get(str(tests.attrs.get("correction")), "")
    sizes = sorted({int(n) for n in np.ravel(tests["family"].values) if n > 0}) if name else []
    return f"adjusted by {name} over the {' or '.join(map(str, sizes))} tests of a network" if name else ""


def summary(tests: xr.Dataset) -> str:
    """Write what the differences are that ``difference_name`` names."""
    if tests.attrs["level"] == "unit":
        return "median"
    return "mean" if tests.attrs.get("summary", "mean") == "mean" else f"mean over {_group(tests)}s of the median"


def difference_name(tests: xr.Dataset) -> str:
    """Return which variable the difference is in: over units their median, else the mean over sessions or subjects."""
    return "median_difference" if tests.attrs["level"] == "unit" and "median_difference" in tests else "difference"


def _group(tests: xr.Dataset) -> str:
    return "subject" if tests.attrs["level"] == "subject" else "session"


def _group_counts(tests: xr.Dataset) -> list[str]:
    of = f"n_{_group(tests)}s"
    return [of] if of in tests else [f"{of}_a", f"{of}_b"]


def _symbol(tests: xr.Dataset) -> str:
    if tests.attrs["level"] == "unit":
        return "U" if "area_a" in tests.attrs else "W"
    return "t" if "area_a" in tests.attrs else "T"

"""Parts of the sentences on tests: what was tested, on how many units, what was found, and how it was tested."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import counted
from distributed_trf.results.statistics.apa import (
    SMALL_P,
    below_one,
    decimals,
    interval_in_words,
    least_in_words,
    p_in_words,
)
from distributed_trf.results.statistics.intervals import LEAST
from distributed_trf.results.statistics.permutations import EXACT

SIDES = {"greater": "one-sided", "less": "one-sided", "two-sided": "two-sided"}
CORRECTIONS = {"bh": "Benjamini-Hochberg", "holm": "Holm"}
EFFECTS = {False: "matched-pairs rank-biserial correlation over units", True: "rank-biserial correlation over units"}
"""What ``effect`` is in a test of pairs, and in one of two areas."""
UNTELLING = 0.05
"""A smallest possible p above this is always said."""


def place(cell: xr.Dataset) -> tuple[str, str]:
    """Write which network, weights and layer, and which stimulus set and bin width, were tested; empty if not known."""
    known = (names.STIMULI, names.BIN_WIDTH, names.NETWORK, names.WEIGHTS, names.LAYER)
    at = {name: cell[name].item() for name in known if name in cell.coords and not cell[name].dims}
    layer = [f"layer {at[names.LAYER]}"] if names.LAYER in at else []
    weights = [f"{at[names.WEIGHTS]} weights"] if names.WEIGHTS in at else []
    network = [" ".join([str(at[names.NETWORK]), *weights])] if names.NETWORK in at else weights
    setting = [str(at[names.STIMULI])] if names.STIMULI in at else []
    setting += [f"{float(at[names.BIN_WIDTH]):g} ms bins"] if names.BIN_WIDTH in at else []
    return " of ".join(layer + network), ", ".join(setting)


def beginning(cell: xr.Dataset) -> str:
    """Write what was tested as the beginning of a sentence, before an article; ``The`` alone if that is not known."""
    network, setting = place(cell)
    if not network and not setting:
        return "The"
    return f"For {network} ({setting}), the" if network and setting else f"For {network or setting}, the"


def _units_in(cell: xr.Dataset, side: str = "") -> str:
    """Write how many units of how many sessions or subjects there are."""
    n, groups = (int(cell[of].fillna(0)) for of in (f"n_units{side}" if side else "n", f"n_{_group(cell)}s{side}"))
    return f"{counted(n, 'unit')} in {counted(groups, _group(cell))}"


def sizes_in_words(cell: xr.Dataset) -> str:
    """Write how many units of how many sessions a test is of, of two areas one after the other."""
    if "n" in cell:
        return _units_in(cell)
    sides = (("_a", cell.attrs["area_a"]), ("_b", cell.attrs["area_b"]))
    return ", ".join(f"{_units_in(cell, side)} of {area}" for side, area in sides)


def most_units(tests: xr.Dataset) -> xr.Dataset:
    """Return the test that is of the most units."""
    n = tests["n" if "n" in tests else "n_a"].fillna(0)
    at = np.unravel_index(int(np.argmax(n.values)), n.shape)
    return tests.isel(dict(zip(n.dims, map(int, at), strict=True)))


def found(cell: xr.Dataset) -> str:
    """Write difference, interval, statistic, p and effect of one test."""
    groups = [int(cell[name]) for name in _group_counts(cell)]
    low, high = float(cell["low"]), float(cell["high"])
    few = f" for {counted(min(groups), _group(cell))}" if min(groups) < LEAST and cell.attrs["level"] != "unit" else ""
    difference = float(cell["difference"])
    parts = ["not known" if np.isnan(difference) else decimals(difference)]
    parts.append(f"no confidence interval{few}" if np.isnan([low, high]).any() else interval_in_words(low, high))
    p = float(cell["p"])
    if np.isnan(p):
        return ", ".join([*parts, "not tested"])
    parts += [_statistic(cell), p_in_words(p) + _how_small(cell, p, groups)]
    if "p_adjusted" in cell and correction_in_words(cell):
        parts.append(p_in_words(float(cell["p_adjusted"]), "adjusted p"))
    return ", ".join([*parts, f"r = {below_one(float(cell['effect']))}"])


def _how_small(cell: xr.Dataset, p: float, groups: list[int]) -> str:
    """Write where so few sessions or subjects allow no smaller p; of units there are enough."""
    one = max(groups) == 1
    least, these = float(cell["smallest_p"]), f"{' and '.join(map(str, groups))} {_group(cell)}{'s' * (not one)}"
    if cell.attrs["level"] == "unit":
        return ""
    if np.isclose(p, least) and p >= SMALL_P:
        return f" (the smallest that {these} allow{'s' * one})"
    return f" (none below {least_in_words(least)} is possible with {these})" if least > UNTELLING else ""


def smallest_of_all(tests: xr.Dataset) -> float:
    """Return the smallest p that any of the tests could have; 0 if that is not known."""
    known = tests["smallest_p"].values[tests["smallest_p"].notnull().values]
    return float(known.min()) if known.size and tests.attrs["level"] != "unit" else 0.0


def name_of_test(tests: xr.Dataset) -> str:
    """Write the name of the test, on how many sides, by which permutations, and how p was adjusted."""
    attrs = tests.attrs
    parts = [str(attrs["test"]), SIDES[attrs["alternative"]]]
    if attrs["level"] != "unit":
        parts.append(EXACT if attrs["draws"] == EXACT else f"{int(attrs['draws']):,} draws")
    if attrs.get("pooled"):
        parts.append(f"pooled over {attrs['pooled']}")
    if "p_adjusted" in tests:
        parts.append(f"p {correction_in_words(tests) or 'not adjusted for the number of tests'}")
    return ", ".join(parts)


def how_tested(tests: xr.Dataset) -> str:
    """Write how was tested, and what intervals and effects are, once for all."""
    interval = f"intervals: {tests.attrs['interval']}; " if tests.attrs.get("interval") else ""
    return f"Test: {name_of_test(tests)}; {interval}r: {EFFECTS['area_a' in tests.attrs]}."


def correction_in_words(tests: xr.Dataset) -> str:
    """Write how p-values were adjusted; nothing if they were not."""
    name = CORRECTIONS.get(str(tests.attrs.get("correction")), "")
    sizes = [int(n) for n in np.ravel(tests["family"].values) if n > 0] if name else []
    many = f"{min(sizes)} to {max(sizes)} " if len(set(sizes)) > 1 else f"{sizes[0]} " if sizes else ""
    return f"adjusted by {name} over the {many}tests of a network" if name else ""


def summary(tests: xr.Dataset) -> str:
    """Write what ``difference`` is: over units, or over sessions or subjects, of what sums up their units."""
    of_units = tests.attrs["level"] == "unit" or tests.attrs["summary"] == "mean"
    return "mean" if of_units else f"mean over {tests.attrs['level']}s of the median"


def _group(tests: xr.Dataset) -> str:
    return "subject" if tests.attrs["level"] == "subject" else "session"


def _group_counts(tests: xr.Dataset) -> list[str]:
    of = f"n_{_group(tests)}s"
    return [of] if of in tests else [f"{of}_a", f"{of}_b"]


def _statistic(cell: xr.Dataset) -> str:
    """Write the statistic: t is studentised, T the sum of session means whose signs are flipped, W and U sum ranks."""
    value, between_areas = float(cell["statistic"]), "area_a" in cell.attrs
    if cell.attrs["level"] == "unit":
        return f"{'U' if between_areas else 'W'} = {f'{value:,.1f}'.removesuffix('.0')}"
    flipped = not between_areas or str(cell.attrs["test"]).startswith("sign flips")
    return f"{'T' if flipped else 't'} = {decimals(value, 2)}"

"""Tests in words: the sentences that a paper needs of what ``compare`` and the tests made of it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError, counted
from distributed_trf.results.statistics.apa import (
    SMALL_P,
    below_one,
    decimals,
    least_in_words,
    level_in_words,
    listed,
    p_in_words,
)
from distributed_trf.results.statistics.cutoffs import LOWPASS_BIN
from distributed_trf.results.statistics.layer_tests import AGAINST, UNTRAINED
from distributed_trf.results.statistics.sentence_parts import (
    beginning,
    correction_in_words,
    found,
    how_tested,
    most_units,
    place,
    sizes_in_words,
    smallest_of_all,
    summary,
)


def describe(tests: xr.Dataset, *, a: str = "a", b: str = "b") -> str:
    """Write what tests found in the sentences of a paper, in the style of the APA (7th ed.), italics aside.

    Parameters
    ----------
    tests
        What ``compare``, ``layer_tests``, ``compare_areas`` or ``cutoff_tests`` returns, or part of it.
    a, b
        What ``compare`` was given, in words, such as ``trained weights``.

    Returns
    -------
    str
        A sentence a line: one for each test, but one for all layers of a network that ``layer_tests`` tested against
        the same and one for all cut-offs; then one on how was tested, and the tests' own note where they have one.
        Differences are signed, and have their interval, the statistic, p, the effect size, and how many units of how
        many sessions (or subjects) they are of. Where there is no interval, or p is the smallest that so few sessions
        allow, it says so.

    Raises
    ------
    DataError
        If this is no dataset of these functions.

    Examples
    --------
    >>> print(describe(compare(trained, reset), a="trained weights", b="reset weights"))  # doctest: +SKIP
    The mean difference in rho (trained weights minus reset weights) was 0.031, 95% CI [0.012, 0.050], T = 0.19, p = ...
    """
    return "\n".join([*sentences_on(tests, a, b), *remarks_on(tests)])


def sentences_on(tests: xr.Dataset, a: str = "a", b: str = "b") -> list[str]:
    """Write the sentences of ``describe`` on what was found, without how it was tested.

    Raises
    ------
    DataError
        If this is no dataset of tests.
    """
    lacking = [name for name in ("p", "smallest_p", "effect") if name not in tests]
    if lacking or "level" not in tests.attrs:
        raise DataError(
            f"tests: {lacking[0] if lacking else 'level'!r} is not in this dataset; take one that compare, "
            "layer_tests, compare_areas or cutoff_tests returns"
        )
    if names.WEIGHTS in tests.coords and not tests[names.WEIGHTS].dims and "area_a" not in tests.attrs:
        tests = tests.drop_vars(names.WEIGHTS)  # those of the first of two that are compared
    if LOWPASS_BIN in tests.dims and "as_good" in tests:
        sentences = [_of_cutoffs(cell) for cell in _cells(tests, keep=LOWPASS_BIN)]
    elif AGAINST in tests.coords and "p_adjusted" in tests:
        sentences = [_of_layers(cell) for cell in _cells(tests, keep=names.LAYER)]
    elif "area_a" in tests.attrs:
        sentences = [_of_areas(cell) for cell in _cells(tests)]
    else:
        sentences = [_of_pairs(cell, a, b) for cell in _cells(tests)]
    return sentences or ["No test could be made: no unit has the numbers that it takes."]


def remarks_on(tests: xr.Dataset) -> list[str]:
    """Write how was tested, what was left out, and the note of the tests."""
    notes = [str(tests.attrs[name]).strip().rstrip(".") for name in ("left_out", "note") if tests.attrs.get(name)]
    return [how_tested(tests), *(f"{note[:1].upper()}{note[1:]}." for note in notes)]


def _cells(tests: xr.Dataset, keep: str | None = None) -> Iterator[xr.Dataset]:
    """Take tests one by one, or in runs along a dimension; those that no unit is of are left out."""
    dims = [dim for dim in tests["p"].dims if dim != keep]
    for index in np.ndindex(*(tests.sizes[dim] for dim in dims)):
        cell = tests.isel(dict(zip(dims, index, strict=True)))
        if bool((cell["n" if "n" in cell else "n_a"] > 0).any()):
            yield cell


def _of_pairs(cell: xr.Dataset, a: str, b: str) -> str:
    """Write a sentence on one test of pairs."""
    difference = f"{summary(cell)} difference in {cell.attrs['variable']} ({a} minus {b})"
    return f"{beginning(cell)} {difference} was {found(cell)} ({sizes_in_words(cell)})."


def _of_areas(cell: xr.Dataset) -> str:
    """Write a sentence on one test of two areas."""
    a, b = (str(cell.attrs[name]) for name in ("area_a", "area_b"))
    difference = f"{summary(cell)} difference in {cell.attrs['variable']} ({b} minus {a})"
    return f"{beginning(cell)} {difference} was {found(cell)} ({sizes_in_words(cell)})."


def _of_layers(cell: xr.Dataset) -> str:
    """Write a sentence on the layers of a network, or on one of them, against what they are tested against."""
    other = (
        f"{cell.attrs['untrained']} weights" if cell[AGAINST].item() == UNTRAINED else f"the {cell.attrs['baseline']}"
    )
    if names.LAYER not in cell.dims:
        return _of_pairs(cell, "trained weights", other)
    of = cell.isel({names.LAYER: np.flatnonzero(cell["n"].values > 0)})
    adjusted = "adjusted p" if correction_in_words(of) else "p"
    network, setting = place(of)
    layers = f"{counted(of.sizes[names.LAYER], 'layer')}{network and f' of {network}'}{setting and f' ({setting})'}"
    higher = f"higher {of.attrs['variable']} with trained weights than with {other}"
    limit = f"{adjusted} < {level_in_words(float(of.attrs['alpha']))}"
    sizes = sizes_in_words(most_units(of))
    reach = smallest_of_all(of)
    if reach >= float(of.attrs["alpha"]):
        possible = f"no p below {least_in_words(reach)} is possible"
        return f"None of the {layers} could be shown to have {higher} at {limit}, as {possible} ({sizes})."
    better = of.isel({names.LAYER: np.flatnonzero(of["significant"].values)})
    if not better.sizes[names.LAYER]:
        least = p_in_words(float(of["p_adjusted"].min()), adjusted)
        return f"None of the {layers} had significantly {higher} at {limit}; the smallest was {least} ({sizes})."
    differences = _range(better["difference"].values, decimals, f"{summary(of)} difference")
    largest, effects = _extreme(better["p_adjusted"].values, "largest", adjusted), better["effect"].values
    return (
        f"Of the {layers}, {better.sizes[names.LAYER]} had significantly {higher} at {limit}: "
        f"{_layers([int(k) for k in better[names.LAYER].values])}, {differences}, {largest}, "
        f"{_range(effects, below_one, 'r')} ({sizes})."
    )


def _of_cutoffs(cell: xr.Dataset) -> str:
    """Write a sentence on the cut-offs of a fit: the best, those that do not differ from it, and those that do."""
    of = cell.isel({LOWPASS_BIN: np.flatnonzero(cell["median"].notnull().values)})
    variable, alpha = of.attrs["variable"], float(of.attrs["alpha"])
    is_best, good = of["is_best"].values, of["as_good"].values
    best, others = of.isel({LOWPASS_BIN: int(is_best.argmax())}), of.isel({LOWPASS_BIN: np.flatnonzero(~is_best)})
    sizes = sizes_in_words(most_units(of))
    text = (
        f"{beginning(of)} best of {counted(of.sizes[LOWPASS_BIN], 'cut-off')} by median {of.attrs.get('by', variable)} "
        f"was {float(best['cutoff']):g} Hz, with a median {variable} of {decimals(float(best['median']))}"
    )
    reach = smallest_of_all(others)
    if reach >= alpha:
        possible = f"no p below {least_in_words(reach)} is possible"
        return f"{text}; none of the others could be told from it, as {possible} ({sizes})."
    for these, words, which in (
        (good, f"did not differ significantly from it at p < {level_in_words(alpha)}", "smallest"),
        (~good & ~is_best, "did", "largest"),
    ):
        if these.any():
            hertz = listed([f"{cutoff:g}" for cutoff in of["cutoff"].values[these]])
            text += f"; {hertz} Hz {words} ({_extreme(of['p'].values[these], which)})"
    return f"{text} ({sizes})."


def _range(values: np.ndarray, write: Callable[[float], str], name: str) -> str:
    """Write the least and the greatest of several numbers, or the only one."""
    low, high = write(float(np.min(values))), write(float(np.max(values)))
    return f"{name} = {low}" if low == high else f"{name} between {low} and {high}"


def _extreme(p: np.ndarray, which: str, name: str = "p") -> str:
    """Write the largest or smallest of several p-values, or the only one."""
    of = float(np.max(p) if which == "largest" else np.min(p))
    words = p_in_words(of, name)
    return words if p.size == 1 or (which == "largest" and of < SMALL_P) else f"{which} {words}"


def _layers(numbers: list[int]) -> str:
    """Write layers, those that follow one another as a range."""
    runs: list[list[int]] = []
    for k in numbers:
        if runs and k == runs[-1][-1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    words = [word for run in runs for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    return f"layer{'s' if len(numbers) > 1 else ''} {listed(words)}"

"""Which tests figures show, over sessions by default or over units as published, and how their notes tell of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import xarray as xr

from distributed_trf.errors import DataError
from distributed_trf.figures.style import SYMBOL
from distributed_trf.results.layers import CHOOSER
from distributed_trf.results.plotted_units import PlottedUnits
from distributed_trf.results.statistics.apa import least_in_words
from distributed_trf.results.statistics.groups import Level
from distributed_trf.results.statistics.sentence_parts import (
    most_units,
    name_of_test,
    sizes_in_words,
    smallest_of_all,
)

Tests = Literal["default", "published"]
"""``default``: over sessions, and best layers are chosen on training folds; ``published``: over units, and best layers
are chosen by the number that is tested."""
SAID_OTHERWISE = ("no interval", "no p can be below")
"""What notes of tests say of intervals, which marks have none of, and of the smallest p, which stands beside n."""


def level_of(tests: Tests) -> Level:
    """Return what counts as independent.

    Raises
    ------
    DataError
        If there are no such tests.
    """
    if tests not in ("default", "published"):
        raise DataError(f"tests: {tests!r} is not known; take 'default' or 'published'")
    return "session" if tests == "default" else "unit"


def chosen_by(plotted: PlottedUnits, tests: Tests, published: str | None = None) -> str:
    """Return the number by which the best of several layers is chosen.

    Parameters
    ----------
    plotted
        The units.
    tests
        Which tests are shown.
    published
        What chose in the published figure; by default the number that is shown.

    Raises
    ------
    DataError
        If there are no such tests.
    """
    return (
        plotted.chooser if level_of(tests) == "session" and not plotted.chooser_note else published or plotted.variable
    )


def choice_note(plotted: PlottedUnits, by: str, tests: Tests, what: str = "best layers") -> str:
    """Say what chose the best or preferred layers, and why it is not the number of training folds."""
    if tests == "default" and plotted.chooser_note:
        return plotted.chooser_note
    symbol = SYMBOL[by]
    if by != CHOOSER:
        return f"{what}: by {symbol}, as published"
    if plotted.choice_is_independent:
        return f"{what}: by {symbol}, in which test sounds have no part"
    return f"{what}: by {symbol} of training folds, which hold sounds that other splits test"


def can_be_significant(tests: xr.Dataset, alpha: float) -> bool:
    """Return whether any p could be below alpha, whatever the numbers were."""
    return smallest_of_all(tests) < alpha and bool(tests["p"].notnull().any())


def notes_on_tests(mark: str, stimuli: str, tests: Iterable[xr.Dataset], alpha: float) -> list[str]:
    """Say how the marks of a figure were tested, of how many units and sessions, and where none is possible.

    Parameters
    ----------
    mark
        What the figure has where a test is significant, such as ``stars``.
    stimuli
        Stimulus set.
    tests
        Datasets of tests of the same units.
    alpha
        Level of the marks.
    """
    notes: list[str] = []
    for of in tests:
        sizes, least = sizes_in_words(most_units(of)), smallest_of_all(of)
        possible = f"no p below {least_in_words(least)} is possible" if least else ""
        if can_be_significant(of, alpha):
            adjusted = "" if "p_adjusted" in of else ", p not adjusted for the number of tests"
            notes += [f"{mark}: {name_of_test(of)}{adjusted}", f"{stimuli}: {sizes}{possible and ', ' + possible}"]
        else:
            notes.append(f"{stimuli}: no {mark}, as {possible or 'no test could be made'} ({sizes})")
        notes += [part for part in of.attrs["note"].split("; ") if not any(words in part for words in SAID_OTHERWISE)]
    return list(dict.fromkeys(notes))

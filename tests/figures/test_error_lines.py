"""Intervals over bars: caps at their ends, none where they are open, nothing where they are not known."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.figures.panels.error_lines import interval_line, interval_notes
from distributed_trf.figures.style import new_figure


def drawn(low, high, height=0.5):
    """The line, the places of its caps, and the limits of the panel, of one bar."""
    axis = new_figure(3.0, 2.0).subplots()
    axis.bar(0, height)
    interval_line(axis, 0, height, low, high)
    lines = [of for of in axis.get_children() if getattr(of, "get_label", str)() == "_interval"]
    caps = [y for of in axis.lines if of.get_label() == "_ends" for y in of.get_ydata()]
    axis.figure.draw_without_rendering()
    return (lines[0].get_ydata() if lines else None), caps, axis.get_ylim()


def test_interval_line__has_a_cap_at_both_ends():
    line, caps, _ = drawn(0.4, 0.8)
    assert line == [0.4, 0.8]
    assert caps == [0.4, 0.8]


@pytest.mark.parametrize(("low", "high", "end"), [(-np.inf, 0.6, [0.6]), (0.4, np.inf, [0.4]), (-np.inf, np.inf, [])])
def test_interval_line__leaves_the_panel_without_a_cap_where_it_is_open(low, high, end):
    line, caps, (bottom, top) = drawn(low, high)
    assert caps == end
    assert (line[0] < bottom) == np.isinf(low)
    assert (line[1] > top) == np.isinf(high)
    assert top < 1  # limits are those of the bars


def test_interval_line__is_not_there_where_it_is_not_known():
    assert drawn(np.nan, np.nan)[:2] == (None, [])


def test_interval_notes__say_what_whiskers_are_and_which_are_open_or_not_there():
    usual = "whiskers of bars: 95% intervals of these medians, over sessions"
    assert interval_notes([(0.1, 0.2)], [6]) == [usual]
    assert interval_notes([(0.1, np.inf), (0.1, 0.2)], [5, 6]) == [
        usual,
        "a whisker without a cap is open: so few sessions do not bound the median there",
    ]
    assert interval_notes([(np.nan, np.nan)] * 2, [3, 1]) == ["no whisker of a median over 1 session: it takes four"]
    assert interval_notes([(np.nan, np.nan), (0.1, 0.2)], [3, 4])[1:] == [
        "no whisker of a median over 3 sessions: it takes four"
    ]

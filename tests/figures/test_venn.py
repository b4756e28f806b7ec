"""Circles in proportion, against areas that are counted on a grid of points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.figures.panels.venn import Circles, lens_area, lens_distance, place


def counted(circles: Circles, members, grid=1500) -> float:
    """The area that some circles have in common."""
    low = (circles.centre - circles.radius[:, None]).min(axis=0)
    high = (circles.centre + circles.radius[:, None]).max(axis=0)
    steps = (high - low) / grid
    x, y = (low[k] + (np.arange(grid) + 0.5) * steps[k] for k in (0, 1))
    inside = [
        np.hypot(x[None, :] - circles.centre[k, 0], y[:, None] - circles.centre[k, 1]) < circles.radius[k]
        for k in members
    ]
    return float(np.all(inside, axis=0).sum() * steps.prod())


@given(a=st.floats(0.1, 3), b=st.floats(0.1, 3), part=st.floats(0, 1))
@settings(max_examples=40)
def test_distance__gives_the_area_back(a, b, part):
    area = part * np.pi * min(a, b) ** 2
    assert lens_area(lens_distance(area, a, b), a, b) == pytest.approx(area, rel=1e-6, abs=1e-6)


def test_lens__of_known_circles():
    assert lens_area(2.0, 1.0, 1.0) == lens_area(3.0, 1.0, 1.0) == 0.0
    assert lens_area(0.5, 2.0, 1.0) == pytest.approx(np.pi)
    assert lens_area(1.0, 1.0, 1.0) == pytest.approx(2 * np.pi / 3 - 3**0.5 / 2)
    assert lens_distance(-0.1, 1.0, 2.0) == 3.0
    assert lens_distance(99.0, 1.0, 2.0) == 1.0


def test_three_circles__have_the_areas_of_spaces_and_of_pairs():
    parts = {(0,): 0.2, (1,): 0.1, (2,): 0.15, (0, 1): 0.06, (0, 2): 0.05, (1, 2): 0.04, (0, 1, 2): 0.03}
    circles = place(parts, 3)
    for members in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]:
        wanted = sum(area for part, area in parts.items() if set(members) <= set(part))
        assert counted(circles, members) == pytest.approx(wanted, rel=5e-3), members


def test_parts_below_zero__count_as_none_and_nothing_at_all_can_be_drawn():
    parts = {(0,): 0.2, (1,): -0.1, (0, 1): -0.05}
    circles = place(parts, 2)
    np.testing.assert_allclose(np.pi * circles.radius**2, [0.2, 0.0], atol=1e-12)
    assert np.isfinite(place(dict.fromkeys(parts, 0.0), 2).centre).all()
    assert np.isfinite(place(dict.fromkeys([(0,), (1,), (2,)], -0.1), 3).centre).all()


def test_circles_without_a_triangle__are_as_near_as_can_be():
    """Two that are apart, and a third that is within both: no such circles are there."""
    circles = place({(0,): 1.0, (1,): 1.0, (2,): 0.0, (0, 2): 0.05, (1, 2): 0.05}, 3)
    np.testing.assert_allclose(np.pi * circles.radius**2, [1.05, 1.05, 0.1])
    assert np.isfinite(circles.centre).all()
    assert counted(circles, (0, 2)) > 0

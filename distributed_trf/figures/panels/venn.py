"""Circles whose areas and overlaps are in proportion to what two or three things have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import scipy

from distributed_trf.figures.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = tuple[int, ...]
"""Indices of the circles that a part is in and that no other is."""


@dataclass(frozen=True)
class Circles:
    """Where circles are."""

    centre: np.ndarray
    """Shape (n, 2)."""
    radius: np.ndarray
    """Shape (n,)."""


def lens_area(distance: float, a: float, b: float) -> float:
    """Return the area that two circles of radii a and b have in common."""
    if distance >= a + b:
        return 0.0
    if distance <= abs(a - b):
        return float(np.pi * min(a, b) ** 2)
    # Two segments, cut off by the chord at which the circles meet; u and v are half of the angles that they span.
    u = np.arccos((distance**2 + a**2 - b**2) / (2 * distance * a))
    v = np.arccos((distance**2 + b**2 - a**2) / (2 * distance * b))
    return float(a**2 * (u - np.sin(2 * u) / 2) + b**2 * (v - np.sin(2 * v) / 2))


def lens_distance(area: float, a: float, b: float) -> float:
    """Return the distance at which circles of radii a and b have an area in common, as near as there is one."""
    if area <= 0:
        return a + b
    if area >= np.pi * min(a, b) ** 2:
        return abs(a - b)
    return float(scipy.optimize.brentq(lambda d: lens_area(d, a, b) - area, abs(a - b), a + b, xtol=1e-12))


def place(parts: Mapping[Part, float], n: int) -> Circles:
    """Place two or three circles.

    Parameters
    ----------
    parts
        Area of each part; one that is below zero counts as none.
    n
        Number of circles.

    Returns
    -------
    Circles
        The areas of circles and of what pairs have in common are sums of parts, exactly for two circles. For three,
        circles are exact, and so are pairs if a triangle has their three distances, else these are as near as can be by
        least squares. What all three have in common follows, and need not be its part.
    """
    area = {part: max(value, 0.0) for part, value in parts.items()}
    radius = np.sqrt([sum(value for part, value in area.items() if k in part) / np.pi for k in range(n)])
    pairs = list(combinations(range(n), 2))
    common = [sum(value for part, value in area.items() if {a, b} <= set(part)) for a, b in pairs]
    wanted = np.array([lens_distance(x, radius[a], radius[b]) for x, (a, b) in zip(common, pairs, strict=True)])
    if n == 2:
        return Circles(np.array([[0.0, 0.0], [wanted[0], 0.0]]), radius)
    # From the corners of a triangle with equal sides, of the size of the mean distance.
    start = max(wanted.mean(), 1e-9) * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, -(3**0.5) / 2]])

    def off(flat: np.ndarray) -> np.ndarray:
        centre = flat.reshape(3, 2)
        return np.array([np.linalg.norm(centre[a] - centre[b]) for a, b in pairs]) - wanted

    solved = scipy.optimize.least_squares(off, start.ravel(), xtol=1e-14, ftol=1e-14, gtol=1e-14).x.reshape(3, 2)
    return Circles(solved, radius)


def draw_venn(axis: Axes, parts: Mapping[Part, float], labels: Sequence[str], colours: Sequence[str]) -> None:
    """Draw two or three circles with the names of what they are of."""
    from matplotlib.patches import Circle

    circles = place(parts, len(labels))
    for centre, radius, label, colour in zip(circles.centre, circles.radius, labels, colours, strict=True):
        axis.add_patch(Circle((centre[0], centre[1]), radius, facecolor=(colour, 0.35), edgecolor=colour, label=label))
    # Names beside circles would meet where these lie within each other or are small.
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), frameon=False, fontsize=SMALL, handlelength=0.9)
    room = 0.05 * max(float(circles.radius.max()), 1e-12)
    low, high = (
        (circles.centre - circles.radius[:, None]).min(axis=0),
        (circles.centre + circles.radius[:, None]).max(axis=0),
    )
    axis.set_xlim(low[0] - room, high[0] + room)
    axis.set_ylim(low[1] - room, high[1] + room)
    axis.set_aspect("equal")
    axis.set_axis_off()

"""Colours that colour-blind readers tell apart, stars, and notes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from distributed_trf.figures.controls import WEIGHTS_STYLE
from distributed_trf.figures.panels.profile_panel import KINDS
from distributed_trf.figures.printed_page import INCHES
from distributed_trf.figures.site_map import AREA_MARKERS, OTHER_AREA_MARKERS
from distributed_trf.figures.style import (
    AREA_COLOURS,
    LINE,
    NETWORK_STYLE,
    OTHER_AREA_COLOURS,
    OTHER_STYLES,
    network_style,
    new_figure,
    note,
    notes_of,
    stars,
)

# Machado et al. 2009, complete loss of one kind of cone; of linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
TOLD_APART, LEAST = 15.0, 10.0
"""Differences in CIELAB (2.3 is just seen side by side): of colours alone, and of colours with a second cue."""
PALETTES = {
    "networks": list(NETWORK_STYLE.values()),
    "other networks": list(OTHER_STYLES),
    "areas": [(AREA_COLOURS[area], AREA_MARKERS[area]) for area in AREA_COLOURS]
    + list(zip(OTHER_AREA_COLOURS, OTHER_AREA_MARKERS, strict=True)),
    "kinds of layers": [(colour, hatch) for colour, hatch, _ in KINDS.values()],
    "weights": [(colour, marker) for colour, marker, _ in WEIGHTS_STYLE.values()],
}
"""Colours with what else tells them apart: a marker or a hatch."""


def lab(colour, eye):
    """A colour in CIELAB as an eye sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = XYZ @ np.clip(EYES[eye] @ linear, 0, 1) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a, b, eye):
    """How much two colours differ for an eye."""
    return np.linalg.norm(lab(a, eye) - lab(b, eye))


def confused(palette, eye):
    """Pairs that an eye takes for one another: of like colours and the same second cue."""
    return [(a, b) for a, b in combinations(palette, 2) if a[1] == b[1] and difference(a[0], b[0], eye) < TOLD_APART]


@pytest.mark.parametrize("eye", list(EYES))
@pytest.mark.parametrize("palette", list(PALETTES))
def test_colours__are_told_apart_by_every_eye(palette, eye):
    assert not confused(PALETTES[palette], eye)
    colours = dict.fromkeys(colour for colour, _ in PALETTES[palette])
    assert min(difference(a, b, eye) for a, b in combinations(colours, 2)) > LEAST


@pytest.mark.parametrize("eye", ["normal", "protanopia", "deuteranopia"])
def test_colours__of_networks_and_of_the_two_areas_are_told_apart_without_markers(eye):
    for colours in (
        [colour for colour, _ in NETWORK_STYLE.values()],
        [colour for colour, _ in OTHER_STYLES],
        AREA_COLOURS.values(),
    ):
        assert min(difference(a, b, eye) for a, b in combinations(colours, 2)) > TOLD_APART


def test_colours__red_and_green_of_one_lightness_are_taken_for_one_another():
    red, green = ("#cc4433", "o"), ("#778822", "o")
    assert confused([red, green], "deuteranopia") == [(red, green)]
    assert confused([red, green], "normal") == []
    assert confused([red, ("#778822", "s")], "deuteranopia") == []


def test_styles__colour_is_never_the_only_cue():
    assert len({marker for _, marker in (*NETWORK_STYLE.values(), *OTHER_STYLES)}) == len(NETWORK_STYLE) + len(
        OTHER_STYLES
    )
    lightness = [lab(colour, "normal")[0] for colour, _, _ in KINDS.values()]
    assert min(np.abs(np.subtract(*pair)) for pair in combinations(lightness, 2)) > 10


def test_network_style__is_kept_by_published_networks_and_dealt_to_others_in_order():
    drawn = ["mine", "whisper_tiny", "yours"]
    assert [network_style(name, drawn) for name in drawn] == [
        OTHER_STYLES[0],
        NETWORK_STYLE["whisper_tiny"],
        OTHER_STYLES[1],
    ]


@pytest.mark.parametrize(
    ("p", "word"), [(0.0009, "***"), (0.001, "**"), (0.009, "**"), (0.02, "*"), (0.05, "n.s."), (np.nan, "n.s.")]
)
def test_stars__are_as_published(p, word):
    assert stars(p) == word


def test_note__is_written_once_and_the_figure_grows_by_its_lines():
    figure = new_figure(INCHES["double"], 3.0)
    note(figure, "")
    assert (notes_of(figure), figure.get_figheight()) == ([], 3.0)
    for _ in range(2):
        note(figure, "no reset weights")
    assert notes_of(figure) == ["no reset weights"]
    assert figure.get_figheight() == pytest.approx(3.0 + LINE)
    note(figure, "word " * 40)
    assert figure.get_figheight() == pytest.approx(3.0 + 2 * LINE)
    assert figure.get_supxlabel().count("\n") == 1

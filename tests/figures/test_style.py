"""Colours that colour-blind readers tell apart, stars, and notes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from distributed_trf.figures.panels.profile_panel import KINDS
from distributed_trf.figures.printed_page import INCHES
from distributed_trf.figures.style import (
    AREA_COLOURS,
    LINE,
    NETWORK_STYLE,
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
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
TOLD_APART = 15.0
"""Difference in CIELAB; 2.3 is just seen side by side."""


def lab(colour, eye):
    """A colour in CIELAB as an eye sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = XYZ @ np.clip(EYES[eye] @ linear, 0, 1) / WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", list(EYES))
def test_colours__are_told_apart_by_every_eye(eye):
    networks = {name: lab(colour, eye) for name, (colour, _) in NETWORK_STYLE.items()}
    for a, b in combinations(networks, 2):
        assert np.linalg.norm(networks[a] - networks[b]) > TOLD_APART, (a, b)
    others = [lab(colour, eye) for colour, _ in OTHER_STYLES]
    for a, b in combinations(range(len(others)), 2):
        assert np.linalg.norm(others[a] - others[b]) > TOLD_APART, (a, b)
    core, other = (lab(colour, eye) for colour in AREA_COLOURS.values())
    assert np.linalg.norm(core - other) > TOLD_APART


def test_colours__red_and_green_are_not_told_apart_by_the_measure():
    assert np.linalg.norm(lab("#cc4433", "deuteranopia") - lab("#778822", "deuteranopia")) < TOLD_APART


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

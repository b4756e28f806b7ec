"""The figure of power shows what was simulated."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import power
from distributed_trf.figures import figure_power
from distributed_trf.figures.style import notes_of, save_figure


@pytest.fixture(scope="module")
def found():
    return power([8, 12], [0.0, 0.04], sessions=[24, 4, 12], spread=0.1, icc=0.1, simulations=100)


def test_figure_power__has_a_curve_for_each_effect_over_sessions_in_order(found):
    (axis,) = figure_power(found).axes
    curves = {line.get_label(): line.get_xydata() for line in axis.get_lines() if not line.get_label().startswith("_")}
    assert list(curves) == ["0", "0.04"]
    for curve, effect in zip(curves.values(), (0.0, 0.04), strict=True):
        of = found.sel(effect=effect).sortby("sessions")
        np.testing.assert_allclose(curve, np.stack([[4, 12, 24], of.power], axis=1))
    across = [line.get_ydata()[0] for line in axis.get_lines() if line.get_label().startswith("_")]
    assert across == [0.8, 0.05]


def test_figure_power__says_what_was_simulated_and_what_cannot_be_found(found, tmp_path):
    figure = figure_power(found)
    text = "; ".join(notes_of(figure))
    assert "100 simulated studies each; sign flips of session means" in text
    assert "10 units per session, standard deviation 0.1 over units, intraclass correlation 0.1" in text
    assert "no p of 4 sessions can be below 0.05" in text
    (file,) = save_figure(figure, tmp_path, "power", ["png"])
    assert file.stat().st_size > 5_000
    figure.draw_without_rendering()
    drawn, page = figure.get_tightbbox(), figure.bbox_inches.padded(0.02)
    assert page.contains(*drawn.min)
    assert page.contains(*drawn.max)

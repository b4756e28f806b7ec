"""Titles of panels that stand side by side do not run into each other or off the page."""

from __future__ import annotations

import pytest

from distributed_trf import simulate_results
from distributed_trf.figures import figure_3, figure_5, page
from distributed_trf.figures.style import new_figure
from tests.figures.drawn import words_over_words

SETS = ["timit", "mvocs", "birdsong"]


@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("n_sets", [1, 2, 3])
@pytest.mark.parametrize("draw", [figure_3, figure_5])
def test_titles__leave_each_other_room(draw, n_sets, width):
    ds = simulate_results(["whisper_tiny", "wav2letter"], stimuli=SETS[:n_sets], sessions=41, depth=(0.2, 0.4))
    with page(width):
        figure = draw(ds)
    figure.draw_without_rendering()
    boxes = [axis.title.get_window_extent() for axis in figure.axes if axis.get_title()]
    assert len(boxes) >= n_sets
    for k, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:k])


def test_words_over_words__are_found():
    figure = new_figure(3.0, 2.0)
    axis = figure.subplots()
    axis.text(0.5, 0.5, "one")
    axis.text(0.55, 0.5, "other")
    assert words_over_words(figure) == [("one", "other")]

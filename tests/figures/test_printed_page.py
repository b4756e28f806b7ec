"""Figures for one column of a journal: narrower than a page, with the same text, and all of it to be read."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import xarray as xr

from distributed_trf import open_models, open_results, power, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.figures import (
    example_prediction,
    figure_2,
    figure_kernels,
    figure_partition,
    figure_power,
    figure_s1,
    page,
    raster_figure,
    recording_sites,
    session_layers,
    session_reliability,
)
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.panels.legends import arranged, legend_rows
from distributed_trf.figures.printed_page import INCHES, page_width, panels_per_row
from distributed_trf.figures.style import in_lines, new_figure, notes_of, too_high
from distributed_trf.results.best_predicted import best_predicted
from tests.figures.drawn import texts, words_over_words
from tests.figures.shared_variance import partitioned
from tests.hand_made import HandMade


def test_page__is_of_two_columns_but_in_a_block_and_after_an_error_again():
    assert (page_width(), panels_per_row(5)) == (7.5, 5)
    with page("single"):
        assert (page_width(), panels_per_row(5)) == (3.5, 3)
        with page("double"):
            assert page_width() == 7.5
        assert page_width() == 3.5

    def fail():
        with page("single"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert page_width() == 7.5


def test_page__of_another_width_is_an_error():
    with pytest.raises(DataError, match=r"width: 'half' is not known; take 'single' or 'double'"), page("half"):
        pass


@cache
def results():
    return simulate_results(["whisper_tiny"], stimuli=["timit"])


def kernels():
    weights = np.random.default_rng(0).normal(size=(5, 8, 6))
    labels = {"unit": list("abcde"), "feature": np.geomspace(100, 8000, 8), "lag": np.arange(6) / 50}
    return figure_kernels(xr.Dataset({"coef": (("unit", "feature", "lag"), weights)}, coords=labels))


def of_session(draw):
    return draw(results(), str(results().session.values[0]))


OTHERS = {
    "kernels": kernels,
    "power": lambda: figure_power(power([4], [0.05], sessions=[8], spread=0.1, icc=0.1, simulations=20)),
    "layers": lambda: of_session(session_layers),
    "reliability": lambda: of_session(session_reliability),
    "sites": lambda: recording_sites(results()),
    "raster": lambda: raster_figure(HandMade(), "s1", "u2", "t"),
    "four spaces": lambda: figure_partition(partitioned(("mel_librosa", "phonemes", "whisper_tiny", "words"))),
}
"""Figures that are not in the gallery, or not like this."""


def check(figure):
    """All that is written can be read: it is large enough, on the page, and no word is over another."""
    assert figure.get_figwidth() <= INCHES["single"]
    assert min(text.get_fontsize() for text in texts(figure)) >= 6.5
    figure.draw_without_rendering()
    drawn, paper = figure.get_tightbbox(), figure.bbox_inches.padded(0.02)
    assert paper.contains(*drawn.min)
    assert paper.contains(*drawn.max)
    assert not words_over_words(figure)


@pytest.mark.parametrize("name", list(OTHERS))
def test_page__of_one_column_has_room_for_every_other_figure(name):
    with page("single"):
        check(OTHERS[name]())


def test_page__of_one_column_has_examples_below_each_other(saved_study):
    ds = open_results(saved_study)
    example, *_ = best_predicted(select_units(ds, delta=0.5), open_models(saved_study).keys())
    with page("single"):
        check(example_prediction(saved_study, example))
        both, tuning = figure_2(Inputs(saved_study)), figure_s1(ds, saved_study)
    check(tuning)
    assert len({axis.get_position().x0.round(2) for axis in tuning.axes}) <= 2
    tops = [axis.get_position().y1 for axis in both.axes if "\n" in axis.get_title()]
    assert tops == sorted(tops, reverse=True)
    assert tops[0] > tops[1]


def test_partition__of_more_than_three_spaces_has_one_bar_of_all_that_is_shared_on_one_column():
    ds = partitioned(("mel_librosa", "phonemes", "whisper_tiny", "words"))
    said = "of more than 3 spaces the sum of all shared parts is drawn"
    assert said not in notes_of(figure_partition(ds))
    with page("single"):
        figure = figure_partition(ds)
    assert said in notes_of(figure)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()][-1] == "all shared"


def test_legend__has_fewer_columns_and_long_labels_first_only_where_there_is_no_room():
    labels = ["trained, in the network's colour", "reset", "trained > cochleagram (p < 0.01)", "convolution"]
    assert arranged(labels, 4) == ([0, 1, 2, 3], 4)
    with page("single"):
        assert arranged(labels, 4) == ([0, 2, 1, 3], 2)
        assert arranged(["a", "b", "c"], 4) == ([0, 1, 2], 3)
        assert arranged(["w" * 60, "v" * 60], 4) == ([0, 1], 1)
        assert legend_rows(labels, 4) == 2
    assert arranged([], 4) == ([], 1)


def test_title__is_broken_between_words_and_never_within_a_number():
    title = "timit, 50 ms bins: 381 highly tuned units (δ = 0.5)"
    assert in_lines(title, 1) == title
    with page("single"):
        assert in_lines(title, 1) == "timit, 50 ms bins: 381 highly tuned units\n(δ = 0.5)"
        assert in_lines("difference over all of the sessions [0.12, 0.14]", 1).split("\n")[-1] == "[0.12, 0.14]"
        assert in_lines("a_name_that_is_longer_than_a_panel", 3) == "a_name_that_is_longer_than_a_panel"


def test_too_high__is_said_of_figures_that_do_not_fit_on_a_page():
    assert too_high(new_figure(3.5, 11.0)) == []
    (said,) = too_high(new_figure(3.5, 12.34))
    assert said.startswith("12.3 inches high, more than a page; draw fewer networks")

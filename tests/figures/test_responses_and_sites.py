"""Figure 2 puts examples above the maps of where they were recorded."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from distributed_trf import open_models, open_results
from distributed_trf.errors import NothingToDrawError, StoreError
from distributed_trf.figures import gallery
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.responses_and_sites import figure_2
from distributed_trf.figures.style import notes_of
from distributed_trf.results.best_predicted import Example, best_predicted
from distributed_trf.results.units import select_units
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from tests.small_results import write_small_study
from tests.store_damage import forget_models


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def letters(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts if text.get_text() in ("A", "B")]


def test_figure_2__shows_the_best_predicted_units_and_where_they_were_recorded(saved_study):
    figure = figure_2(Inputs(saved_study))
    tuned = select_units(open_results(saved_study), delta=0.5)
    examples = best_predicted(tuned, open_models(saved_study).keys())
    assert len(examples) == 2
    assert {e.network for e in examples} == {"mel_librosa", "mel_whisper"}
    shown = titles(figure)
    for example in examples:
        (title,) = [t for t in shown if f"\n{example.network}, fixed, layer 0: " in t]
        assert title.startswith(f"session {example.session}, {example.channel}: timit ")
    assert sum("units" in title for title in shown) == len(set(open_results(saved_study).subject.values))
    assert letters(figure) == ["A", "B"]
    assert notes_of(figure) == []
    named = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert {example.session for example in examples} <= named


def test_figure_2__shows_the_examples_it_is_given(saved_study):
    ds = open_results(saved_study)
    session, channel = str(ds.session.values[0]), str(ds.channel.values[0])
    stimulus = load_responses(StudyStore.open(saved_study), "timit", 50.0, session).test_ids[3]
    figure = figure_2(Inputs(saved_study), [Example(session, channel, "mel_whisper", 0, "fixed", stimulus)])
    assert titles(figure)[0].startswith(f"session {session}, {channel}: timit {stimulus}, ")
    with pytest.raises(StoreError, match="no channel 'Ch9'"):
        figure_2(Inputs(saved_study), [Example(session, "Ch9", "mel_whisper", 0, "fixed")])


def test_figure_2__without_models_draws_the_maps_and_says_so(tmp_path, saved_study):
    shutil.copytree(saved_study, tmp_path / "study")
    forget_models(StudyStore.open(tmp_path / "study"))
    figure = figure_2(Inputs(tmp_path / "study"))
    (text,) = notes_of(figure)
    assert text.startswith("A: ")
    assert "`save_models: true`" in text
    assert letters(figure) == ["B"]
    with pytest.raises(NothingToDrawError, match="save_models: true"):
        figure_2(Inputs(tmp_path / "study"), [Example("s", "1", "mel_whisper", 0, "fixed")])


def test_figure_2__without_sites_draws_the_examples_and_says_so(saved_study):
    inputs = Inputs(saved_study)
    ds = inputs.results
    inputs.__dict__["results"] = ds.assign_coords(x=("unit", np.full(ds.sizes["unit"], np.nan)))
    figure = figure_2(inputs)
    assert letters(figure) == ["A"]
    assert notes_of(figure) == [
        "B: no session of these results has a recording site (x, y) that its units share, so there is no map"
    ]


def test_figure_2__of_a_threshold_that_no_unit_passes_draws_the_maps(saved_study):
    figure = figure_2(Inputs(saved_study, delta=1e6))
    assert notes_of(figure) == ["A: no highly tuned unit (delta 1e+06) has a saved model of timit at 50 ms"]


def test_figure_2__of_nothing_names_all_that_is_missing(tmp_path):
    inputs = Inputs(write_small_study(tmp_path / "study"))
    ds = inputs.results
    inputs.__dict__["results"] = ds.assign_coords(x=("unit", np.full(ds.sizes["unit"], np.nan)))
    with pytest.raises(NothingToDrawError, match=r"A: .*save_models: true.*; B: no session"):
        figure_2(inputs)


def test_figure_2__of_a_stimulus_set_that_is_not_there(saved_study):
    with pytest.raises(NothingToDrawError, match="mvocs at 50 ms is not in these results, which have timit at 50 ms"):
        figure_2(Inputs(saved_study), stimuli="mvocs")


def test_gallery__draws_figures_2_and_s1_of_a_study(saved_study):
    drawn = {drawing.name: figure for drawing, figure in gallery.draw(Inputs(saved_study), ["Fig2", "s1"])}
    assert list(drawn) == ["2", "S1"]
    assert all(len(figure.axes) >= 4 for figure in drawn.values())

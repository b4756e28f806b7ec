"""An example shows the counts, their mean and the prediction, in step with the sound."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from distributed_trf import open_results
from distributed_trf.errors import NothingToDrawError, StoreError
from distributed_trf.figures.prediction import draw_example, example_prediction
from distributed_trf.figures.style import new_figure
from distributed_trf.results.best_predicted import Example, predicted_response
from distributed_trf.store.study_store import StudyStore
from tests.small_results import write_small_study
from tests.store_damage import forget_models

FIT = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}


@pytest.fixture
def example(saved_study):
    ds = open_results(saved_study)
    return Example(str(ds.session.values[1]), str(ds.channel.values[1]), **FIT)


def test_example_prediction__draws_repeats_mean_and_prediction_in_the_middle_of_bins(saved_study, example):
    top, bottom = example_prediction(saved_study, example).axes
    response = predicted_response(saved_study, example.session, example.channel, **FIT)
    counts, n = response["count"].values, response.sizes["repeat"]
    assert len(bottom.lines) == n + 2
    for line in bottom.lines:
        np.testing.assert_allclose(line.get_xdata(), 0.05 * np.arange(counts.shape[1]) + 0.025)
    *repeats, mean, predicted = (line.get_ydata() for line in bottom.lines)
    np.testing.assert_array_equal(repeats, counts)
    np.testing.assert_allclose(mean, counts.mean(axis=0))
    np.testing.assert_array_equal(predicted, response.predicted)
    assert [line.get_label() for line in bottom.lines[-2:]] == ["mean", "prediction"]
    assert bottom.lines[-1].get_linestyle() != bottom.lines[-2].get_linestyle()
    end = max(response.sizes["sample_time"] / response.attrs["sfreq"], 0.05 * counts.shape[1])
    for axis in (top, bottom):
        assert axis.get_xlim() == pytest.approx((0, end))
    low, high = bottom.get_ylim()
    assert low <= min(counts.min(), predicted.min())
    assert high > max(counts.max(), predicted.max())


def test_example_prediction__is_labelled(saved_study, example):
    figure = example_prediction(saved_study, example)
    top, bottom = figure.axes
    response = predicted_response(saved_study, example.session, example.channel, **FIT)
    assert top.get_title() == (
        f"session {example.session}, {example.channel}: timit {response.stimulus.item()}, "
        f"{response.sizes['repeat']} repeats\nmel_librosa, fixed, layer 0: "
        f"r = {response.r:.2f}, \N{GREEK SMALL LETTER RHO} = {response.rho:.2f}"
    )
    assert top.get_ylabel() == "frequency (kHz)"
    assert bottom.get_ylabel() == "spikes per 50 ms"
    assert bottom.get_xlabel() == "time from sound onset (s)"
    texts = [text.get_text() for text in bottom.get_legend().get_texts()]
    assert texts == ["single repeats", "mean", "prediction"]


def test_draw_example__draws_an_onset_of_sound_where_its_response_is(saved_study, example):
    """Sound, counts and prediction all begin at 0.4 s."""
    response = predicted_response(saved_study, example.session, example.channel, **FIT).load()
    sound, time = response["sound"], response["time"]
    begins = (response.sample_time >= 0.4).values
    noise = np.random.default_rng(0).normal(size=sound.size)
    response["sound"] = ("sample_time", np.where(begins, noise, 0))
    response["predicted"] = ("time", np.where(time > 0.39, 2.0, 0.0))
    response["count"] = (("repeat", "time"), np.where(time > 0.39, 2, 0)[None] * np.ones((3, 1), dtype=int))
    top, bottom = new_figure(4, 4).subplots(2, 1)
    draw_example(top, bottom, response.isel(repeat=slice(0, 3)), "#000000")
    (mesh,) = top.collections
    level = mesh.get_array().mean(axis=0)
    edges = mesh.get_coordinates()[0, :, 0]
    assert edges[np.argmax(level > level.min() + 5)] == pytest.approx(0.4, abs=0.008)
    for line in bottom.lines:
        first = line.get_xdata()[np.argmax(line.get_ydata() > 1)]
        assert first == pytest.approx(0.425)


def test_example_prediction__without_saved_models_says_how_to_save_them(tmp_path, saved_study, example):
    with pytest.raises(NothingToDrawError, match="no model was saved, .*`save_models: true` in the study and run it"):
        example_prediction(write_small_study(tmp_path / "small"), Example("s1", "1", "net", 0, "trained"))
    shutil.copytree(saved_study, tmp_path / "study")
    forget_models(StudyStore.open(tmp_path / "study"))
    with pytest.raises(NothingToDrawError, match="save_models: true"):
        example_prediction(tmp_path / "study", example)


def test_example_prediction__of_what_is_not_there(saved_study, example):
    with pytest.raises(NothingToDrawError, match="at 1000 ms a sound is one bin"):
        example_prediction(saved_study, example, bin_width=1000.0)
    with pytest.raises(StoreError, match="no model of timit, mel_librosa, fixed, layer 0, 20 ms"):
        example_prediction(saved_study, example, bin_width=20.0)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_example_prediction__can_be_saved(tmp_path, saved_study, example, ending):
    path = tmp_path / f"example.{ending}"
    example_prediction(saved_study, example).savefig(path)
    assert path.stat().st_size > 10_000

"""The raster shows the spikes and rates of the recordings."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import ConfigError, MissingExtraError, RecordingError
from distributed_trf.figures.raster import raster_figure
from tests.hand_made import SFREQ, HandMade


def test_raster_figure__has_a_row_per_repeat_and_the_rate_below():
    figure = raster_figure(HandMade(), "s1", "u2", "t")  # presented in trials 0, 3, 5 and 6
    _, rows, rate = figure.axes
    np.testing.assert_allclose([row.get_positions() for row in rows.collections], [[0.04], [0.07], [0.09], [0.1]])
    assert [row.get_lineoffset() for row in rows.collections] == [1, 2, 3, 4]
    assert rows.get_ylim() == (4.5, 0.5)  # the first on top
    (bars,) = rate.patches
    values, edges, _ = bars.get_data()
    np.testing.assert_allclose(values, np.array([0, 2, 2, 0, 0]) / 4 / 0.04)
    np.testing.assert_allclose(edges, 0.04 * np.arange(6))


def test_raster_figure__is_labelled_and_shares_its_time_axis():
    figure = raster_figure(HandMade(), "s1", "u1", "t", bin_width=20)
    assert [axis.get_ylabel() for axis in figure.axes] == ["frequency (kHz)", "repeat", "rate (spikes/s)"]
    assert figure.axes[2].get_xlabel() == "time from sound onset (s)"
    for axis in figure.axes:
        assert axis.get_xlim() == pytest.approx((0, 0.2))
    assert figure.get_suptitle() == "session s1, unit u1\nwords t: 4 repeats, 20 ms bins"
    assert figure.get_figwidth() == 3.4


def test_raster_figure__shows_what_the_last_bin_counts_beyond_the_sound():
    recordings = HandMade({("s1", "words"): "a" * 52})  # 0.5 s long; spikes at 10, 20, ... 520 ms
    _, rows, rate = raster_figure(recordings, "s1", "u1", "a", stimuli="words").axes
    assert rate.get_xlim() == pytest.approx((0, 0.52))
    assert sum(len(row.get_positions()) for row in rows.collections) == 51  # all but the one at 520 ms


def test_raster_figure__spectrogram_has_the_tone_where_it_is():
    recordings = HandMade()
    time = np.arange(round(0.2 * SFREQ)) / SFREQ
    recordings.sounds = lambda _: ({"t": np.sin(2 * np.pi * 1000 * time) * (time > 0.1)}, SFREQ)
    mesh = raster_figure(recordings, "s1", "u1", "t").axes[0].collections[0]
    level = mesh.get_array()
    assert level.max() - level.min() == pytest.approx(60)
    loudest = np.unravel_index(level.argmax(), level.shape)
    corners = mesh.get_coordinates()[loudest]
    assert corners[0] > 0.1
    assert corners[1] == pytest.approx(1, abs=0.1)  # kHz


def test_raster_figure__of_silence_can_be_drawn(tmp_path):
    recordings = HandMade()
    recordings.sounds = lambda _: ({"t": np.zeros(1600)}, SFREQ)
    raster_figure(recordings, "s1", "u1", "t").savefig(tmp_path / "silence.png")


def test_raster_figure__of_one_presentation_and_no_spike(tmp_path):
    recordings = HandMade({("s2", "calls"): "a" + 60 * "w" + "v"})  # the spike of trial 61 is after the sound
    figure = raster_figure(recordings, "s2", "u1", "v")
    assert "calls v: 1 presentation," in figure.get_suptitle()
    figure.savefig(tmp_path / "figure.pdf")


@pytest.mark.parametrize(
    ("names", "error", "match"),
    [
        (("s9", "u1", "t"), ConfigError, "session 's9'"),
        (("s1", "u3", "t"), ConfigError, "unit 'u3'"),
        (("s1", "u1", "z"), ConfigError, "stimulus 'z'"),
        (("s1", "u1", "a"), ConfigError, "in words and calls"),
        (("s2", "u1", "t"), RecordingError, "words was not presented in session s2; choose one of s1"),
        (("s1", "u1", "b"), RecordingError, "stimulus b was never presented in this session"),
    ],
)
def test_raster_figure__of_what_is_not_there_is_an_error(names, error, match):
    with pytest.raises(error, match=match):
        raster_figure(HandMade(), *names)


def test_raster_figure__takes_the_stimulus_set_it_is_told():
    assert "calls a: 1 pres" in raster_figure(HandMade(), "s1", "u1", "a", stimuli="calls").get_suptitle()


def test_raster_figure__without_matplotlib_names_the_extra(absent):
    absent("matplotlib")
    with pytest.raises(MissingExtraError, match=r"matplotlib is not installed.*distributed_trf\[figures\]"):
        raster_figure(HandMade(), "s1", "u1", "t")

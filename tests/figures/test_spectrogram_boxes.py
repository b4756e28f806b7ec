"""Fig S2: a box for each spectrogram."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import select_units, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.spectrogram_boxes import PUBLISHED, figure_s2
from distributed_trf.figures.style import notes_of

WORDS = "boxes: medians and quartiles over units; whiskers: from their 5th to their 95th percentile"


@pytest.fixture(scope="module")
def ds():
    return simulate_results([], spectrograms=PUBLISHED[::-1], sessions=5, channels=30)


def test_figure_s2__draws_quartiles_and_whiskers_from_5_to_95_percent_and_nothing_beyond(ds):
    figure = figure_s2(ds)
    assert len(figure.axes) == 2
    for axis, stimuli in zip(figure.axes, ("timit", "mvocs"), strict=True):
        units = select_units(ds.sel(stimuli=stimuli, bin_width=50.0), delta=0.5)
        rho = units.rho.sel(network=list(PUBLISHED), weights="fixed", layer=0).values
        expected = np.quantile(rho, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
        boxes = np.array([[p.get_path().vertices[:, 0].min(), p.get_path().vertices[:, 0].max()] for p in axis.patches])
        np.testing.assert_allclose(boxes.T, expected[[1, 3]])
        medians = [line.get_xdata()[0] for line in axis.lines if line.get_linewidth() == 1.5]
        np.testing.assert_allclose(medians, expected[2])
        reached = np.array([line.get_xdata() for line in axis.lines if line.get_linewidth() != 1.5])
        np.testing.assert_allclose(
            [reached.min(), reached.max()], [expected[0].min(), expected[4].max()]
        )  # no flier lies beyond
        assert axis.get_title() == f"{stimuli}, 50 ms bins: {units.sizes['unit']} highly tuned units (δ = 0.5)"
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == list(PUBLISHED)
    assert notes_of(figure) == [WORDS]


def test_figure_s2__says_which_are_missing(ds):
    figure = figure_s2(ds.sel(network=["wavelet", "cochleagram"]), stimuli="timit")
    assert notes_of(figure)[1:] == ["not in these results: mel_librosa, mel_speech2text, mel_deepspeech2, mel_whisper"]
    assert len(figure.axes[0].patches) == 2


def test_figure_s2__without_a_spectrogram_is_an_error():
    ds = simulate_results(["whisper_tiny"], spectrograms=(), sessions=2, channels=5)
    with pytest.raises(NothingToDrawError, match="no spectrogram is in these results"):
        figure_s2(ds)

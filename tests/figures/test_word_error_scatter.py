"""Fig S5: word error rates against the best layers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from distributed_trf import best_layer, select_units, simulate_results
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.style import notes_of
from distributed_trf.figures.word_error_scatter import figure_s5
from tests.figures.drawn import legend_texts, line, titled

RATES = pd.DataFrame(
    [
        ("whisper_tiny", "clean", 8.6),
        ("deepspeech2", "clean", 11.0),
        ("whisper_tiny", "noisy", 30.0),
        ("wav2vec2", "noisy", 3.6),
    ],
    columns=["network", "benchmark", "wer"],
)


@pytest.fixture(scope="module")
def ds():
    return simulate_results(["deepspeech2", "whisper_tiny", "whisper_base"], sessions=4, channels=25)


def test_figure_s5__puts_a_dot_and_a_plus_at_the_rate_and_the_best_median(ds):
    figure = figure_s5(ds, RATES)
    for stimuli, marker in (("timit", "o"), ("mvocs", "+")):
        units = select_units(ds.sel(stimuli=stimuli, bin_width=50.0), delta=0.5)
        median = best_layer(units)["median"].sel(weights="trained")
        for network, benchmark, rate in RATES.itertuples(index=False):
            (axis,) = titled(figure, benchmark)
            if network == "wav2vec2":
                assert not [of for of in axis.lines if "wav2vec2" in str(of.get_label())]
                continue
            mark = line(axis, f"_{network}, {stimuli}")
            assert mark.get_marker() == marker
            np.testing.assert_allclose(mark.get_xydata(), [[rate, median.sel(network=network)]])
    assert [text.get_text() for text in titled(figure, "clean")[0].texts] == ["b", "a"]  # by rate
    assert legend_texts(figure) == ["timit", "mvocs", "a  deepspeech2", "b  whisper_tiny"]
    assert notes_of(figure) == [
        "marks: medians over units; lines join the marks of a network",
        "best layers: by cross-validated R², in which test sounds have no part",
        "without a word error rate or trained weights: whisper_base",
    ]


def test_figure_s5__chooses_layers_by_training_folds_or_as_published_by_what_is_drawn(ds):
    ds = ds.assign(cv_score=ds.cv_score.where(ds.layer != 0, 1.0).where(ds.r.notnull()))
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5).rho.sel(network="whisper_tiny")
    units = units.sel(weights="trained").median("unit")
    for tests, expected in (("default", units.sel(layer=0)), ("published", units.max())):
        (axis,) = titled(figure_s5(ds, RATES, tests=tests), "clean")
        mark = line(axis, "_whisper_tiny, timit")
        np.testing.assert_allclose(mark.get_ydata(), float(expected))
    assert notes_of(figure_s5(ds, RATES, tests="published"))[1] == "best layers: by ρ, as published"


def test_figure_s5__names_what_is_wrong_with_a_table(ds):
    with pytest.raises(DataError, match="column 'wer' is not there, only network, benchmark"):
        figure_s5(ds, RATES[["network", "benchmark"]])
    with pytest.raises(NothingToDrawError, match=r"no network has both a word error rate \(wav2vec2\) and trained"):
        figure_s5(ds, RATES[RATES["network"] == "wav2vec2"])

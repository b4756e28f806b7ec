"""Fig S3 shows ratios of r, unit by unit."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import best_layer, select_units, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.layer_profiles import figure_s3
from tests.figures.drawn import band, exceptions, labels, line, titled


@pytest.fixture(scope="module")
def ds():
    found = simulate_results(
        ["whisper_tiny"], stimuli=("timit",), sessions=4, channels=25, better={"whisper_tiny": [3]}
    )
    # One unit's r of the spectrogram is next to nothing, so that its ratio is enormous.
    fit = {"network": "cochleagram", "weights": "fixed", "layer": 0}
    found.r.loc[{**fit, "unit": np.flatnonzero(found.normaliser.values.ravel() > 0.3)[0]}] = 1e-9
    return found


def test_figure_s3__draws_medians_and_quartiles_of_ratios_with_no_unit_left_out(ds):
    figure = figure_s3(ds)
    r = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5).r
    below = r.sel(network="cochleagram", weights="fixed", layer=0).values
    assert below.min() < 1e-8
    (axis,) = titled(figure, "whisper_tiny")
    for weights in ("trained", "reset"):
        ratio = r.sel(network="whisper_tiny", weights=weights).values / below
        np.testing.assert_allclose(line(axis, weights).get_ydata(), np.median(ratio, axis=1))
        _, low, high = band(axis, weights)
        np.testing.assert_allclose([low, high], np.quantile(ratio, [0.25, 0.75], axis=1))
    assert line(axis, "cochleagram").get_ydata() == [1, 1]
    assert axis.get_ylim()[1] < 3  # whatever the largest ratio
    assert labels(axis) == ["reset", "trained", "cochleagram"]


@pytest.mark.parametrize(
    ("tests", "by", "words"), [("published", "r", "r"), ("default", "cv_score", "cross-validated R²")]
)
def test_figure_s3__bars_are_of_the_layer_that_is_chosen_by_training_folds_or_as_published_by_r(ds, tests, by, words):
    ds = ds.assign(cv_score=ds.cv_score.where(ds.layer != 1, 1.0).where(ds.r.notnull()))
    (axis,) = titled(figure_s3(ds, tests=tests), f"timit: best layer (number at its foot) by {words}")
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    best = best_layer(units, "r", by=by).best_layer.sel(network="whisper_tiny")
    assert (best.sel(weights=["reset", "trained"]).values == 1).all() == (by == "cv_score")
    assert [text.get_text() for text in axis.texts] == [f"{int(best.sel(weights=w))}" for w in ("reset", "trained")]
    below = units.r.sel(network="cochleagram", weights="fixed", layer=0)
    expected = [
        float((units.r.sel(network="whisper_tiny", weights=w, layer=best.sel(weights=w)) / below).median())
        for w in ("reset", "trained")
    ]
    np.testing.assert_allclose([bar.get_height() for bar in axis.patches], expected)
    assert exceptions(figure_s3(ds, tests=tests)) == []
    without = figure_s3(ds.drop_vars("cv_score"))
    assert titled(without, "timit: best layer (number at its foot) by r")
    (note,) = exceptions(without)
    assert note.startswith("no cv_score in these results")


def test_figure_s3__needs_a_network_and_a_spectrogram(ds):
    with pytest.raises(NothingToDrawError, match="no spectrogram is in these results"):
        figure_s3(ds.sel(network=["whisper_tiny"]))
    with pytest.raises(NothingToDrawError, match="no network is in these results"):
        figure_s3(ds.sel(network=["cochleagram"]))
    with pytest.raises(NothingToDrawError, match="no spectrogram 'wavelet' is in these results"):
        figure_s3(ds, baseline="wavelet")


def test_figure_s3__without_reliability_takes_all_units_and_says_so(ds):
    figure = figure_s3(ds.drop_vars(["rho", "normaliser", "null_mean", "null_std"]))
    assert exceptions(figure) == ["no reliability was measured for timit: all units are shown"]

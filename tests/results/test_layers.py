"""Profiles, best layers and preferred layers, against loops over fits and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distributed_trf import best_layer, layer_profile, peak_layer, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.layers import quantiles, spectrograms
from tests.small_results import small_results


@given(
    arrays(float, st.tuples(st.integers(1, 4), st.integers(0, 9)), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_quantiles__are_those_of_numpy_of_what_is_known(values, q):
    found = quantiles(values, q)
    for row, column in zip(values, found.T, strict=True):
        known = row[~np.isnan(row)]
        expected = np.quantile(known, q) if known.size else np.full(len(q), np.nan)
        np.testing.assert_allclose(column, expected, rtol=1e-12, atol=1e-9)


def test_profile__summarises_every_fit():
    ds = simulate_results(["whisper_tiny", "deepspeech2"], sessions=3, channels=5)
    ds["rho"].loc[{"network": "deepspeech2", "weights": "trained", "layer": 2}] = np.nan
    ds["rho"][..., :4] = np.nan
    profile = layer_profile(ds)
    assert profile["median"].dims == ("stimuli", "network", "weights", "layer", "bin_width")
    for network, weights, layer, n in (
        ("whisper_tiny", "trained", 3, 11),
        ("deepspeech2", "reset", 6, 11),
        ("deepspeech2", "trained", 2, 0),
        ("whisper_tiny", "reset", 6, 0),  # it has six layers only
    ):
        place = {"stimuli": "mvocs", "network": network, "weights": weights, "layer": layer, "bin_width": 50.0}
        values = ds.rho.sel(place).dropna("unit").values
        found = profile.sel(place)
        assert found.n == len(values) == n
        if n:
            expected = np.quantile(values, [0.5, 0.25, 0.75, 1])
            np.testing.assert_allclose([found[name] for name in ("median", "q25", "q75", "maximum")], expected)
        else:
            assert np.isnan(found["median"])
    assert profile.sel(network="whisper_tiny", layer=3).layer_type == "transformer"


def test_best_layer__has_the_highest_median_and_the_first_of_equals():
    ds = small_results()
    ds["r"].loc["timit", "net", "reset", 2, 50.0] = ds.r.loc["timit", "net", "reset", 0, 50.0]
    best = best_layer(ds, "r").sel(stimuli="timit", bin_width=50.0)
    assert best.best_layer.sel(network="net").sel(weights=["trained", "reset"]).values.tolist() == [2, 0]
    assert best["median"].sel(network="net", weights="trained") == 0.4
    assert (
        best.maximum.sel(network="net", weights="trained"),
        best.maximum_layer.sel(network="mel", weights="fixed"),
    ) == (
        0.6,
        0,
    )
    assert np.isnan(best.best_layer.sel(network="net", weights="fixed"))


def test_peak_layer__of_each_unit_and_the_part_of_layers_before_it():
    ds = simulate_results(["whisper_tiny", "wav2letter"], sessions=2, channels=4)
    ds["rho"].loc[{"network": "whisper_tiny", "layer": 4, "weights": "trained"}] = np.nan  # not fitted yet
    ds["rho"][..., 0] = np.nan
    peaks = peak_layer(ds)
    for network, layers in (("whisper_tiny", [0, 1, 2, 3, 5]), ("wav2letter", list(range(14)))):
        of = peaks.sel(stimuli="timit", network=network, weights="trained", bin_width=50.0)
        rho = ds.rho.sel(stimuli="timit", network=network, weights="trained", bin_width=50.0)
        for unit in range(1, 8):
            values = [rho.sel(layer=layer).values[unit] for layer in layers]
            k = int(np.argmax(values))
            assert (of.peak_layer.values[unit], of.peak.values[unit]) == (layers[k], values[k])
            np.testing.assert_allclose(of.position.values[unit], k / len(layers))
        assert np.isnan([of[name].values[0] for name in ("peak_layer", "peak", "position")]).all()
    mel = peaks.sel(network="cochleagram", weights="fixed", stimuli="timit", bin_width=50.0)
    assert mel.peak_layer.dropna("unit").values.tolist() == [0] * 7
    assert mel.position.isnull().all()  # nothing to prefer
    assert peaks.session.values.tolist() == ds.session.values.tolist()


def test_spectrograms__are_told_by_their_layer_type():
    assert spectrograms(small_results()) == ["mel"]
    assert spectrograms(small_results().sel(network="mel")) == ["mel"]
    assert spectrograms(small_results().sel(network="net")) == []


def test_wrong_variable_or_missing_dimension__is_named():
    with pytest.raises(DataError, match="'rho2' is no variable of units in this dataset, which has r, alpha"):
        layer_profile(small_results(), "rho2")
    with pytest.raises(DataError, match="have one layer only"):
        best_layer(small_results().sel(layer=0), "r")

"""Profiles, best layers and preferred layers, against loops over fits and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distributed_trf import best_layer, layer_profile, median_intervals, peak_layer, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.layers import quantiles, spectrograms, usual_chooser
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
    best = best_layer(ds, "r", by="r").sel(stimuli="timit", bin_width=50.0)
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
    ds["cv_score"][...] = np.nan
    peaks = peak_layer(ds, by="rho")
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


def scored(seed: int = 0):
    """Results whose scores of training folds say nothing of r and rho, some of them missing."""
    ds = simulate_results(["whisper_tiny", "deepspeech2"], sessions=2, channels=4)
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=ds.r.shape)
    ds["cv_score"] = ds.r.copy(data=np.where(ds.r.isnull() | (rng.random(ds.r.shape) < 0.1), np.nan, drawn))
    return ds.assign(rho=ds.rho.where(rng.random(ds.r.shape) > 0.1))


def test_choice__is_by_one_number_and_the_other_is_reported():
    ds = scored()
    best, peaks = best_layer(ds), peak_layer(ds)
    assert (best.attrs["variable"], best.attrs["by"], best.attrs["note"]) == ("rho", "cv_score", "")
    assert (peaks.attrs["variable"], peaks.attrs["by"]) == ("rho", "cv_score")
    for stimuli in ("timit", "mvocs"):
        for network, weights, n_layers in (("whisper_tiny", "reset", 6), ("deepspeech2", "trained", 7)):
            at = {"stimuli": stimuli, "network": network, "weights": weights, "bin_width": 50.0}
            layers = ds["layer"].values.tolist()
            rho, score = (ds[name].sel(at).transpose("layer", "unit").values for name in ("rho", "cv_score"))
            both = np.where(np.isnan(rho), np.nan, score)
            fitted = [k for k in range(len(layers)) if not np.isnan(rho[k]).all()]
            assert len(fitted) == n_layers
            chosen = max(fitted, key=lambda k, both=both: np.median(both[k][~np.isnan(both[k])]))
            assert best.best_layer.sel(at) == layers[chosen]
            np.testing.assert_allclose(best["median"].sel(at), np.nanmedian(rho[chosen]))
            for unit in range(ds.sizes["unit"]):
                k = max(
                    fitted, key=lambda k, unit=unit, both=both: -np.inf if np.isnan(both[k, unit]) else both[k, unit]
                )
                found = peaks.sel(at).isel(unit=unit)
                assert (found.peak_layer, found.peak) == (layers[k], rho[k, unit])
                np.testing.assert_allclose(found.position, fitted.index(k) / n_layers)


def test_choice__by_training_folds_reports_what_any_layer_reaches_and_by_itself_reports_more():
    """No layer is better than another, and each has its own noise: the highest of the medians is above them all."""
    ds = scored(1)
    profile = layer_profile(ds).sel(weights="reset", network="deepspeech2")["median"]
    mean = float(profile.mean())
    by_itself = float(best_layer(ds, by="rho")["median"].sel(weights="reset", network="deepspeech2").mean())
    assert by_itself == pytest.approx(float(profile.max("layer").mean()))
    draws = [
        float(best_layer(scored(seed))["median"].sel(weights="reset", network="deepspeech2").mean())
        for seed in range(40)
    ]
    assert abs(np.mean(draws) - mean) < 0.3 * (by_itself - mean)


def test_choice__without_the_number_that_chooses_is_refused_with_what_to_do():
    ds = scored()
    for lacking in (ds.drop_vars("cv_score"), ds.assign(cv_score=ds.cv_score * np.nan)):
        with pytest.raises(DataError, match=r"no fit in these results has a cv_score, .* such as by='rho'"):
            best_layer(lacking)
        with pytest.raises(DataError, match="no fit in these results has a cv_score"):
            peak_layer(lacking)
        by, note = usual_chooser(lacking, "rho")
        assert by == "rho"
        assert note == "no cv_score in these results: the rho that is shown chose the layers, and is too high"
    assert usual_chooser(ds, "rho") == ("cv_score", "")
    ds["cv_score"].loc[{"network": "deepspeech2"}] = np.nan
    by, note = usual_chooser(ds, "rho")  # one rule for all networks
    assert by == "rho"
    assert note.startswith("no cv_score of deepspeech2 in these results")
    for found, name in ((best_layer(ds), "best_layer"), (peak_layer(ds), "peak_layer")):
        assert found.attrs["note"] == "no cv_score of deepspeech2"
        assert found[name].sel(network="deepspeech2").isnull().all()
        assert found[name].sel(network="whisper_tiny", weights="trained").notnull().all()


@pytest.mark.filterwarnings("error")
def test_choice__among_nothing_is_nothing():
    ds = scored()
    for nothing in (ds.isel(unit=[]), ds.assign(rho=ds.rho * np.nan, cv_score=ds.cv_score * np.nan)):
        best, peaks = best_layer(nothing), peak_layer(nothing)
        assert best[["best_layer", "median", "maximum"]].isnull().all().to_array().all()
        assert peaks.isnull().all().to_array().all()
        assert layer_profile(nothing)["n"].sum() == 0


def test_spectrograms__are_told_by_their_layer_type():
    assert spectrograms(small_results()) == ["mel"]
    assert spectrograms(small_results().sel(network="mel")) == ["mel"]
    assert spectrograms(small_results().sel(network="net")) == []


def test_wrong_variable_or_missing_dimension__is_named():
    with pytest.raises(DataError, match="'rho2' is no variable of units in this dataset, which has r, alpha"):
        layer_profile(small_results(), "rho2")
    with pytest.raises(DataError, match="have one layer only"):
        best_layer(small_results().sel(layer=0), "r", by="r")


@pytest.mark.parametrize("summarise", [layer_profile, best_layer, peak_layer, median_intervals])
def test_where_there_is_no_number_at_all__the_note_says_why(summarise):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=2)
    assert summarise(select_units(ds, normaliser=5.0)).attrs["note"] == "there are no units"
    assert summarise(ds.assign(rho=ds.rho * np.nan)).attrs["note"] == "no unit has a rho"
    assert "no unit" not in summarise(ds).attrs["note"]

"""The tests of layers find planted effects, and no more false ones than they promise."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from statsmodels.stats.multitest import multipletests

from distributed_trf import compare, describe, layer_tests, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.statistics.compare import STATISTICS
from tests.small_results import small_results

PLANTED = {"whisper_tiny": [1, 2], "deepspeech2": [0, 3, 4]}


def significant(tests, network, against="untrained"):
    """Layers that are better, at each stimulus set."""
    of = tests.significant.sel(network=network, against=against, bin_width=50.0)
    return [of.layer.values[of.sel(stimuli=s).values].tolist() for s in tests.stimuli.values]


def test_planted_effects__are_found_and_no_others():
    ds = simulate_results(["whisper_tiny", "deepspeech2", "wav2letter"], sessions=20, better=PLANTED, seed=1)
    tests = layer_tests(select_units(ds, stimuli="timit", delta=0.5))
    for network in ("whisper_tiny", "deepspeech2", "wav2letter"):
        assert significant(tests, network) == [PLANTED.get(network, [])] * 2
        assert significant(tests, network, "spectrogram") == [PLANTED.get(network, [])] * 2
    of = tests.sel(network="deepspeech2", against="untrained")
    planted, others = of.sel(layer=PLANTED["deepspeech2"]), of.sel(layer=[1, 2, 5, 6])
    assert (planted.low > 0).all()
    assert (np.abs(planted.median_difference - 0.08) < 0.03).all()
    assert (planted.effect > 0.5).all()
    assert (np.abs(others.effect) < 0.4).all()


@pytest.mark.parametrize(("correction", "method"), [("bh", "fdr_bh"), ("holm", "holm"), (None, None)])
def test_adjustment__is_that_of_statsmodels_over_the_family(correction, method):
    ds = simulate_results(["whisper_tiny", "wav2vec2"], sessions=8, channels=6, better={"wav2vec2": [3]})
    tests = layer_tests(ds, correction=correction, alpha=0.05, level="unit")
    for network, n_layers in (("whisper_tiny", 6), ("wav2vec2", 21)):
        of = tests.sel(stimuli="timit", network=network, bin_width=50.0).isel(layer=slice(n_layers))
        p = of.p.values.ravel()
        expected = multipletests(p, 0.05, method=method) if method else (p < 0.05, p)
        np.testing.assert_allclose(of.p_adjusted.values.ravel(), expected[1], rtol=1e-12)
        assert of.significant.values.ravel().tolist() == expected[0].tolist()
        assert of.family == 2 * n_layers
    assert tests.p.sel(network="whisper_tiny").isel(layer=slice(6, None)).isnull().all()
    assert (tests.attrs["correction"], tests.attrs["baseline"]) == (correction or "none", "cochleagram")


def test_each_test__is_a_paired_comparison():
    ds = simulate_results(["whisper_tiny"], sessions=5, channels=6, weights=["trained", "reset", "permuted"])
    tests = layer_tests(ds, untrained="permuted", seed=3)
    trained = ds.sel(weights="trained", network=["whisper_tiny"])
    expected = compare(trained, ds.sel(weights="permuted"), seed=3)
    for name in STATISTICS:
        np.testing.assert_array_equal(tests[name].sel(against="untrained"), expected[name])
    mel = compare(trained, ds.sel(network="cochleagram", weights="fixed", layer=0))
    np.testing.assert_array_equal(tests.p.sel(against="spectrogram"), mel.p)


def test_missing_comparison__is_left_out_and_said():
    ds = simulate_results(["whisper_tiny"], spectrograms=[], sessions=3, channels=6)
    tests = layer_tests(ds)
    assert tests.against.values.tolist() == ["untrained"]
    assert tests.attrs["left_out"] == "no spectrogram 'cochleagram' in these results"
    assert (tests.family == 6).all()
    with pytest.raises(DataError, match="nothing to test against: no weights 'permuted' .*; no spectrogram"):
        layer_tests(ds, untrained="permuted")
    with pytest.raises(DataError, match="no network with trained weights"):
        layer_tests(simulate_results(["whisper_tiny"], weights=["reset"], sessions=3, channels=3))


def test_baseline__is_the_one_asked_for_else_cochleagram_else_the_first():
    ds = simulate_results(["whisper_tiny"], spectrograms=["mel_whisper", "cochleagram"], sessions=3, channels=6)
    assert layer_tests(ds).attrs["baseline"] == "cochleagram"
    assert layer_tests(ds, baseline="mel_whisper").attrs["baseline"] == "mel_whisper"
    assert layer_tests(small_results(), "r").attrs["baseline"] == "mel"
    assert "no spectrogram 'wavelet'" in layer_tests(ds, baseline="wavelet").attrs["left_out"]


RUNS, LEVEL = 500, 0.05


def runs(n_runs, **planted):
    """Many studies of the same units, one as each stimulus set, and the layers that are called better in each."""
    names = [f"run {k}" for k in range(n_runs)]
    ds = simulate_results(["whisper_tiny"], stimuli=names, sessions=10, channels=8, **planted)
    tests = layer_tests(ds, alpha=LEVEL)
    assert (tests.family == 12).all()
    return tests.significant.sel(network="whisper_tiny", bin_width=50.0).transpose("stimuli", "layer", "against").values


def test_null_simulations__stay_at_the_nominal_false_discovery_rate():
    """Where nothing is better, the false discovery rate is the chance of any star: 25 of 500 runs expected."""
    starred = runs(RUNS).any(axis=(1, 2)).sum()
    # Three standard errors above; below, more, since all layers are tested against the same spectrogram.
    assert 5 < starred < RUNS * LEVEL + 3 * np.sqrt(RUNS * LEVEL * (1 - LEVEL))


def test_few_sessions__cannot_be_significant_and_no_unit_is_nan():
    ds = simulate_results(["whisper_tiny"], sessions=5, channels=9, better={"whisper_tiny": [1]}, gain=0.5)
    tests = layer_tests(ds)
    assert not tests.significant.any()
    assert tests.attrs["note"] == "no p can be below 0.01: so few sessions allow no less than 0.031"
    of_units = layer_tests(ds, level="unit")
    assert of_units.significant.sel(layer=1).all()
    assert of_units.attrs["test"] == "Wilcoxon signed-rank, paired by (session, channel)"
    nobody = layer_tests(ds.isel(unit=[]))
    assert nobody.p.isnull().all()
    assert nobody.attrs["note"] == (
        "untrained: nothing is compared: there are no units; spectrogram: nothing is compared: there are no units"
    )


def test_planted_simulations__hold_the_false_discovery_rate_among_what_is_found():
    star = runs(100, better={"whisper_tiny": [1, 2]})
    false = star[:, [0, 3, 4, 5]].sum(axis=(1, 2)) / np.maximum(star.sum(axis=(1, 2)), 1)
    assert false.mean() < LEVEL + 3 * false.std() / np.sqrt(100)
    assert star[:, [1, 2]].mean() > 0.99


def test_one_network_or_layer__is_tested_as_among_others():
    ds = simulate_results(["whisper_tiny", "wav2letter"], stimuli=["timit"], sessions=8, channels=4)
    tests = layer_tests(ds, correction=None)
    for selected in (
        {"network": "whisper_tiny"},
        {"layer": 1},
        {"layer": [1, 2]},
        {"network": "wav2letter", "layer": 1},
    ):
        of = layer_tests(ds.sel(selected), correction=None)
        assert of.against.values.tolist() == ["untrained"]
        assert "spectrogram 'cochleagram'" in of.attrs["left_out"]
        for network in of.network.values:
            for layer in of.layer.values:
                at = {"network": network, "layer": layer, "against": "untrained"}
                np.testing.assert_array_equal(of.p.sel(at), tests.p.sel(at))


@pytest.mark.parametrize(
    ("selected", "why"),
    [
        ({"weights": "trained"}, "nothing to test against: no weights 'reset' in these results"),
        ({"weights": ["trained", "reset"], "network": "cochleagram"}, "no network with trained weights"),
        ({"weights": "reset"}, "no network with trained weights"),
    ],
)
def test_what_was_selected_away__is_named(selected, why):
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=4, channels=2)
    with pytest.raises(DataError, match=why):
        layer_tests(ds.sel(selected))


def test_trained_weights_without_a_number__are_not_said_to_be_missing():
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=4, channels=2)
    with pytest.raises(DataError, match="no unit has a rho of trained weights"):
        layer_tests(ds.assign(rho=ds.rho * np.nan))


def test_tests__are_written_to_zarr_without_a_warning_and_read_back(tmp_path):
    tests = layer_tests(simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=4, channels=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tests.to_zarr(tmp_path / "tests.zarr", consolidated=False)
        read = xr.open_zarr(tmp_path / "tests.zarr", consolidated=False).load()
    assert describe(read) == describe(tests)

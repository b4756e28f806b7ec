"""Simulated results look like those of a study and hold the effects asked for."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import open_results, select_units, simulate_results
from distributed_trf.errors import DataError
from tests.round_trip import assert_written_and_read
from tests.small_results import write_small_study


def test_simulated_results__have_what_results_of_a_study_have(tmp_path):
    real = open_results(write_small_study(tmp_path / "study"))
    ds = simulate_results(sessions=3, channels=2)
    for name, variable in ds.variables.items():
        assert real[name].dims == variable.dims, name
        assert real[name].attrs == variable.attrs, name
        assert real[name].dtype.kind == variable.dtype.kind, name
        assert variable.dtype.kind in "fiU", name
    assert list(real.coords) == list(ds.coords)
    assert [name for name in real.data_vars if name in ds] == list(ds.data_vars)
    assert {name: type(value) for name, value in real.attrs.items()} == dict.fromkeys(real.attrs, str)
    assert_written_and_read(ds, tmp_path / "written")
    assert_written_and_read(real, tmp_path / "real")
    assert real.network.values.astype(str).tolist() == ["mel", "net"]
    np.testing.assert_allclose(ds.rho, ds.r / np.sqrt(ds.normaliser).expand_dims({}).broadcast_like(ds.r))


def test_simulated_results__are_those_of_their_seed_and_of_true_size_by_default():
    ds = simulate_results(["whisper_tiny"], seed=4)
    xr.testing.assert_identical(ds, simulate_results(["whisper_tiny"], seed=4))
    assert (ds.r != simulate_results(["whisper_tiny"], seed=5).r).any()
    assert (ds.sizes["unit"], len(set(ds.session.values))) == (1718, 41)
    assert 350 < select_units(ds, stimuli="timit", delta=0.5).sizes["unit"] < 450


def test_planted_gain__is_in_the_layers_asked_for_only():
    ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1, 4]}, gain=0.2)
    of = ds.rho.sel(network="whisper_tiny", stimuli="timit", bin_width=50.0)
    gain = (of.sel(weights="trained") - of.sel(weights="reset")).mean("unit").values[:6]
    np.testing.assert_allclose(gain, [0, 0.2, 0, 0, 0.2, 0], atol=0.01)


def validated_rho(ds):
    """The rho that cross-validation shows."""
    return np.sign(ds.cv_score) * np.sqrt(np.abs(ds.cv_score) / ds.normaliser)


def test_cv_score__shows_the_same_truth_with_smaller_errors_of_its_own():
    ds = simulate_results(["whisper_tiny"], weights=["trained"], stimuli=["timit"], seed=2)
    of = {"network": "whisper_tiny", "weights": "trained", "layer": slice(0, 5)}
    both = [rho.sel(of).squeeze(drop=True).transpose("layer", "unit") for rho in (ds.rho, validated_rho(ds))]
    tested, validated = (rho - rho.mean("layer") for rho in both)
    # Of equal truths, 0.045: tested with errors of 0.04, cross-validated with 0.01; six layers have five free numbers.
    np.testing.assert_allclose(tested.var() * 6 / 5, 0.045**2 + 0.04**2, rtol=0.06)
    np.testing.assert_allclose(validated.var() * 6 / 5, 0.045**2 + 0.01**2, rtol=0.06)
    np.testing.assert_allclose((tested * validated).mean() * 6 / 5, 0.045**2, rtol=0.08)
    np.testing.assert_allclose(
        (both[0] - both[1]).mean("layer").var(), 0.06**2 + 0.02**2 + (0.04**2 + 0.01**2) / 6, 0.1
    )


@pytest.mark.parametrize("within", [0.0, 0.3])
def test_within_session__is_the_correlation_of_levels_of_differences_and_of_errors(within):
    ds = simulate_results(["wav2vec2"], sessions=60, channels=20, within_session=within, seed=3)
    trained, reset = (ds.rho.sel(network="wav2vec2", weights=w, bin_width=50.0) for w in ("trained", "reset"))
    error = ds.rho.sel(network="wav2vec2", weights="trained") - validated_rho(ds).sel(
        network="wav2vec2", weights="trained"
    )
    for of in (trained, trained - reset, error.squeeze("bin_width")):
        values = of.dropna("layer").transpose("stimuli", "layer", "unit").values.reshape(-1, 60, 20)
        between, inside = values.mean(-1).var(-1, ddof=1).mean(), values.var(-1, ddof=1).mean()
        of_sessions = between - inside / 20
        np.testing.assert_allclose(of_sessions / (of_sessions + inside), within, atol=0.1 if of is trained else 0.04)


def test_within_session__of_no_correlation_is_refused():
    with pytest.raises(DataError, match=r"within_session is 1\.5; it is a correlation, from 0 to 1"):
        simulate_results(["whisper_tiny"], sessions=2, channels=2, within_session=1.5)


@pytest.mark.parametrize(
    ("better", "why"),
    [
        ({"whisper": [1]}, "'whisper' is not simulated; expected one of whisper_tiny"),
        ({"whisper_tiny": [1, 99]}, "layer 99 of 'whisper_tiny' is not simulated; expected layers 0 to 5"),
        ({"cochleagram": [0]}, "'cochleagram' is not simulated"),
    ],
)
def test_an_effect_of_what_is_not_simulated__is_an_error(better, why):
    with pytest.raises(DataError, match=why):
        simulate_results(["whisper_tiny"], sessions=3, better=better)

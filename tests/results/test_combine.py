"""Results of several studies stand side by side where they may."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import Study, combine_results, compare, open_results, simulate_results
from distributed_trf.config.study import RidgeSettings, StudySettings
from distributed_trf.errors import DataError
from distributed_trf.results.open_results import unpacked
from tests.round_trip import assert_written_and_read


def study(**changes):
    settings = {"name": "a", "recordings": {"format": "ucsf", "path": "r"}, "output": "o", "networks": [{"name": "n"}]}
    return StudySettings.model_validate(settings | changes).model_dump(mode="json")


@pytest.fixture(scope="module")
def whole():
    names = ["whisper_tiny", "deepspeech2"]
    return simulate_results(names, sessions=5, channels=4).assign_attrs(study=study(), method="m")


def same(a, b):
    """Whether two datasets hold the same numbers under the same labels."""
    assert set(a.coords) == set(b.coords)
    order = {dim: a[dim].values for dim in ("stimuli", "network", "weights", "layer", "bin_width")}
    b = b.sel(order)
    for name in a.variables:
        if name not in a.dims:
            one, other = (ds[name].transpose(*a[name].dims).values for ds in (a, b))
            np.testing.assert_array_equal(one, other, err_msg=str(name))


def test_networks_and_weights__of_two_studies_become_one_dataset(whole, tmp_path):
    first = whole.sel(network=["cochleagram", "whisper_tiny"], weights=["fixed", "trained"], layer=list(range(6)))
    second = whole.sel(network=["deepspeech2", "whisper_tiny"], weights=["reset", "trained"])
    found = combine_results(first, second)
    gone = {"network": "deepspeech2", "weights": "fixed"}
    assert found.rho.sel(gone).isnull().all()
    assert found.rho.sel(network="whisper_tiny", weights="reset").notnull().sum() == 2 * 6 * 20
    same(whole, found)
    assert [s["study"]["name"] for s in unpacked(found.attrs)["studies"]] == ["a", "a"]
    assert_written_and_read(found, tmp_path)
    xr.testing.assert_allclose(
        compare(found.sel(weights="trained"), found.sel(weights="reset")),
        compare(whole.sel(weights="trained"), whole.sel(weights="reset")).sel(network=found.network.values),
    )


def test_sessions_and_stimulus_sets__of_two_studies_become_one_dataset(whole):
    of = whole.session.values
    first, second = (whole.isel(unit=np.isin(of, part)) for part in (["180413", "180501"], ["180501", *set(of[8:])]))
    found = combine_results(first.sel(stimuli=["timit"]), second.sel(stimuli=["mvocs", "timit"]))
    keys = list(zip(found.session.values, found.channel.values, strict=True))
    assert len(keys) == len(set(keys)) == first.sizes["unit"] + second.sizes["unit"] - 4
    assert found.rho.sel(stimuli="mvocs").isel(unit=np.isin(found.session, ["180413"])).isnull().all()
    alone = found.isel(unit=np.isin(found.session, second.session)).sel(stimuli=["mvocs", "timit"])
    np.testing.assert_array_equal(np.sort(alone.rho.values.ravel()), np.sort(second.rho.values.ravel()))
    core = alone.isel(unit=alone.session.values == "180501")
    assert set(core.area.values) == {"core"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lags": {"tmax": 0.3}}, "lags is .*'tmax': 0.2.* in the first study and .*'tmax': 0.3.* in study 2"),
        ({"delay": 0.1}, "delay is 0.0 in the first study and 0.1"),
        ({"training": "mean"}, "training is first in the first study and mean in study 2"),
        ({"ridge": {"n_folds": 5}}, "ridge is .*'n_folds': 3"),
        ({"ridge": {"alphas": [1.0]}}, r"ridge is .*'alphas': \[1.0\].* in study 2"),
        ({"ridge": {"seed": 1}}, "ridge is .*'seed': 1.* in study 2"),
        ({"ridge": {"standardize": False}}, "ridge is .*'standardize': False.* in study 2"),
        ({"ridge": {"scaling": "per_session"}}, "ridge is .*'scaling': 'per_session'.* in study 2"),
        ({"ridge": {"folds": "per_session"}}, "ridge is .*'folds': 'per_session'.* in study 2"),
        ({"ridge": {"precision": "float32"}}, "ridge is .*'precision': 'float32'.* in study 2"),
        ({"reliability": {"draws": 7}}, "reliability is .*'draws': 100000"),
    ],
)
def test_other_settings__are_refused(whole, changes, message):
    with pytest.raises(DataError, match=message):
        combine_results(whole, whole.assign_attrs(study=study(**changes)))


def test_settings_that_change_no_number__may_differ(whole):
    other = whole.assign_attrs(study=study(ridge={"unit_block": 7, "solver": "eigh"}, reliability=None, name="b"))
    same(whole, combine_results(whole, other))
    before = {name: value for name, value in study().items() if name != "training"}  # as earlier versions wrote it
    same(whole, combine_results(whole, whole.assign_attrs(study=before)))
    known = {"alphas", "n_folds", "seed", "standardize", "unit_block", "scaling", "folds", "solver", "precision"}
    assert set(RidgeSettings.model_fields) == known  # a new one must be sorted into those that must agree, or not


def test_other_numbers_for_the_same_fit__are_refused_with_their_place(whole):
    other = whole.copy(deep=True)
    other["r"].loc[{"stimuli": "mvocs", "network": "deepspeech2", "weights": "reset", "layer": 3}] += 0.5
    with pytest.raises(
        DataError, match=r"r is .* in study 2 at stimuli mvocs, network deepspeech2, weights reset, layer 3"
    ):
        combine_results(whole, other)
    moved = whole.assign_coords(area=("unit", ["belt"] * whole.sizes["unit"]))
    with pytest.raises(DataError, match="area is '.*' in the first study and 'belt' in study 2"):
        combine_results(whole, moved)


def test_results_that_say_nothing_of_their_study__are_refused(whole):
    with pytest.raises(DataError, match=r"attrs\['study'\]"):
        combine_results(whole, whole.drop_attrs())
    with pytest.raises(DataError, match="at least one"):
        combine_results()


def test_two_studies_of_the_same_recordings__combine(write_study):
    for k, name in enumerate(("mel_librosa", "mel_deepspeech2")):
        write_study(networks=[{"name": name}], output=f"study{k}", name=name)
        assert Study.load("study.yaml").run(recipe=None).ok
    found = combine_results(open_results("study0"), open_results("study1"))
    assert found.network.values.tolist() == ["mel_librosa", "mel_deepspeech2"]
    for k, name in enumerate(found.network.values):
        np.testing.assert_array_equal(found.r.sel(network=name), open_results(f"study{k}").r.sel(network=name))
        assert found.layer_type.sel(network=name) == "spectrogram"

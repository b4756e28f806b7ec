"""Draws of single units, made again, are those behind the stored numbers."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

from distributed_trf import open_results
from distributed_trf.errors import StoreError
from distributed_trf.results.inter_trial_draws import inter_trial_draws
from distributed_trf.store.study_store import StudyStore
from tests.small_results import write_small_study
from tests.store_damage import vouch_for_changes


def test_inter_trial_draws__have_the_means_medians_and_spread_that_the_study_stored(saved_study):
    ds = open_results(saved_study).sel(stimuli="timit", bin_width=50.0).load()
    assert ds.normaliser.notnull().all()
    assert ds.sizes["unit"] == 6
    for unit in range(ds.sizes["unit"]):
        of = ds.isel(unit=unit)
        draws = inter_trial_draws(saved_study, of.session.item(), of.channel.item())
        assert draws.sizes == {"draw": 500}
        found = [draws.true.mean(), draws.true.median(), draws.null.mean(), draws.null.median(), draws.null.std()]
        stored = [of[n] for n in ("normaliser", "normaliser_median", "null_mean", "null_median", "null_std")]
        np.testing.assert_allclose(found, stored, rtol=0, atol=1e-12)
        assert draws.true.std() > 0


def test_inter_trial_draws__of_a_unit_or_session_that_is_not_there(saved_study):
    session = str(open_results(saved_study).session.values[0])
    with pytest.raises(StoreError, match=rf"session {session} has no channel 'Ch9'; there are Ch1, "):
        inter_trial_draws(saved_study, session, "Ch9")
    with pytest.raises(StoreError, match="no responses of session 111111 to timit at 50 ms"):
        inter_trial_draws(saved_study, "111111", "Ch1")


def test_inter_trial_draws__of_results_without_responses(tmp_path):
    with pytest.raises(StoreError, match="no features or responses are stored yet, and imported results have none"):
        inter_trial_draws(write_small_study(tmp_path / "study"), "s1", "1")


@pytest.fixture
def own_copy(tmp_path, saved_study):
    shutil.copytree(saved_study, tmp_path / "study")
    return StudyStore.open(tmp_path / "study")


def test_inter_trial_draws__without_reliability_in_the_study(own_copy):
    group = zarr.open_group(own_copy.results, mode="r+")
    group.attrs.update({"study": {**group.attrs["study"], "reliability": None}})
    vouch_for_changes(own_copy, own_copy.results)
    session = str(open_results(own_copy.root).session.values[0])
    with pytest.raises(StoreError, match="measured no reliability; set `reliability` and run it"):
        inter_trial_draws(own_copy.root, session, "Ch1")


def test_inter_trial_draws__of_a_unit_without_a_spike(own_copy):
    ds = open_results(own_copy.root)
    session, channel = str(ds.session.values[0]), str(ds.channel.values[0])
    test = zarr.open_group(own_copy.responses("timit", 50.0, session), mode="r+")["test"]
    test[..., 0] = np.zeros_like(test[..., 0])
    vouch_for_changes(own_copy, own_copy.responses("timit", 50.0, session))
    with pytest.raises(StoreError, match=f"session {session}, channel {channel} never varies in the test stimuli"):
        inter_trial_draws(own_copy.root, session, channel)


def test_inter_trial_draws__of_responses_that_the_results_do_not_follow_from(own_copy):
    ds = open_results(own_copy.root)
    session, channel = str(ds.session.values[0]), str(ds.channel.values[0])
    test = zarr.open_group(own_copy.responses("timit", 50.0, session), mode="r+")["test"]
    test[:] = test[:][::-1]
    vouch_for_changes(own_copy, own_copy.responses("timit", 50.0, session))
    with pytest.raises(StoreError, match=f"the normaliser of session {session}, channel {channel} is .*run the study"):
        inter_trial_draws(own_copy.root, session, channel)

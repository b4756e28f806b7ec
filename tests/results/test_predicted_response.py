"""Counts, sound and prediction of one unit and sound belong together, bin by bin."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

from distributed_trf import open_models, open_recordings, open_results
from distributed_trf.errors import StoreError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.results.best_predicted import predicted_response
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from tests.store_damage import vouch_for_changes

MEL = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}


@pytest.fixture
def best_unit(saved_study):
    """Session and channel of the unit that repeats itself best."""
    of = open_results(saved_study).sel(stimuli="timit", bin_width=50.0)
    unit = int(of.normaliser.argmax("unit"))
    return str(of.session.values[unit]), str(of.channel.values[unit])


def ids_of_test_sounds(folder, unit):
    return load_responses(StudyStore.open(folder), "timit", 50.0, unit[0]).test_ids


def test_predicted_response__has_the_counts_of_the_recordings(saved_study, recordings, best_unit):
    found = open_recordings("ucsf", recordings)
    session = next(s for s in found.sessions if s.name == best_unit[0])
    stimuli = found.stimuli("timit")
    counts = bin_spikes(found.spikes(session, "timit"), stimuli, 50.0, session=session.name)
    unit = session.channels.index(best_unit[1])
    for stimulus in (counts.test_ids[0], counts.test_ids[3]):
        response = predicted_response(saved_study, *best_unit, **MEL, stimulus=stimulus)
        np.testing.assert_array_equal(response["count"], counts.test_trials[stimulus][:, :, unit])
        np.testing.assert_allclose(response.time, 0.05 * np.arange(counts.bins[stimulus]))
        sounds, sfreq = found.sounds("timit")
        np.testing.assert_array_equal(response.sound, sounds[stimulus])
        assert response.attrs["sfreq"] == sfreq
    assert predicted_response(saved_study, *best_unit, **MEL).stimulus == counts.test_ids[0]


def test_predicted_response__is_in_step_with_the_responses(saved_study, best_unit):
    """No shift between mean response and prediction fits better than none; published predictions were 7 bins late."""
    shifts = range(-8, 9)
    together = np.zeros(len(shifts))
    ids = ids_of_test_sounds(saved_study, best_unit)
    for stimulus in ids:
        response = predicted_response(saved_study, *best_unit, **MEL, stimulus=stimulus)
        mean, predicted = response["count"].mean("repeat").values, response.predicted.values
        inner = slice(8, -8)
        together += [np.corrcoef(mean[inner], np.roll(predicted, shift)[inner])[0, 1] for shift in shifts]
    assert shifts[int(together.argmax())] == 0
    assert together.max() / len(ids) > 0.5


def test_predicted_response__is_the_prediction_and_score_of_the_study(saved_study, best_unit):
    session, channel = best_unit
    model = open_models(saved_study).sel(network="mel_librosa", layer=0)
    stored = open_results(saved_study).sel(stimuli="timit", network="mel_librosa", weights="fixed", layer=0)
    unit = np.flatnonzero((stored.session == session) & (stored.channel == channel))
    ids = ids_of_test_sounds(saved_study, best_unit)
    responses = [predicted_response(saved_study, session, channel, **MEL, stimulus=i) for i in ids]
    for stimulus, response in zip(ids, responses, strict=True):
        predicted = model.predict([stimulus], [session], [channel])
        np.testing.assert_array_equal(response.predicted, predicted.values[:, 0])
        assert response.r.item() == stored.r.sel(bin_width=50.0).values[unit].item()
        np.testing.assert_allclose(response.rho, stored.rho.sel(bin_width=50.0).values[unit])
    counts = np.concatenate([response["count"].values for response in responses], axis=1)
    together = np.concatenate([response.predicted.values for response in responses])
    r = np.mean([np.corrcoef(repeat, together)[0, 1] for repeat in counts])
    np.testing.assert_allclose(r, responses[0].r, atol=1e-6)


def test_predicted_response__of_a_study_with_a_delay_begins_later(tmp_path, saved_study, best_unit):
    shutil.copytree(saved_study, tmp_path / "study")
    store = StudyStore.open(tmp_path / "study")
    group = zarr.open_group(store.results, mode="r+")
    group.attrs.update({"study": {**group.attrs["study"], "delay": 0.1}})
    vouch_for_changes(store, store.results)
    later = predicted_response(tmp_path / "study", *best_unit, **MEL)
    at_once = predicted_response(saved_study, *best_unit, **MEL)
    np.testing.assert_allclose(later.time, at_once.time + 0.1)
    np.testing.assert_array_equal(later.predicted, at_once.predicted)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"stimulus": "nonsense"}, "'nonsense' is no test stimulus of timit, which alone are repeated; there are "),
        ({"layer": 3}, "no model of timit, mel_librosa, fixed, layer 3, 50 ms; in store: timit, mel_librosa"),
        ({"channel": "Ch9"}, "no channel 'Ch9'"),
        ({"session": "s9"}, "no responses of session s9 to timit at 50 ms"),
    ],
)
def test_predicted_response__of_what_is_not_there(saved_study, best_unit, changed, match):
    asked = {"session": best_unit[0], "channel": best_unit[1], **MEL, **changed}
    with pytest.raises(StoreError, match=match):
        predicted_response(saved_study, **asked)

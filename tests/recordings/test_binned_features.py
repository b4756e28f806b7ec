"""Features read on bins, against scipy's resampling of all the frames that a network gave."""

from __future__ import annotations

import threading
from threading import Event

import array_api_strict
import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import binned_features
from distributed_trf.errors import DataError, StoreError
from distributed_trf.features.resample import kept_frames, to_bins
from distributed_trf.recordings import binned_features as binned
from distributed_trf.recordings.binned_features import binned_batches
from distributed_trf.store.feature_arrays import create_features, write_batch
from distributed_trf.store.features import FeatureLayout, NetworkFeatures, StoredLayer

LEAD_IN = 0.35
DURATIONS = {"a": 1.37, "b": 2.003, "c": 0.94}
RATES = {0: 400.0, 1: 50.0}


def bins(seconds, bin_width):
    return int((seconds + 1e-6 + bin_width / 2000) // (bin_width / 1000))


def n_rows(stimulus, bin_width):
    return bins(DURATIONS[stimulus], bin_width) + bins(LEAD_IN, bin_width)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Features in store, of which the faster layer's are kept at about 100 Hz, and all frames that there were."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("features") / "reset.zarr"
    frames, layers = {}, []
    for layer, rate in RATES.items():
        native = {s: int(rate * (seconds + LEAD_IN)) for s, seconds in DURATIONS.items()}
        kept = tuple(kept_frames(rate, native[s], seconds + LEAD_IN) for s, seconds in DURATIONS.items())
        layers.append(StoredLayer(layer, f"m{layer}", "conv", rate, 3, tuple(native.values()), kept))
        frames[layer] = {s: (rng.normal(size=(n, 3)) + 2).astype(np.float32) for s, n in native.items()}
    layout = FeatureLayout(tuple(DURATIONS), tuple(DURATIONS.values()), (2, 1), tuple(layers), LEAD_IN)
    create_features(path, layout)
    for batch, (first, last) in enumerate(layout.batch_borders):
        write_batch(
            path,
            batch,
            {
                x.id: [
                    to_bins(frames[x.id][layout.stimuli[k]], x.frames[k]).astype(np.float32) for k in range(first, last)
                ]
                for x in layers
            },
        )
    return NetworkFeatures(path), frames


@pytest.mark.parametrize("layer", RATES)
@pytest.mark.parametrize("bin_width", [10, 20, 50, 80, 300])
def test_bins__are_those_of_all_frames(made, layer, bin_width):
    features, frames = made
    found = dict(binned_features(features, layer, bin_width))
    assert list(found) == list(DURATIONS)
    for stimulus, x in found.items():
        expected = resample(frames[layer][stimulus].astype(float), n_rows(stimulus, bin_width), axis=0)
        assert x.dtype == np.float64
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", RATES)
def test_whole_stimuli__hold_the_sum_of_all_frames(made, layer):
    features, frames = made
    for stimulus, x in binned_features(features, layer, 1000):
        np.testing.assert_allclose(x, frames[layer][stimulus].astype(float).sum(axis=0, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("layer", RATES)
@pytest.mark.parametrize("bin_width", [20, 50])
@pytest.mark.parametrize("cut", [50, 80, 100, 500, 800])
def test_lowpass__is_the_published_way_there_and_back(made, layer, bin_width, cut):
    features, frames = made
    for stimulus, x in binned_features(features, layer, bin_width, lowpass_bin=cut):
        native = frames[layer][stimulus].astype(float)
        expected = resample(resample(native, n_rows(stimulus, cut), axis=0), n_rows(stimulus, bin_width), axis=0)
        np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


def test_lowpass__at_the_bin_width_changes_nothing(made):
    features, _ = made
    for (_, plain), (_, lowpass) in zip(
        binned_features(features, 0, 20), binned_features(features, 0, 20, lowpass_bin=20), strict=True
    ):
        np.testing.assert_array_equal(plain, lowpass)


def test_some_stimuli__come_in_the_order_asked_for(made):
    features, _ = made
    everything = dict(binned_features(features, 1, 50, lowpass_bin=100))
    some = list(binned_features(features, 1, 50, lowpass_bin=100, stimuli=["c", "a"]))
    assert [stimulus for stimulus, _ in some] == ["c", "a"]
    for stimulus, x in some:
        np.testing.assert_array_equal(x, everything[stimulus])


def test_features__are_read_as_they_are_asked_for(made, monkeypatch):
    features, _ = made
    read = []
    monkeypatch.setattr(features, "frames", lambda layer, i: read.append(i) or made[1][layer][i])
    lazily = binned_features(features, 1, 50, stimuli=["a", "b"])
    assert read == []
    next(lazily)
    assert read == ["a"]


def test_what_cannot_be_read__is_named(made):
    features, _ = made
    with pytest.raises(StoreError, match="no layer 7; the stored layers are 0, 1"):
        next(binned_features(features, 7, 50))
    with pytest.raises(StoreError, match="no stimulus 'z'"):
        next(binned_features(features, 0, 50, stimuli=["z"]))
    with pytest.raises(DataError, match="cannot resample to 0 bins"):
        next(binned_features(features, 0, 50, lowpass_bin=5000))


def test_layers_side_by_side__are_those_of_each(made):
    features, _ = made
    alone = [dict(binned_features(features, layer, 50)) for layer in (1, 0)]
    batches = list(binned_batches(features, [1, 0], 50))
    assert [list(batch) for batch in batches] == [["a", "b"], ["c"]]
    for batch in batches:
        for stimulus, x in batch.items():
            np.testing.assert_array_equal(x, np.concatenate([one[stimulus] for one in alone], axis=1))


@pytest.mark.parametrize(("bin_width", "cut"), [(50, None), (20, 100), (1000, None)])
def test_a_device__gets_each_layer_of_a_batch_in_one_copy(made, monkeypatch, bin_width, cut):
    features, copies = made[0], []
    on_host = list(binned_batches(features, [0, 1], bin_width, lowpass_bin=cut))

    def to_device(array, device):
        copies.append((array.dtype, array.shape))
        return array_api_strict.asarray(array)

    monkeypatch.setattr(binned, "to_device", to_device)
    on_device = list(binned_batches(features, [0, 1], bin_width, lowpass_bin=cut, device="cuda"))
    layers = [features.layer(layer) for layer in (0, 1)]
    assert copies == [(np.float32, (sum(x.frames[a:b]), 3)) for a, b in features.layout.batch_borders for x in layers]
    for host, device in zip(on_host, on_device, strict=True):
        assert list(host) == list(device)
        for stimulus, x in device.items():
            assert x.dtype == array_api_strict.float64
            np.testing.assert_allclose(np.asarray(x), host[stimulus], rtol=0, atol=1e-12 * np.abs(host[stimulus]).max())


def test_the_next_batch__is_read_while_one_is_worked_on(made, monkeypatch):
    features, read = made[0], [Event(), Event()]
    rows = features.rows
    monkeypatch.setattr(features, "rows", lambda layer, batch: read[batch].set() or rows(layer, batch))
    batches = binned_batches(features, [0], 50)
    assert not read[0].is_set()
    next(batches)
    assert read[1].wait(10)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]

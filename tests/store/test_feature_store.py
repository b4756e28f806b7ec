"""Features on disk: what is written comes back bit by bit, and what is missing or damaged is never read as numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DamagedError, FeatureError, StoreError
from distributed_trf.store.feature_arrays import (
    allocate_feature_arrays,
    create_features,
    drop_layers,
    stored_layers,
    to_float16,
    write_batch,
)
from distributed_trf.store.features import FeatureLayout, NetworkFeatures, StoredLayer, open_features
from distributed_trf.store.receipts import Receipt, write_receipt
from distributed_trf.store.study_store import StudyStore
from tests.store_damage import flip_a_bit

LAYOUT = FeatureLayout(
    stimuli=("a", "b", "c"),
    durations=(0.06, 0.04, 0.02),
    batches=(2, 1),
    layers=(
        StoredLayer(0, "conv", "conv", 200.0, 3, (16, 12, 8), (8, 6, 4)),
        StoredLayer(4, "block", "transformer", 50.0, 2, (4, 3, 2), (4, 3, 2)),
    ),
    lead_in=0.02,
)


def random_features(layout: FeatureLayout, seed: int = 0) -> dict[int, list[np.ndarray]]:
    """Frames of every stimulus by layer id."""
    rng = np.random.default_rng(seed)
    return {x.id: [rng.normal(size=(n, x.width)).astype(np.float32) for n in x.frames] for x in layout.layers}


def batch_of(layout: FeatureLayout, features: dict[int, list[np.ndarray]], batch: int) -> dict[int, list[np.ndarray]]:
    first, last = layout.batch_borders[batch]
    return {layer: stimuli[first:last] for layer, stimuli in features.items()}


@pytest.fixture
def written(tmp_path):
    """A store with everything written: its path and the features."""
    path, features = tmp_path / "fixed.zarr", random_features(LAYOUT)
    create_features(path, LAYOUT)
    for batch in range(2):
        write_batch(path, batch, batch_of(LAYOUT, features, batch))
    return path, features


@st.composite
def layouts(draw):
    batches = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    counts = st.lists(st.integers(0, 9), min_size=sum(batches), max_size=sum(batches)).filter(any)
    layers = []
    for k in range(draw(st.integers(1, 3))):
        frames = tuple(draw(counts))
        native = tuple(n + draw(st.integers(0, 3)) for n in frames)
        layers.append(StoredLayer(k, f"m{k}", "conv", 50.0, draw(st.integers(1, 4)), native, frames))
    stimuli, seconds = tuple(f"s{k}" for k in range(sum(batches))), tuple(0.1 * k for k in range(sum(batches)))
    return FeatureLayout(stimuli, seconds, tuple(batches), tuple(layers), 0.35)


@settings(max_examples=40)
@given(layout=layouts(), random=st.randoms())
def test_features__any_frames_and_batches_come_back_bit_by_bit(layout, random):
    features = random_features(layout)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.zarr"
        create_features(path, layout)
        order = list(range(len(layout.batches)))
        random.shuffle(order)
        for batch in order:
            write_batch(path, batch, batch_of(layout, features, batch))
        stored = NetworkFeatures(path)
        assert stored.layout == layout
        for layer in layout.layers:
            for (stimulus, frames), expected in zip(stored.iterate(layer.id), features[layer.id], strict=True):
                assert frames.dtype == np.float32
                np.testing.assert_array_equal(frames, expected, strict=True)
                np.testing.assert_array_equal(stored.frames(layer.id, stimulus), expected, strict=True)
            assert [s for s, _ in stored.iterate(layer.id)] == list(layout.stimuli)


def test_write_batch__a_batch_without_frames_is_no_error(tmp_path):
    layer = StoredLayer(0, "m", "conv", 50.0, 2, (0, 3), (0, 3))
    layout = replace(LAYOUT, stimuli=("a", "b"), durations=(0.0, 0.04), batches=(1, 1), layers=(layer,))
    create_features(tmp_path / "x.zarr", layout)
    write_batch(tmp_path / "x.zarr", 0, {0: [np.zeros((0, 2), np.float32)]})
    assert NetworkFeatures(tmp_path / "x.zarr").frames(0, "a").shape == (0, 2)


def test_write_batch__fills_only_its_own_chunk(tmp_path):
    path, features = tmp_path / "x.zarr", random_features(LAYOUT)
    create_features(path, LAYOUT)
    write_batch(path, 1, batch_of(LAYOUT, features, 1))
    files = sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file() and f.name != "zarr.json")
    assert files == ["0/c/1/0", "4/c/1/0"]
    before = {f: ((path / f).stat().st_mtime_ns, (path / f).read_bytes()) for f in files}
    write_batch(path, 0, batch_of(LAYOUT, features, 0))
    assert {f: ((path / f).stat().st_mtime_ns, (path / f).read_bytes()) for f in files} == before


def test_write_batch__written_twice_is_the_same_bytes(written):
    path, features = written
    before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}
    write_batch(path, 0, batch_of(LAYOUT, features, 0))
    assert {f: f.read_bytes() for f in path.rglob("*") if f.is_file()} == before


def test_write_batch__more_frames_than_were_promised_are_refused(written):
    path, features = written
    with pytest.raises(ValueError, match="wrong shape"):
        write_batch(path, 1, {0: [np.zeros((15, 3), np.float32)]})
    np.testing.assert_array_equal(NetworkFeatures(path).frames(0, "c"), features[0][2])


def test_layout__first_rows_and_slot_leave_every_batch_a_chunk_of_its_own():
    conv, block = LAYOUT.layers
    assert (LAYOUT.slot(conv), LAYOUT.slot(block)) == (14, 7)
    assert LAYOUT.first_rows(conv) == [0, 8, 14]
    assert LAYOUT.first_rows(block) == [0, 4, 7]
    assert LAYOUT.bytes == 4 * 2 * (14 * 3 + 7 * 2)


def test_float16__halves_what_is_stored_and_is_read_as_float32(tmp_path):
    path, layout = tmp_path / "x.zarr", replace(LAYOUT, number="float16")
    features = {k: to_float16(stimuli, str(k))[0] for k, stimuli in random_features(layout).items()}
    create_features(path, layout)
    for batch in range(2):
        write_batch(path, batch, batch_of(layout, features, batch))
    assert layout.bytes == LAYOUT.bytes / 2 == sum(a.nbytes for _, a in zarr.open_group(path, mode="r").arrays())
    stored = NetworkFeatures(path)
    for layer, stimuli in features.items():
        expected = [f.astype(np.float32) for f in stimuli]
        for stimulus, frames in zip(layout.stimuli, expected, strict=True):
            np.testing.assert_array_equal(stored.frames(layer, stimulus), frames, strict=True)
        np.testing.assert_array_equal(stored.rows(layer, 0), np.concatenate(expected[:2]), strict=True)


@given(st.integers(0, 2**32 - 1), st.floats(-4, 4), st.floats(0, 2000))
def test_float16__says_of_how_many_features_it_takes_more_than_a_twentieth(seed, magnitude, offset):
    rng = np.random.default_rng(seed)
    frames = rng.normal(size=(400, 3)) * 10.0**magnitude * [1, 1, 0] + [0, offset * 10.0**magnitude, 7]
    stimuli = np.split(frames.astype(np.float32), [100])
    if np.abs(frames).max() > np.finfo(np.float16).max:
        with pytest.raises(FeatureError, match=r"layer 0 has a feature of .*, and extraction.store is float16.*65504"):
            to_float16(stimuli, "layer 0")
        return
    rounded, notes = to_float16(stimuli, "layer 0")
    exact = np.concatenate(stimuli).astype(float)
    lost = np.std(np.concatenate(rounded) - exact, axis=0)[:2] / exact.std(axis=0)[:2]
    losing, most = np.count_nonzero(lost > 0.05), f"up to {lost.max():.0%}"
    told = f"float16 takes more than 5% of the deviation of {losing} of the 3 features of layer 0, {most}; extraction"
    assert notes == ([f"{told}.store: float32 keeps all"] if losing else [])
    if offset < 1 and magnitude > -1:
        assert not notes


def test_float16__of_no_frames_has_nothing_to_say():
    (rounded,), notes = to_float16([np.zeros((0, 3), np.float32)], "layer 0")
    assert (rounded.shape, rounded.dtype, notes) == ((0, 3), np.float16, [])


def test_stimuli__are_found_by_any_reader_of_zarr(written):
    path, features = written
    group = zarr.open_group(path, mode="r")
    stimuli = group.attrs["layout"]["stimuli"]
    for layer, expected in features.items():
        array = group[str(layer)]
        for k in range(len(stimuli)):
            first, count = (array.attrs[name][k] for name in ("first_row", "row_count"))
            np.testing.assert_array_equal(array[first : first + count], expected[k], strict=True)


@pytest.mark.parametrize(
    "other",
    [
        replace(LAYOUT, stimuli=("a", "c", "b")),
        replace(LAYOUT, durations=(0.06, 0.04, 0.03)),
        replace(LAYOUT, batches=(1, 2)),
        replace(LAYOUT, lead_in=0.021),
        replace(LAYOUT, number="float16"),
        *(
            replace(LAYOUT, layers=(replace(LAYOUT.layers[0], **change), LAYOUT.layers[1]))
            for change in (
                {"name": "other"},
                {"type": "rnn"},
                {"rate": 50.0},
                {"width": 4},
                {"frames": (8, 6, 5)},
                {"native": (16, 12, 9)},
            )
        ),
    ],
)
def test_lay_features__of_another_layout_loses_what_was_there_and_says_so_first(study, other):
    store, lost = StudyStore.open(study), []
    path = store.features("timit", "mel", "fixed")
    allocate_feature_arrays(store, path, LAYOUT, lambda: lost.append("same"))
    assert lost == []
    assert len(list(path.rglob("c/*/0"))) == 4
    allocate_feature_arrays(store, path, other, lambda: lost.append(len(list(path.rglob("c/*/0")))))
    assert lost == [4]
    assert NetworkFeatures(path).layout == other
    assert not list(path.rglob("c/*/0"))


@pytest.mark.parametrize("record", [True, False])
def test_lay_features__damaged_metadata_is_made_again_and_no_frame_is_lost(study, record):
    store, key = StudyStore.open(study), ("timit", "mel", "fixed")
    path = store.features(*key)
    before = {f: f.read_bytes() for f in study.rglob("*") if f.is_file()}
    flip_a_bit(path / "4/zarr.json", 40)
    if record:
        flip_a_bit(path / "zarr.json", 40)
    else:
        (store.allocations / "features/timit/mel/fixed.json").unlink()
    allocate_feature_arrays(store, path, LAYOUT, lambda: pytest.fail("nothing is to be lost"))
    assert {f: f.read_bytes() for f in study.rglob("*") if f.is_file()} == before


def test_open_features__a_chunk_that_is_lost_or_lies_in_the_wrong_place_is_named(study):
    path = StudyStore.open(study).features("timit", "mel", "fixed")
    right = path / "0/c/0/0"
    right.write_bytes((path / "0/c/1/0").read_bytes())
    with pytest.raises(DamagedError, match=r"fixed\.zarr/0/c/0/0: damaged, .*`dtrf repair STUDY`"):
        open_features(study)["timit", "mel", "fixed"].frames(0, "a")
    right.unlink()
    with pytest.raises(DamagedError, match=r"fixed\.zarr/0/c/0/0: cannot be read \(No such file"):
        open_features(study)["timit", "mel", "fixed"].frames(0, "a")


def test_layers__are_added_beside_those_that_are_there_and_taken_away(study):
    store, (first, second) = StudyStore.open(study), LAYOUT.layers
    path, features = store.features("timit", "mel", "fixed"), random_features(LAYOUT)
    new = replace(second, id=7, name="new")
    assert not allocate_feature_arrays(store, path, replace(LAYOUT, layers=(second,)), lambda: pytest.fail("is there"))
    assert not allocate_feature_arrays(store, path, replace(LAYOUT, layers=(new,)), lambda: pytest.fail("is beside"))
    assert [layer.id for layer in stored_layers(store, path)] == [first.id, second.id, 7]
    of = open_features(study)["timit", "mel", "fixed"]
    for k, stimulus in enumerate(LAYOUT.stimuli):
        np.testing.assert_array_equal(of.frames(first.id, stimulus), features[first.id][k])
    with pytest.raises(StoreError, match="is not stored"):
        of.frames(7, "a")
    drop_layers(store, path, [first.id])
    assert [layer.id for layer in stored_layers(store, path)] == [second.id, 7]
    assert not (path / str(first.id)).exists()
    assert [*open_features(study)["timit", "mel", "fixed"].iterate(second.id)][0][0] == "a"


def test_create_features__replaces_what_was_there(written):
    path, _ = written
    create_features(path, replace(LAYOUT, batches=(1, 2)))
    assert not list(path.rglob("c/*"))
    assert NetworkFeatures(path).layout == replace(LAYOUT, batches=(1, 2))


def test_batch_that_was_not_written__is_missing_and_not_nan(tmp_path):
    path, features = tmp_path / "x.zarr", random_features(LAYOUT)
    create_features(path, LAYOUT)
    write_batch(path, 0, batch_of(LAYOUT, features, 0))
    stored = NetworkFeatures(path)
    message = r"x\.zarr: stimulus 'c' of layer 4 is not stored; run the study .*`dtrf repair STUDY`"
    np.testing.assert_array_equal(stored.frames(4, "b"), features[4][1])
    with pytest.raises(StoreError, match=message):
        stored.frames(4, "c")
    read = stored.iterate(4)
    assert [next(read)[0], next(read)[0]] == ["a", "b"]
    with pytest.raises(StoreError, match=message):
        next(read)


@pytest.mark.parametrize("bit", [0, 12, -40, -1])
def test_flipped_bit__is_noticed_and_its_array_named(written, bit):
    path, features = written
    flip_a_bit(path / "4/c/0/0", bit)
    stored = NetworkFeatures(path)
    with pytest.raises(StoreError, match=r"fixed\.zarr/4: a chunk cannot be read .*`dtrf repair STUDY`"):
        stored.frames(4, "a")
    with pytest.raises(StoreError, match=r"fixed\.zarr/4: a chunk cannot be read"):
        list(stored.iterate(4))
    np.testing.assert_array_equal(stored.frames(4, "c"), features[4][2])
    np.testing.assert_array_equal(stored.frames(0, "a"), features[0][0])


def test_truncated_chunk__is_noticed(written):
    path, _ = written
    chunk = path / "0/c/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"fixed\.zarr/0: a chunk cannot be read"):
        NetworkFeatures(path).frames(0, "a")


def test_torn_metadata__is_named(written):
    path, _ = written
    (path / "zarr.json").write_text('{"zarr_format": 3, "node')
    with pytest.raises(StoreError, match=r"fixed\.zarr: cannot be opened as a zarr group .*`dtrf repair STUDY`"):
        NetworkFeatures(path)


def test_array_that_is_gone__is_named(written):
    path, _ = written
    shutil.rmtree(path / "4")
    with pytest.raises(StoreError, match=r"fixed\.zarr: array 4 is missing"):
        NetworkFeatures(path).frames(4, "a")


def test_unknown_layer_and_stimulus__are_told_what_there_is(written):
    stored = NetworkFeatures(written[0])
    with pytest.raises(StoreError, match=r"fixed\.zarr: no layer 1; the stored layers are 0, 4"):
        stored.frames(1, "a")
    with pytest.raises(StoreError, match=r"fixed\.zarr: no stimulus 'z' among the 3 stored ones"):
        stored.frames(0, "z")


@pytest.fixture
def study(tmp_path):
    """A study's folder with the features of two networks."""
    store = StudyStore.create(tmp_path / "study")
    for key, seed in ((("timit", "mel", "fixed"), 0), (("timit", "net", "reset"), 1)):
        path, features = store.features(*key), random_features(LAYOUT, seed)
        allocate_feature_arrays(store, path, LAYOUT, lambda: None)
        for batch in range(2):
            files = {store.name(path): write_batch(path, batch, batch_of(LAYOUT, features, batch))}
            write_receipt(store, "extract", f"{'-'.join(key)}-{batch:04d}", Receipt({}, {"files": files}))
    return store.root


def test_open_features__reads_frames_with_time_from_sound_onset(study):
    features = open_features(study)
    assert features.keys() == [("timit", "mel", "fixed"), ("timit", "net", "reset")]
    found = features.sel(network="net", weights="reset", layer=0, stimulus="b")
    np.testing.assert_array_equal(found, random_features(LAYOUT, 1)[0][1])
    assert found.dims == ("frame", "feature")
    assert (found.rate, found.native_rate, found.layer_name, found.layer_type) == (100.0, 200.0, "conv", "conv")
    np.testing.assert_allclose(found.time, [-0.02, -0.01, 0, 0.01, 0.02, 0.03], atol=1e-12)
    assert found.time.units == "s"
    assert features.sel(network="mel", layer=4, stimulus="b").time.values[1] == 0
    assert "net, reset: 2 x 3" in repr(features)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "nett"}, "no features of timit, nett, fixed; stored: timit, mel, fixed; timit, net, reset"),
        ({"weights": "trained"}, "no features of timit, mel, trained; stored: timit, mel, fixed; timit, net, reset"),
        ({"stimuli": "mvocs"}, "no features of mvocs, mel, fixed; stored: timit, mel"),
        ({"layer": 1}, "no layer 1; the stored layers are 0, 4"),
        ({"stimulus": "z"}, "no stimulus 'z' among the 3 stored ones"),
    ],
)
def test_open_features__says_what_exists_when_asked_for_something_else(study, changes, message):
    with pytest.raises(StoreError, match=message):
        open_features(study).sel(**{"network": "mel", "layer": 0, "stimulus": "a", **changes})


def test_open_features__of_a_new_study_has_nothing_yet(tmp_path):
    features = open_features(StudyStore.create(tmp_path / "study").root)
    assert features.keys() == []
    with pytest.raises(StoreError, match="no features or responses are stored yet"):
        features.sel(network="mel", layer=0, stimulus="a")


def test_rows__name_any_stimulus_of_a_batch_that_is_not_in_store(written):
    path, features = written
    write_batch(path, 0, {0: [features[0][0], np.full_like(features[0][1], np.nan)]})
    with pytest.raises(DamagedError, match="stimulus 'b' of layer 0 is not stored"):
        NetworkFeatures(path).rows(0, 0)

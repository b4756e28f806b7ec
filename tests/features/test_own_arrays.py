"""Own features in arrays: the same numbers from every kind of file, their places in time, and what is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.own.files import digests, missing
from distributed_trf.features.table import NetworkTable, chosen_weights
from tests.features.own_files import n_frames, own_table, read

RNG = np.random.default_rng(5)
ARRAYS = {"a": RNG.normal(size=(50, 2)), "b": RNG.normal(size=(31, 2))}
SECONDS = [0.5, 0.31]


def npy(folder):
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def csv(folder):
    for name, array in ARRAYS.items():
        lines = ["pitch,level", *(f"{x!r},{y!r}" for x, y in array.tolist())]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return folder


def npz(folder):
    np.savez(folder / "all.npz", **ARRAYS)
    return folder / "all.npz"


def h5(folder):
    with h5py.File(folder / "all.h5", "w") as file:
        for name, array in ARRAYS.items():
            file[name] = array
    return folder / "all.h5"


def zarr_group(folder):
    group = zarr.create_group(folder / "all.zarr")
    for name, array in ARRAYS.items():
        group.create_array(name, data=array)
    return folder / "all.zarr"


@pytest.mark.parametrize("write", [npy, csv, npz, h5, zarr_group])
def test_files_of_every_kind__give_their_numbers_after_the_silence(tmp_path, write):
    table = own_table(write(tmp_path))
    found, notes = read(table, ["a", "b"], SECONDS, lead_in=0.2)
    assert notes == []
    for frames, array in zip(found[0], ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(frames[:20], 0)
        np.testing.assert_array_equal(frames[20:], array.astype(np.float32))


@pytest.mark.parametrize("write", [npy, csv, npz, h5, zarr_group])
def test_digests__change_with_the_numbers_of_that_stimulus_alone(tmp_path, write, monkeypatch):
    table = own_table(write(tmp_path))
    settings = NetworkSettings(name="mine")
    before = digests(table, settings, "words", ["a", "b", "c"])
    assert before[2] == "missing"
    if write is zarr_group:
        (tmp_path / "all.zarr").rename(tmp_path / "old")
    monkeypatch.setitem(ARRAYS, "b", ARRAYS["b"] + 1)
    write(tmp_path)
    after = digests(table, settings, "words", ["a", "b", "c"])
    assert [x == y for x, y in zip(before, after, strict=True)] == [True, False, True]


def test_layers__are_groups_of_columns(tmp_path):
    table = own_table(
        npy(tmp_path),
        layers=[
            {"name": "pitch", "width": 1, "rate": 100, "columns": [0, 1]},
            {"name": "level", "width": 1, "rate": 100, "columns": [1, 2]},
        ],
    )
    found, _ = read(table, ["a"], [0.5])
    np.testing.assert_array_equal(np.hstack([found[0][0], found[1][0]]), ARRAYS["a"].astype(np.float32))


@pytest.mark.parametrize("start", [-0.1, 0.0, 0.05])
def test_start__is_the_time_of_the_first_frame(tmp_path, start):
    times = np.arange(round((0.5 - start) * 100)) / 100 + start
    np.save(tmp_path / "a.npy", times)
    found, notes = read(own_table(tmp_path, width=1, start=start), ["a"], [0.5], lead_in=0.07)
    assert notes == []
    expected = np.arange(57) / 100 - 0.07
    at = expected > start - 1e-9
    np.testing.assert_allclose(found[0][0][at, 0], expected[at], atol=1e-7)
    assert not found[0][0][~at].any()


@pytest.mark.parametrize("more", [-1, 1])
def test_one_frame_more_or_less__is_cut_or_repeated_and_said(tmp_path, more):
    np.save(tmp_path / "a.npy", np.arange(50 + more))
    found, notes = read(own_table(tmp_path, width=1), ["a"], [0.5])
    assert found[0][0][:, 0].tolist() == [*range(49), 49 if more > 0 else 48]
    done = "1 frames behind the sound cut off" if more > 0 else "its last frame repeated 1 times"
    many = "more" if more > 0 else "fewer"
    assert notes == [f"stimulus 'a' of words: {50 + more} frames, 1 {many} than the sound: {done}"]


def test_frames_between_those_of_the_silence__go_to_the_nearest_and_are_said(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(25))
    found, notes = read(own_table(tmp_path, width=1, rate=50), ["a"], [0.5], lead_in=0.35)
    assert found[0][0][:, 0].tolist() == [0.0] * 18 + [1.0] * 25
    assert notes == [
        "stimulus 'a' of words: frames stand 10 ms from their times, because the first is 17.5 frames after the "
        "silence begins; a lead-in of whole frames avoids it"
    ]


def test_other_length__is_refused_with_the_number_of_frames_unless_it_is_tolerated(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(46))
    message = r"46 frames at 100 per second from 0 s on, but the sound has 50 there, 4 more; .* up to 1 more or fewer"
    with pytest.raises(FeatureError, match=message):
        read(own_table(tmp_path, width=1), ["a"], [0.5])
    _, notes = read(own_table(tmp_path, width=1, tolerance=0.04), ["a"], [0.5])
    assert "its last frame repeated 4 times" in notes[0]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((50, 2), np.nan), "100 of the 100 values are NaN or Inf, the first in frame 0, column 0"),
        (np.ones((50, 2, 1)), r"shape \(50, 2, 1\) and type float64; expected numbers of shape \(frames, features\)"),
        (np.full((50, 2), "x"), "type <U1; expected numbers"),
        (np.ones((50, 3)), "the columns of b are not those of a: 3 of them, there 2 of them"),
    ],
)
def test_unusable_array__is_named(tmp_path, array, message):
    npy(tmp_path)
    np.save(tmp_path / "b.npy", array)
    with pytest.raises(FeatureError, match=message):
        read(own_table(tmp_path), ["b"], [0.5])


def test_columns_in_another_order__are_named(tmp_path):
    csv(tmp_path)
    (tmp_path / "b.csv").write_text("level,pitch\n" + "1,2\n" * 31)
    with pytest.raises(FeatureError, match="the columns of b are not those of a: level, pitch, there pitch, level"):
        read(own_table(tmp_path), ["b"], [0.31])


def test_width_of_the_table__must_be_that_of_the_files(tmp_path):
    with pytest.raises(FeatureError, match=r"2 columns, but layer 0 \(mine\) of mine takes 3 columns"):
        read(own_table(npy(tmp_path), width=3), ["a"], [0.5])


def test_stimulus_sets__have_folders_or_files_of_their_own(tmp_path):
    (tmp_path / "words").mkdir()
    npy(tmp_path / "words")
    np.savez(tmp_path / "calls.npz", c=np.ones((50, 2)))
    table, settings = own_table(tmp_path), NetworkSettings(name="mine")
    assert missing(table, settings, "words", ["a", "b"]) is None
    assert missing(table, settings, "calls", ["c"]) is None
    assert "has no features of 1 of the 2 stimuli of calls: a; add them" in str(missing(table, settings, "calls", "ac"))
    with pytest.raises(FeatureError, match="has no features of stimulus 'c' of words"):
        read(table, ["c"], [0.5])


def test_files__that_are_not_there_or_two_of_one_stimulus_are_refused(tmp_path):
    with pytest.raises(FeatureError, match="nowhere is not there; expected a folder with .npy or .csv"):
        read(own_table(tmp_path / "nowhere"), ["a"], [0.5])
    csv(npy(tmp_path))
    with pytest.raises(FeatureError, match=r"a\.csv and a\.npy are of one stimulus; keep one"):
        read(own_table(tmp_path), ["a"], [0.5])
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(FeatureError, match=r"broken\.npz: cannot be read as \.npz"):
        read(own_table(tmp_path / "broken.npz"), ["a"], [0.5])


def test_frames_of_a_sound__are_counted_as_bins_are(tmp_path):
    table = own_table(npy(tmp_path), rate=20)
    assert [n_frames(table, s) for s in (0.524, 0.525, 0.576)] == [10, 11, 12]
    with pytest.raises(FeatureError, match=r"0\.024 s is shorter than half a frame at 20 per second"):
        n_frames(table, 0.024)


def test_table__needs_no_more_than_name_width_and_rate_of_a_layer(tmp_path):
    table = own_table(tmp_path)
    assert (table.sfreq, table.is_fixed, table.layers[0].id, table.layers[0].type) == (16_000, True, 0, "table")
    assert chosen_weights(table, NetworkSettings(name="mine")) == ("fixed",)
    with pytest.raises(ConfigError, match="mine is a table; its weights can only be"):
        chosen_weights(table, NetworkSettings(name="mine", weights=["trained"]))
    with pytest.raises(ValueError, match=r"config\.begin: Extra inputs are not permitted; known fields: tolerance"):
        own_table(tmp_path, begin=1)
    with pytest.raises(ValueError, match="give the folder or file of the features as `source`"):
        NetworkTable.model_validate(table.model_dump() | {"source": None})
    with pytest.raises(ValueError, match="layers of type table are those of family table"):
        NetworkTable.model_validate(table.model_dump() | {"family": "wavelet"})

"""Groups of arrays: whole or not at all, and checksummed."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import StoreError
from distributed_trf.store.zarr_store import attributes, open_group, read, write_group
from tests.store_damage import flip_a_bit

ARRAYS = {"x": np.arange(12.0).reshape(3, 4), "empty": np.zeros((0, 2)), "n": np.array([3, 1], dtype=np.int16)}


def test_write_group__reads_back_as_written(tmp_path):
    path = tmp_path / "deep/g.zarr"
    write_group(path, ARRAYS, {"a": [1, 2.5, "x"], "b": None})
    group = open_group(path)
    assert attributes(group) == {"a": [1, 2.5, "x"], "b": None}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read(group[name]), array, strict=True)
    np.testing.assert_array_equal(read(group["x"], slice(1, 3)), ARRAYS["x"][1:3])


def test_write_group__replaces_all_of_the_old_one(tmp_path):
    write_group(tmp_path / "g.zarr", ARRAYS, {"a": 1})
    write_group(tmp_path / "g.zarr", {"y": np.ones(2)}, {"b": 2})
    group = open_group(tmp_path / "g.zarr")
    assert list(group.array_keys()) == ["y"]
    assert attributes(group) == {"b": 2}


def test_write_group__appears_whole_or_not_at_all(tmp_path):
    bad = {"x": np.ones(3), "y": np.array([object()])}
    with pytest.raises(Exception, match=r".*"):
        write_group(tmp_path / "new.zarr", bad, {})
    assert list(tmp_path.iterdir()) == []
    write_group(tmp_path / "old.zarr", ARRAYS, {"a": 1})
    with pytest.raises(Exception, match=r".*"):
        write_group(tmp_path / "old.zarr", bad, {})
    assert [p.name for p in tmp_path.iterdir()] == ["old.zarr"]
    np.testing.assert_array_equal(read(open_group(tmp_path / "old.zarr")["x"]), ARRAYS["x"])


def test_write_group__large_arrays_are_cut_along_the_first_axis(tmp_path):
    write_group(tmp_path / "g.zarr", {"big": np.zeros((9, 1 << 20)), "row": np.zeros((1, 5 << 20))}, {})
    group = open_group(tmp_path / "g.zarr")
    assert group["big"].chunks == (4, 1 << 20)
    assert group["row"].chunks == (1, 5 << 20)


def test_every_flipped_bit__is_noticed(tmp_path):
    write_group(tmp_path / "g.zarr", {"x": np.random.default_rng(0).normal(size=4)}, {})
    chunk = tmp_path / "g.zarr/x/c/0"
    whole = chunk.read_bytes()
    for byte in range(len(whole)):
        flip_a_bit(chunk, byte)
        with pytest.raises(StoreError, match=r"g\.zarr/x: a chunk cannot be read .*`dtrf repair STUDY`"):
            read(open_group(tmp_path / "g.zarr")["x"])
        chunk.write_bytes(whole)
    assert read(open_group(tmp_path / "g.zarr")["x"]).shape == (4,)


def test_open_group__missing_is_named_and_not_made(tmp_path):
    for mode in ("r", "r+"):
        with pytest.raises(StoreError, match=r"gone\.zarr: cannot be opened as a zarr group"):
            open_group(tmp_path / "gone.zarr", mode=mode)
    assert list(tmp_path.iterdir()) == []

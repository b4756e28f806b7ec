"""What each split gives, in the grid of results: beside the units' numbers, and without a trace where not asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distributed_trf import names
from distributed_trf.store.result_allocation import allocate_result_arrays, describe_results, has_grid, record_digests
from distributed_trf.store.result_grid import Grid, as_stored
from distributed_trf.store.results import empty_fit, filled_cells, open_grid, read_fit, stored_grid, write_fit
from tests.small_results import GRID

MEL, NET = ("timit", "mel", "fixed", 0, 50.0), ("timit", "net", "trained", 2, 50.0)
SPLIT = replace(GRID, splits=("u", "v", "w"))
FEWER = replace(GRID, axes={**GRID.axes, "network": ("mel",)}, layers={"mel": GRID.layers["mel"]})
ATTRS = {"study": "small"}


def fit(seed, splits=0):
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(size=3) for name in names.RESULTS}
    return values | ({name: rng.normal(size=(splits, 3)) for name in names.SPLIT_RESULTS} if splits else {})


@pytest.fixture
def filled(tmp_path):
    """A store with two fits, one of which has two of the three splits."""
    path = tmp_path / "results.zarr"
    allocate_result_arrays(path, SPLIT, [], ATTRS)
    write_fit(path, MEL, fit(1, 3), splits=("u", "v", "w"))
    write_fit(path, NET, fit(2, 2), splits=("w", "u"))
    return path


def shown(path, cell):
    record_digests(path)
    ds = open_grid(path).sel(dict(zip(names.GRID, cell, strict=True)))
    return {str(name): ds[name].values for name in (*names.RESULTS, *names.SPLIT_RESULTS) if name in ds}


def same(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_fit__has_its_splits_by_label_and_nan_in_the_others(filled):
    same(shown(filled, MEL), fit(1, 3))
    values = fit(2, 2)
    nothing = np.full(3, np.nan)
    by_label = {name: np.stack([values[name][1], nothing, values[name][0]]) for name in names.SPLIT_RESULTS}
    same(shown(filled, NET), values | by_label)
    same(read_fit(filled, NET), values | by_label)
    ds = open_grid(filled)
    assert ds.split.values.tolist() == ["u", "v", "w"]
    assert "cross_val_predict" in ds.r.attrs["comment"]
    assert ds.fold_r.dims == names.SPLIT_RESULT_DIMS


def test_empty_fit__takes_its_splits_along(filled):
    assert filled_cells(filled) == {MEL, NET}
    empty_fit(filled, MEL)
    assert filled_cells(filled) == {NET}
    assert not [f for f in (filled / "fold_r/c/0/0").rglob("*") if f.is_file()]
    assert np.isnan(shown(filled, MEL)["fold_r"]).all()


def test_grid_without_splits__is_stored_and_shown_as_before(tmp_path, filled):
    assert "splits" not in as_stored(GRID)
    assert Grid.of_stored(as_stored(GRID)) == GRID
    assert Grid.of_stored(as_stored(SPLIT)) == SPLIT
    plain = tmp_path / "plain/results.zarr"
    allocate_result_arrays(plain, GRID, [], ATTRS)
    assert not has_grid(plain, SPLIT)
    assert has_grid(filled, GRID)  # arrays more do not hurt
    describe_results(filled, GRID, ATTRS)
    ds, before = open_grid(filled), open_grid(plain)
    assert set(ds.variables) == set(before.variables)
    assert ds.r.attrs == before.r.attrs


def test_splits_of_another_scheme__keep_the_fits_outside_the_study_and_show_only_their_own(filled):
    other = replace(FEWER, splits=("w", "x"))
    moved = {}
    allocate_result_arrays(filled, other, [NET], ATTRS, moved=lambda cell, files: moved.update({cell: files}))
    assert stored_grid(filled).splits == ("w", "x", "u", "v")
    assert set(moved[NET]) == {f"{n}/timit/net/trained/2/50" for n in (*names.RESULTS, *names.SPLIT_RESULTS)}
    write_fit(filled, MEL, fit(3, 2), splits=("w", "x"))
    same(shown(filled, MEL), fit(3, 2))
    allocate_result_arrays(filled, SPLIT, [NET], ATTRS)
    values = fit(2, 2)
    np.testing.assert_array_equal(shown(filled, NET)["fold_r"][[2, 0]], values["fold_r"])
    np.testing.assert_array_equal(shown(filled, NET)["alpha"], values["alpha"])


def test_fixed_test_set__keeps_fits_tested_by_splits_outside_the_study(filled):
    allocate_result_arrays(filled, FEWER, [NET], ATTRS)
    write_fit(filled, MEL, fit(4))
    same(shown(filled, MEL), fit(4))
    assert "split" not in open_grid(filled).variables
    allocate_result_arrays(filled, SPLIT, [NET], ATTRS)
    np.testing.assert_array_equal(shown(filled, NET)["fold_r"][[2, 0]], fit(2, 2)["fold_r"])

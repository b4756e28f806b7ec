"""The grid of results: allocated once, rebuilt without losing what is still valid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.results.open_results import open_results
from distributed_trf.store.allocation import Allocation, read_allocation, write_allocation
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.result_allocation import (
    allocate_result_arrays,
    describe_results,
    has_grid,
    record_digests,
    repair_results,
)
from distributed_trf.store.result_grid import Grid
from distributed_trf.store.results import (
    empty_fit,
    filled_cells,
    located,
    open_grid,
    read_fit,
    requested_grid,
    session_units,
    stored_grid,
    withheld_cells,
    write_fit,
    write_reliability,
)
from tests.small_results import write_small_study
from tests.store_damage import flip_a_bit

NET = {str(k): (f"m{k}", "conv") for k in range(3)}
GRID = Grid(
    axes={
        "stimuli": ("timit",),
        "network": ("mel", "net"),
        "weights": ("fixed", "reset"),
        "layer": (0, 2),
        "bin_width": (50.0,),
    },
    units={
        "session": ("s1", "s1", "s2"),
        "channel": ("1", "2", "1"),
        "area": ("core", "belt", "core"),
        "subject": ("A", "A", "B"),
        "x": (1.5, None, 0.0),
        "y": (None, None, None),
    },
    layers={"mel": {"0": ("mel", "spectrogram")}, "net": NET},
)
MEL, FIRST, SECOND = (
    ("timit", "mel", "fixed", 0, 50.0),
    ("timit", "net", "reset", 0, 50.0),
    ("timit", "net", "reset", 2, 50.0),
)
ATTRS = {"versions": {"numpy": "2"}, "study": "small"}


def fit(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=3) for name in names.RESULTS}


def assert_fit(path, place, seed):
    for name, values in read_fit(path, place).items():
        np.testing.assert_array_equal(values, fit(seed)[name])


def is_empty(path, place):
    return all(np.isnan(values).all() for values in read_fit(path, place).values())


@pytest.fixture
def filled(tmp_path):
    """A store with two of three fits written."""
    path = tmp_path / "results.zarr"
    allocate_result_arrays(path, GRID, [], ATTRS)
    write_fit(path, MEL, fit(1))
    write_fit(path, SECOND, fit(2))
    return path


def test_write_fit__fills_its_own_cell(filled):
    assert_fit(filled, MEL, 1)
    assert_fit(filled, SECOND, 2)
    assert is_empty(filled, FIRST)
    chunks = sorted(
        str(f.relative_to(filled)) for name in names.RESULTS for f in (filled / name).rglob("c/*/*/*/*/*/0")
    )
    assert chunks == sorted(f"{n}/c/0/{p}/0" for n in names.RESULTS for p in ("0/0/0/0", "1/1/1/0"))


def test_write_fit__nan_throughout_is_a_fit_too(filled):
    write_fit(filled, SECOND, {name: np.full(3, np.nan) for name in names.RESULTS})
    assert is_empty(filled, SECOND)


def test_has_grid__knows_the_axes_and_whether_the_store_is_whole(filled):
    assert has_grid(filled, GRID)
    assert not has_grid(filled, replace(GRID, axes={**GRID.axes, "layer": (0, 1, 2)}))
    assert not has_grid(filled.parent / "other.zarr", GRID)
    (filled / "alpha/zarr.json").write_bytes((filled / "alpha/zarr.json").read_bytes()[:100])
    assert not has_grid(filled, GRID)


def test_describe_results__changes_nothing_but_attributes(filled):
    files = {f: f.read_bytes() for f in filled.rglob("*") if f.is_file() and f.parent != filled}
    describe_results(filled, GRID, {**ATTRS, "study": "renamed"})
    assert {f: f.read_bytes() for f in filled.rglob("*") if f.is_file() and f.parent != filled} == files
    assert xr.open_zarr(filled, consolidated=False, chunks=None).attrs["study"] == "renamed"
    assert has_grid(filled, GRID)


def test_allocate_result_arrays__a_network_more_keeps_what_is_done_bit_by_bit(filled):
    wider = replace(
        GRID,
        axes={**GRID.axes, "network": ("aaa", "mel", "net"), "layer": (0, 1, 2), "bin_width": (20.0, 50.0)},
        layers={"aaa": NET, **GRID.layers},
    )
    allocate_result_arrays(filled, wider, [MEL, SECOND], ATTRS)
    assert_fit(filled, MEL, 1)
    assert_fit(filled, SECOND, 2)
    for place in (FIRST, ("timit", "aaa", "reset", 1, 20.0), ("timit", "net", "reset", 2, 20.0)):
        assert is_empty(filled, place)


ONE = replace(GRID, axes={**GRID.axes, "network": ("net",), "weights": ("reset",)}, layers={"net": NET})
"""What a study asks for that is of one network only."""


def test_allocate_result_arrays__a_network_less_keeps_the_others(filled):
    allocate_result_arrays(filled, ONE, [SECOND], ATTRS)
    assert_fit(filled, SECOND, 2)
    with pytest.raises(ValueError, match="not in tuple"):
        read_fit(filled, MEL)
    assert stored_grid(filled) == ONE


def test_allocate_result_arrays__keeps_fits_that_are_not_asked_for_beside_the_grid(filled):
    allocate_result_arrays(filled, ONE, [SECOND, MEL], ATTRS)
    assert_fit(filled, MEL, 1)
    assert filled_cells(filled) == {SECOND, MEL}
    assert requested_grid(filled) == ONE
    record_digests(filled)
    ds = open_grid(filled)
    assert dict(ds.sizes) == {"stimuli": 1, "network": 1, "weights": 1, "layer": 2, "bin_width": 1, "unit": 3}
    np.testing.assert_array_equal(ds.r.sel(layer=2).squeeze(), fit(2)["r"])
    assert has_grid(filled, GRID)  # which holds no label but of these two
    describe_results(filled, GRID, ATTRS)
    record_digests(filled)
    np.testing.assert_array_equal(
        open_grid(filled).r.sel(network="mel", weights="fixed", layer=0).squeeze(), fit(1)["r"]
    )


def test_allocate_result_arrays__other_units_leave_kept_fits_whole(filled):
    """And what is written meanwhile has none of them."""
    units = {name: column[2:] for name, column in GRID.units.items()}
    allocate_result_arrays(filled, replace(ONE, units=units), [MEL, SECOND], ATTRS)
    assert session_units(filled) == {"s2": slice(0, 1)}
    record_digests(filled)
    assert open_grid(filled).session.values.tolist() == ["s2"]
    record_digests(filled)
    np.testing.assert_array_equal(open_grid(filled).r.sel(layer=2).squeeze(), fit(2)["r"][2])
    write_fit(filled, SECOND, {name: np.array([0.5]) for name in names.RESULTS})
    write_reliability(filled, "timit", 50.0, {"normaliser": np.array([0.25])})
    record_digests(filled)
    assert open_grid(filled).normaliser.values.tolist() == [[[0.25]]]
    allocate_result_arrays(filled, GRID, [MEL, SECOND], ATTRS)
    assert_fit(filled, MEL, 1)
    np.testing.assert_array_equal(read_fit(filled, SECOND)["r"], [np.nan, np.nan, 0.5])


def test_open_grid__does_not_show_what_is_withheld(filled):
    describe_results(filled, GRID, ATTRS, withheld=[MEL, ("timit", "gone", "reset", 0, 50.0)])
    assert withheld_cells(filled) == {MEL}
    record_digests(filled)
    shown = open_grid(filled)
    assert shown.r.sel(network="mel").isnull().all()
    np.testing.assert_array_equal(shown.r.sel(network="net", weights="reset", layer=2).squeeze(), fit(2)["r"])
    assert shown.alpha.attrs == names.RESULTS["alpha"].attrs
    describe_results(filled, GRID, ATTRS)
    record_digests(filled)
    np.testing.assert_array_equal(
        open_grid(filled).r.sel(network="mel", weights="fixed", layer=0).squeeze(), fit(1)["r"]
    )


def test_empty_fit__empties_its_place_alone(filled):
    assert filled_cells(filled) == {MEL, SECOND}
    empty_fit(filled, SECOND)
    empty_fit(filled, FIRST)  # is empty already
    empty_fit(filled, ("timit", "of_another_study", "reset", 0, 50.0))
    assert filled_cells(filled) == {MEL}
    assert_fit(filled, MEL, 1)
    assert is_empty(filled, SECOND)


@pytest.mark.parametrize(
    ("column", "values", "kept"),
    [
        ("session", ("s1", "s2", "s2"), [True, False, True]),
        ("channel", ("1", "3", "1"), [True, False, True]),
        ("area", ("core",) * 3, [True, True, True]),
        ("x", (1.5, 2.0, 0.0), [True, True, True]),
    ],
)
def test_allocate_result_arrays__other_units_keep_the_numbers_of_those_that_stay(filled, column, values, kept):
    allocate_result_arrays(filled, replace(GRID, units={**GRID.units, column: values}), [MEL, SECOND], ATTRS)
    for name, found in read_fit(filled, MEL).items():
        np.testing.assert_array_equal(found, np.where(kept, fit(1)[name], np.nan))


def test_allocate_result_arrays__units_in_other_places_keep_their_numbers(filled):
    new = {"session": "s0", "channel": "9", "area": "core", "subject": "A", "x": None, "y": None}
    units = {name: (values[2], new[name], values[1], values[0]) for name, values in GRID.units.items()}
    allocate_result_arrays(filled, replace(GRID, units=units), [MEL, SECOND], ATTRS)
    for place, seed in ((MEL, 1), (SECOND, 2)):
        for name, found in read_fit(filled, place).items():
            values = fit(seed)[name]
            np.testing.assert_array_equal(found, [values[2], np.nan, values[1], values[0]])


def test_allocate_result_arrays__damaged_old_fit_leaves_the_store_as_it_was(filled):
    flip_a_bit(filled / "r/c/0/0/0/0/0/0", 5)
    with pytest.raises(StoreError, match=r"results\.zarr/r: a chunk cannot be read"):
        allocate_result_arrays(filled, replace(GRID, axes={**GRID.axes, "layer": (0, 1, 2)}), [MEL, SECOND], ATTRS)
    assert_fit(filled, SECOND, 2)
    assert [p.name for p in filled.parent.iterdir() if p.name != "laid"] == [filled.name]


def test_allocate_result_arrays__tells_of_the_digests_of_what_it_moves(filled):
    moved = {}
    allocate_result_arrays(filled, GRID, [MEL], ATTRS, moved=moved.__setitem__)
    written = write_fit(filled, MEL, fit(1))
    assert moved == {MEL: written}
    units = {**GRID.units, "session": ("s1", "s2", "s2")}
    allocate_result_arrays(filled, replace(GRID, units=units), [MEL], ATTRS, moved=moved.__setitem__)
    assert moved[MEL].keys() == written.keys()
    assert all(moved[MEL][name] != written[name] for name in written)
    assert located(stored_grid(filled).axes, moved[MEL]).items() <= digest_files(filled).items()


@pytest.mark.parametrize("file", ["zarr.json", "alpha/zarr.json", "session/c/0", "session/zarr.json", "bin_width/c/0"])
@pytest.mark.parametrize("kill", [False, True])
def test_mend_results__makes_labels_and_metadata_again_and_keeps_every_number(filled, file, kill):
    before = digest_files(filled)
    if kill:  # the record is damaged too, or of a store that never took its place
        (filled.parent / "laid/results.json").unlink()
    if not kill or file != "zarr.json":
        flip_a_bit(filled / file, 7)
        assert not has_grid(filled, GRID)
    repair_results(filled, GRID, ATTRS)
    assert has_grid(filled, GRID)
    after = digest_files(filled)
    if kill or file == "zarr.json":  # what is shown is not known any more: nothing, until a run says it
        assert withheld_cells(filled) == {MEL, SECOND}
        del before["zarr.json"], after["zarr.json"]
    assert after == before


def test_stored_grid__is_the_old_one_while_the_new_store_is_not_in_its_cell(filled):
    old, new = read_allocation(filled.parent, filled), Allocation({"axes": "new"}, {"zarr.json": "0"})
    write_allocation(filled.parent, filled, new, before=old)
    assert read_allocation(filled.parent, filled) == old
    assert_fit(filled, MEL, 1)


def test_reliability__is_written_where_it_is_not_there_yet_or_damaged(filled):
    values = {"normaliser": np.array([0.5, np.nan, 0.25]), "tuned_p": np.full(3, np.nan)}
    chunks = [filled / f"{name}/c/0/0/0" for name in values]
    write_reliability(filled, "timit", 50.0, values)
    whole = [(c.read_bytes(), c.stat().st_ino) for c in chunks]
    write_reliability(filled, "timit", 50.0, values)
    assert [(c.read_bytes(), c.stat().st_ino) for c in chunks] == whole
    flip_a_bit(chunks[0], -1)
    chunks[1].unlink()
    write_reliability(filled, "timit", 50.0, values)
    assert [c.read_bytes() for c in chunks] == [content for content, _ in whole]


def test_damage__of_results_is_named_when_they_are_opened(tmp_path):
    study = write_small_study(tmp_path / "study")
    whole = study / "results.zarr/r/c/0/0/0/0/1/0"
    content = whole.read_bytes()
    for other in (content[:-3], b"", (study / "results.zarr/r/c/0/1/2/0/1/0").read_bytes()):
        whole.write_bytes(other)
        with pytest.raises(DamagedError, match=r"results\.zarr/r/c/0/0/0/0/1/0: damaged, .*`dtrf repair STUDY`"):
            open_results(study)
    whole.write_bytes(content)
    ds = open_results(study)
    whole.unlink()
    with pytest.raises(DamagedError, match=r"results\.zarr/r/c/0/0/0/0/1/0: cannot be read"):
        ds.r.load()


def test_results__carry_names_units_and_provenance(filled):
    with xr.open_zarr(filled, consolidated=False, chunks=None) as ds:
        assert ds.r.dims == names.RESULT_DIMS
        for name, variable in {**names.RESULTS, **names.COORDS}.items():
            assert ds[name].attrs["long_name"] == variable.long_name
            assert ds[name].attrs["units"] == variable.units
        assert ds.attrs["versions"] == {"numpy": "2"}
        assert set(ds.coords) == set(names.COORDS)
        assert set(ds.r.coords) == set(names.COORDS)
        assert ds.layer_name.sel(network="net", layer=2).item() == "m2"
        assert ds.layer_type.sel(network="mel").values.tolist() == ["spectrogram", ""]


def test_unknown_site__is_nan(filled):
    with xr.open_zarr(filled, consolidated=False, chunks=None) as ds:
        np.testing.assert_array_equal(ds.x, [1.5, np.nan, 0.0])
        np.testing.assert_array_equal(ds.y, [np.nan] * 3)


def test_session_units__are_one_slice_per_session(filled):
    assert session_units(filled) == {"s1": slice(0, 2), "s2": slice(2, 3)}

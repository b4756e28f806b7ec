"""Analyses beside the grid of fits: of the units, and of the analyses, that the study asks for now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from distributed_trf import names, open_lowpass
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.items import ANALYSE, FitLowpass
from distributed_trf.store.analyses import unit_coords, write_analysis
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.receipts import Receipt, write_receipt
from distributed_trf.store.result_allocation import allocate_result_arrays
from distributed_trf.store.results import ANALYSES_ATTR, write_reliability
from distributed_trf.store.study_store import StudyStore
from tests.small_results import GRID

PLACE = ("timit", "mel", "fixed", 0, 50.0)


@pytest.fixture
def store(tmp_path):
    """A study with two analyses, of 100 and 200 ms."""
    store = StudyStore.create(tmp_path / "study")
    allocate_result_arrays(store.results, GRID, [], {})
    for lowpass_bin in (100.0, 200.0):
        key = FitLowpass(*PLACE, lowpass_bin).key
        ds = xr.Dataset({name: (names.UNIT, lowpass_bin + np.arange(3)) for name in names.RESULTS})
        place = dict(zip(names.GRID, PLACE, strict=True)) | {"lowpass_bin": lowpass_bin}
        path = store.analysis(key)
        write_analysis(path, ds.merge(unit_coords(store.results)), place)
        write_receipt(store, ANALYSE, key, Receipt({}, {"files": {store.name(path): digest_files(path)}}))
    return store


def test_analyses__are_on_the_units_of_now_wherever_those_lie(store):
    """A session that came since, and lacks the stimulus set, shifts the others on the unit axis; another went."""
    units = {name: (*column[2:], *column) for name, column in GRID.units.items()}
    units = {**units, "session": ("s0", "s1", "s1", "s2")}
    units = {name: column[:3] for name, column in units.items()}  # s2 went
    allocate_result_arrays(store.results, replace(GRID, units=units), [], {})
    write_reliability(store.results, "timit", 50.0, {"normaliser": np.array([1.0, 0.25, 4.0])})
    ds = open_lowpass(store.root)
    assert ds.session.values.tolist() == ["s0", "s1", "s1"]
    np.testing.assert_array_equal(ds.r.sel(lowpass_bin=200).squeeze(), [np.nan, 200, 201])
    np.testing.assert_array_equal(ds.rho.sel(lowpass_bin=100).squeeze(), [np.nan, 200, 50.5])


def test_analyses__that_are_not_asked_for_or_not_done_are_not_shown(store):
    keys = [FitLowpass(*PLACE, lowpass_bin).key for lowpass_bin in (100.0, 200.0)]
    assert open_lowpass(store.root).lowpass_bin.values.tolist() == [100, 200]
    allocate_result_arrays(store.results, GRID, [], {ANALYSES_ATTR: [keys[1]]})
    assert open_lowpass(store.root).lowpass_bin.values.tolist() == [200]
    (store.receipts / ANALYSE / f"{keys[1]}.json").unlink()
    with pytest.raises(StoreError, match="no lowpass analysis is in store"):
        open_lowpass(store.root)

"""Units are chosen by rule and by place, and paired by session and channel."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.reliability.selection import benjamini_hochberg, holm
from distributed_trf.results.units import pair_units, unit_keys
from tests.small_results import small_results


@pytest.fixture(scope="module")
def ds():
    return simulate_results(["whisper_tiny"], sessions=6, channels=10, seed=1)


def labels(ds):
    return [f"{s}-{c}" for s, c in zip(ds.session.values, ds.channel.values, strict=True)]


@pytest.mark.parametrize("delta", [0.0, 0.5, 1.0])
def test_delta__is_the_published_rule_at_every_stimulus_set(ds, delta):
    def tuned(unit, stimuli):
        of = ds.sel(stimuli=stimuli, bin_width=50.0).isel(unit=unit)
        return of.normaliser > 0 and of.normaliser > of.null_mean + delta * of.null_std

    for asked, sets in (("timit", ["timit"]), (["timit", "mvocs"], ["timit", "mvocs"]), (None, ["timit", "mvocs"])):
        found = select_units(ds, stimuli=asked, delta=delta)
        expected = [k for k in range(ds.sizes["unit"]) if all(tuned(k, s) for s in sets)]
        assert labels(found) == labels(ds.isel(unit=expected))
        assert 0 < len(expected) < ds.sizes["unit"]
        assert found.sizes["stimuli"] == 2  # the others are kept


@pytest.mark.parametrize(("correction", "adjust"), [("bh", benjamini_hochberg), ("holm", holm), (None, lambda p: p)])
def test_tuned__compares_adjusted_p_values(ds, correction, adjust):
    p = ds.tuned_p.sel(stimuli="mvocs", bin_width=50.0).values
    found = select_units(ds, stimuli="mvocs", tuned=0.05, correction=correction)
    assert labels(found) == labels(ds.isel(unit=np.flatnonzero(adjust(p) < 0.05)))


def test_places__are_labels_and_conditions_add_up(ds):
    core = select_units(ds, area="core")
    assert set(core.area.values) == {"core"}
    both = select_units(ds, area="core", session=["180420", str(core.session.values[0])], delta=0.5, stimuli="timit")
    assert set(both.session.values) == {core.session.values[0]}
    assert 0 < both.sizes["unit"] < 10


def test_selected_stimulus_set__needs_no_name(ds):
    one = ds.sel(stimuli="timit", bin_width=50.0)
    assert labels(select_units(one, delta=0.5)) == labels(select_units(ds, stimuli="timit", delta=0.5))


def test_unknown_labels__are_named_with_those_that_exist(ds):
    with pytest.raises(DataError, match=r"area: 'belt' is not in these results; there are .*core"):
        select_units(ds, area="belt")
    with pytest.raises(DataError, match=r"stimuli: 'speech' is not in these results; there are timit, mvocs"):
        select_units(ds, stimuli="speech", delta=0.5)
    with pytest.raises(DataError, match="correction 'fdr' is not known; take bh, holm or None"):
        select_units(ds, tuned=0.05, correction="fdr")


def test_reliability_never_measured__is_an_error_and_no_empty_selection():
    ds = small_results()
    with pytest.raises(DataError, match="no unit's reliability was measured for stimulus set 'timit'"):
        select_units(ds, bin_width=20.0, delta=0.5)
    with pytest.raises(DataError, match="hold no reliability"):
        select_units(ds[["r"]], delta=0.5)


def test_pairs__are_found_by_session_and_channel_in_any_order(ds):
    shuffled = ds.isel(unit=np.random.default_rng(0).permutation(ds.sizes["unit"])[:40])
    a, b = pair_units(ds, shuffled)
    assert labels(a) == labels(b) == [u for u in labels(ds) if u in labels(shuffled)]
    xr.testing.assert_equal(a.r, b.r)


def test_pairs__need_common_and_distinct_units(ds):
    other = ds.assign_coords(session=("unit", ["x"] * ds.sizes["unit"]), channel=("unit", [str(k) for k in range(60)]))
    with pytest.raises(DataError, match="no unit is in both"):
        pair_units(ds, other)
    with pytest.raises(DataError, match="unit 'Ch10' of session .* is there 2 times"):
        unit_keys(xr.concat([ds, ds.isel(unit=[0])], "unit", data_vars="minimal"))

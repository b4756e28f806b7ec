"""Units are chosen by rule and by place, and paired by session and channel."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from distributed_trf import best_layer, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.reliability.selection import benjamini_hochberg, holm
from distributed_trf.results.selection import selection_in_words, selection_table
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
    with pytest.raises(DataError, match="hold no signal_power; run the study with `reliability`"):
        select_units(ds.drop_vars("signal_power"), bin_width=50.0, ceiling=0.1)
    with pytest.raises(DataError, match="no unit's tuned_p was measured for stimulus set 'timit'"):
        select_units(ds.assign(tuned_p=ds.tuned_p * np.nan), bin_width=50.0, tuned=0.05)


def measured(ds):
    """Results with measures of halves of the repeats, and ceilings, of which nothing follows from another."""
    rng = np.random.default_rng(3)
    dims = ds.normaliser.dims
    drawn = {
        **{f"{name}_first_half": rng.normal(0.1, 0.1, ds.normaliser.shape) for name in ("normaliser", "null_mean")},
        "null_std_first_half": np.full(ds.normaliser.shape, 0.05),
        "tuned_p_first_half": rng.random(ds.normaliser.shape) ** 4,
        "normaliser_second_half": rng.normal(0.2, 0.1, ds.normaliser.shape),
        "signal_power": rng.normal(size=ds.normaliser.shape),
        "mean_response": rng.exponential(size=ds.normaliser.shape),
        "ceiling_signal_power": rng.random(ds.normaliser.shape),
    }
    return ds.assign({n: (dims, v) for n, v in drawn.items()}).assign(r_second_half=ds.r * 0.5, r_p=ds.r * 0)


def test_thresholds__keep_what_reaches_them_at_every_stimulus_set(ds):
    of = measured(ds)
    for name, values, least in (
        ("normaliser", of.normaliser, 0.02),
        ("ceiling", of.ceiling_signal_power, 0.3),
        ("rate", of.mean_response / 0.05, 12.0),  # counts in bins of 50 ms
    ):
        found = select_units(of, **{name: least})
        expected = (values >= least).all(["stimuli", "bin_width"]).values
        assert labels(found) == labels(ds.isel(unit=np.flatnonzero(expected)))
        assert 0 < expected.sum() < 60
    at = of.normaliser.sel(stimuli="timit", bin_width=50.0)
    exactly = float(at[7])
    assert 7 in np.flatnonzero(np.isin(labels(of), labels(select_units(of, stimuli="timit", normaliser=exactly))))


def test_selection__says_what_each_criterion_removes_alone_and_in_turn(ds):
    found = select_units(measured(ds), delta=0.5, tuned=0.5, correction=None, normaliser=0.05, area="core")
    criteria = {"delta": {"delta": 0.5}, "tuned": {"tuned": 0.5, "correction": None}}
    criteria |= {"normaliser": {"normaliser": 0.05}, "area": {"area": "core"}}
    table = selection_table(found).set_index("criterion")
    assert table.index.tolist() == list(criteria)
    together = {}
    left = 60
    for name, one in criteria.items():
        together |= one
        row = table.loc[name]
        assert row["alone"] == 60 - select_units(ds, **one).sizes["unit"]
        assert row["left"] == select_units(ds, **together).sizes["unit"] == left - row["removed"]
        left = row["left"]
    assert left == found.sizes["unit"]
    removed = table["removed"].tolist()
    assert selection_in_words(found) == (
        f"60 units: {removed[0]} not highly tuned (delta 0.5) for timit or mvocs, {removed[1]} not tuned (test by "
        f"shifts, p 0.5) for timit or mvocs, {removed[2]} of normaliser below 0.05 for timit or mvocs, {removed[3]} "
        f"not in core; {left} left"
    )
    assert json.loads(found.attrs["selection"])["units"] == 60


def test_selection__goes_on_from_an_earlier_one_and_tells_what_else_was_left_out(ds):
    first = select_units(ds, stimuli="timit", delta=0.5)
    once = select_units(ds, stimuli="timit", delta=0.5, area="core")
    again = select_units(first, area="core")
    assert selection_in_words(again) == selection_in_words(once)
    fewer = select_units(first.isel(unit=slice(1, None)), area="core")
    assert selection_table(fewer)["removes"].tolist() == [
        "not highly tuned (delta 0.5)",
        "left out otherwise",
        "not in core",
    ]
    assert selection_table(fewer)["removed"][1] == 1
    assert selection_in_words(ds) == ""
    assert selection_table(select_units(ds)).empty
    assert "selection" not in ds.attrs


def test_selection_of_nobody__is_empty_and_says_why(ds):
    nobody = select_units(ds, stimuli="timit", normaliser=2.0)
    assert nobody.sizes["unit"] == 0
    assert nobody.attrs["note"] == "no unit is left: 60 units: 60 of normaliser below 2; 0 left"
    assert np.isnan(best_layer(nobody).best_layer).all()
    assert select_units(nobody, area=[]).sizes["unit"] == 0


def test_split_repeats__select_by_one_half_and_report_the_other(ds):
    of = measured(ds)
    found = select_units(of, stimuli="timit", delta=0.5, tuned=0.3, normaliser=0.05, area="core", repeats="split")
    at = of.sel(stimuli="timit", bin_width=50.0)
    first = {n: at[f"{n}_first_half"].values for n in ("normaliser", "null_mean", "null_std", "tuned_p")}
    expected = (
        (first["normaliser"] > np.maximum(0, first["null_mean"] + 0.5 * first["null_std"]))
        & (benjamini_hochberg(first["tuned_p"]) < 0.3)
        & (first["normaliser"] >= 0.05)
        & (of.area.values == "core")
    )
    rows = np.flatnonzero(expected)
    assert 0 < rows.size < 30
    assert labels(found) == labels(of.isel(unit=rows))
    xr.testing.assert_equal(found.r, of.r_second_half.isel(unit=rows).rename("r"))
    second = of.normaliser_second_half.isel(unit=rows)
    np.testing.assert_allclose(found.rho, found.r / np.sqrt(second.where(second > 0)))
    assert set(found.data_vars) == {
        *("r", "rho", "normaliser", "alpha", "cv_score"),
        *(f"{name}_first_half" for name in first),
    }
    assert found.attrs["repeats"] == "second half"
    assert found.attrs["note"].startswith("units were selected by the first half of the repeats, and r and rho are of ")
    assert selection_table(found)["criterion"].tolist() == ["delta", "tuned", "normaliser", "area"]


def test_split_repeats__say_who_has_no_halves_and_no_rho(ds):
    of = measured(ds)
    of["normaliser_first_half"][..., :7] = np.nan
    of["normaliser_second_half"][...] = 0.1
    of["normaliser_second_half"][0, 0, 20:23] = [-0.1, 0.0, np.nan]
    note = select_units(of, repeats="split").attrs["note"]
    assert "7 units were presented test stimuli fewer than four times and have no halves" in note
    assert "2 selected units have a normaliser that is not positive, and no rho" in note


def test_split_repeats__that_are_not_known_are_refused(ds):
    with pytest.raises(DataError, match=r"r_second_half is not in these results, .* at least four times.*run STUDY"):
        select_units(ds, delta=0.5, repeats="split")
    of = measured(ds)
    with pytest.raises(DataError, match="normaliser_first_half is NaN for all units"):
        select_units(of.assign(normaliser_first_half=of.normaliser * np.nan), repeats="split")
    with pytest.raises(DataError, match="ceilings and rates are of all repeats"):
        select_units(of, ceiling=0.1, repeats="split")
    with pytest.raises(DataError, match="ceilings and rates are of all repeats"):
        select_units(of, rate=1.0, repeats="split")
    with pytest.raises(DataError, match="repeats='half' is not known; take 'all' or 'split'"):
        select_units(of, repeats="half")
    with pytest.raises(DataError, match="of the second half of the repeats already; give all conditions in one call"):
        select_units(select_units(of, repeats="split"), delta=0.5, repeats="split")


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


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ({"stimuli": "timit"}, r"stimuli='timit' says where .* none of these is given; ds.sel\(stimuli='timit'\)"),
        ({"bin_width": 50.0, "area": "core"}, "bin_width=50.0 says where"),
        ({"delta": "0.5"}, "delta is '0.5'; expected a number"),
        ({"tuned": 5}, "tuned is 5; expected a level"),
        ({"session": 18.5}, "18.5 is no label: labels are text, such as '18.5'"),
        ({"session": 999999}, "session: '999999' is not in these results; there are"),
        ({"correction": "fdr"}, "correction 'fdr' is not known"),
    ],
)
def test_select_units__refuses_what_would_be_ignored_or_fail_within_numpy(conditions, why):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=2)
    with pytest.raises(DataError, match=why):
        select_units(ds, **conditions)


def test_select_units__takes_a_session_that_is_written_as_a_number():
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=2)
    first, second = list(dict.fromkeys(ds.session.values.tolist()))[:2]
    xr.testing.assert_identical(select_units(ds, session=int(first)).r, select_units(ds, session=first).r)
    assert set(select_units(ds, session=[int(first), second]).session.values) == {first, second}

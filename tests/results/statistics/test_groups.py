"""Means of groups, how alike their units are, and what they weigh, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf import compare_areas, layer_tests, median_intervals, peak_layer, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.statistics.groups import Groups, count_groups, group_of_units, unknown_subjects
from tests.results.statistics import slow_groups


def drawn(seed, n_cells=3):
    """Numbers of cells that lack some units, and so some groups, with ties; groups that differ."""
    rng = np.random.default_rng(seed)
    n, n_groups = rng.integers(1, 40), rng.integers(1, 9)
    group = rng.integers(0, n_groups, n)
    values = (
        rng.normal(0, 1, (n_cells, n_groups))[:, group] * rng.choice([0, 1]) + rng.integers(-3, 4, (n_cells, n)) / 3
    )
    values[rng.random(values.shape) < 0.2] = np.nan
    return values, group


@given(st.integers(0, 2**32 - 1))
def test_groups__have_the_means_correlations_and_weights_of_the_definitions(seed):
    values, group = drawn(seed)
    groups = Groups.of(values, group)
    zero, anova = groups.icc_about_zero(), groups.icc()
    weights = groups.weights(zero)
    for cell, row in enumerate(values):
        of = slow_groups.by_group(row, group)
        assert groups.count[cell] == len(of)
        if not of:
            assert not weights[cell].any()
            continue
        here = groups.present[cell]
        np.testing.assert_allclose(groups.mean[cell, here], [g.mean() for g in of], atol=1e-12)
        np.testing.assert_array_equal(groups.worth[cell, here], [g.size for g in of])
        expected = slow_groups.icc_about_zero(of)
        np.testing.assert_allclose(zero[cell], expected, atol=1e-9)
        np.testing.assert_allclose(weights[cell, here], slow_groups.weights([g.size for g in of], expected), rtol=1e-8)
        if len(of) > 1 and groups.within[cell] > 1e-9:
            np.testing.assert_allclose(anova[cell], slow_groups.anova_icc(of), atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_weights_of_the_test__stay_if_the_signs_of_whole_groups_change(seed):
    values, group = drawn(seed)
    signs = np.random.default_rng(seed).choice([-1, 1], group.max() + 1)
    before, after = (Groups.of(v, group) for v in (values, values * signs[group]))
    np.testing.assert_allclose(
        before.weights(before.icc_about_zero()), after.weights(after.icc_about_zero()), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(after.centre, before.centre * signs[: before.centre.shape[1]], atol=1e-12)


def test_centre__is_the_median_if_asked_for():
    values = np.array([[1.0, 2.0, 9.0, 4.0, np.nan, 5.0]])
    groups = Groups.of(values, np.array([0, 0, 0, 1, 1, 2]), "median")
    assert groups.centre.tolist() == [[2, 4, 5]]
    assert groups.mean.tolist() == [[4, 4, 5]]
    with pytest.raises(DataError, match="summary 'mode' is not known"):
        Groups.of(values, np.zeros(6, dtype=int), "mode")


def test_icc__of_units_that_are_all_alike_makes_weights_equal():
    values = np.array([[1.0, 1, 1, 2, 3, 3]])
    groups = Groups.of(values, np.array([0, 0, 0, 1, 2, 2]))
    assert groups.icc().tolist() == [1.0]
    np.testing.assert_allclose(groups.weights(groups.icc()), [[1, 1, 1]])


def test_level__names_the_groups():
    coords = {
        "session": ("unit", list("xxyz")),
        "subject": ("unit", ["B", "B", "unknown", "A"]),
    }
    ds = xr.Dataset({"rho": ("unit", np.zeros(4))}, coords)
    assert group_of_units(ds, "session").tolist() == [0, 0, 1, 2]
    of_subjects = group_of_units(ds, "subject")
    assert (of_subjects[2], of_subjects[0] == of_subjects[1], of_subjects[0] != of_subjects[3]) == (-1, True, True)
    assert unknown_subjects(of_subjects, "subject") == ["left out: 1 unit of unknown subject"]
    assert group_of_units(ds, "unit").tolist() == [0, 1, 2, 3]
    known = np.array([[True, True, False, False], [False] * 4, [True] * 4])
    np.testing.assert_array_equal(count_groups(ds, "session", known), [1, np.nan, 3])
    np.testing.assert_array_equal(count_groups(ds, "subject", known), [1, np.nan, 2])
    with pytest.raises(DataError, match="have no coordinate 'subject'"):
        group_of_units(ds.drop_vars("subject"), "subject")
    with pytest.raises(DataError, match="level 'animal' is not known"):
        group_of_units(ds, "animal")


def test_units_of_unknown_subject__are_left_out_of_all_numbers_at_that_level():
    ds = simulate_results(["whisper_tiny"], sessions=12, channels=3)
    unknown = ds.subject.values == ds.subject.values[0]
    ds = ds.assign_coords(subject=("unit", np.where(unknown, "unknown", ds.subject.values)))
    peaks = peak_layer(ds)
    for ask in (
        lambda which: layer_tests(ds.isel(unit=which), level="subject"),
        lambda which: compare_areas(peaks.isel(unit=which), level="subject"),
        lambda which: median_intervals(ds.isel(unit=which), level="subject"),
    ):
        found, without = ask(slice(None)), ask(~unknown)
        xr.testing.assert_allclose(found, without)
        assert f"left out: {unknown.sum()} units of unknown subject" in found.attrs["note"]

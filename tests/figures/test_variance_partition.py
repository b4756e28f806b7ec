"""Bars and circles of unique and shared variance."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import select_units
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.variance_partition import figure_partition
from distributed_trf.results.statistics.intervals import median_intervals
from tests.figures.drawn import exceptions, headings, intervals, legend_texts
from tests.figures.shared_variance import partitioned


@pytest.fixture(scope="module")
def ds():
    return partitioned()


def bars(axis):
    return [(patch.get_x() + patch.get_width() / 2, patch.get_height()) for patch in axis.patches]


def test_figure_partition__draws_medians_with_intervals_over_sessions(ds):
    figure = figure_partition(ds)
    axis, circles = figure.axes
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5).squeeze("partition")
    unique, product, shared = (
        median_intervals(units, name).dropna("subset", subset=["median"]) for name in ("unique", "product", "shared")
    )
    drawn = bars(axis)
    np.testing.assert_allclose([h for _, h in drawn[:6:2]], unique["median"])
    np.testing.assert_allclose([h for _, h in drawn[1:6:2]], product["median"])
    np.testing.assert_allclose([h for _, h in drawn[6:]], shared["median"])
    ends = [np.stack([of["low"], of["high"]], axis=1) for of in (unique, product, shared)]
    np.testing.assert_allclose(intervals(axis)[:6:2], ends[0])
    np.testing.assert_allclose(intervals(axis)[1:6:2], ends[1])
    np.testing.assert_allclose(intervals(axis)[6:], ends[2])
    assert [label.get_text() for label in axis.get_xticklabels()][:4] == [
        "mel",
        "phonemes",
        "network",
        "mel & phonemes",
    ]
    assert headings(figure) == [f"parts; timit, 50 ms bins: {units.sizes['unit']} highly tuned units (δ = 0.5)"]
    assert legend_texts(figure) == ["unique, in the space's colour", "product measure", "shared"]
    whole = [float(unique["median"][k]) for k in range(3)]
    for k, label in enumerate(shared["subset"].values):
        for space in range(3):
            whole[space] += float(shared["median"][k]) * (str(unique.subset.values[space]) in label.split("+"))
    radii = [patch.get_radius() for patch in circles.patches]
    np.testing.assert_allclose(np.pi * np.square(radii), whole)
    assert "what three have in common follows" in exceptions(figure)[0]


def test_figure_partition__of_five_spaces_draws_the_sum_of_what_is_shared_and_no_circles():
    five = partitioned(labels=tuple("abcde"))
    figure = figure_partition(five, delta=0.5)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == [*"abcde", "all shared"]
    units = select_units(five.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    assert bars(axis)[-1][1] == pytest.approx(float(units.shared.sum("subset").median()))
    assert "sum of all shared parts" in exceptions(figure)[0]


def test_figure_partition__keeps_the_spaces_of_two_partitions_apart(ds):
    both = xr.merge([ds, partitioned(labels=("mel", "other"), name="second")], join="outer", compat="no_conflicts")
    figure = figure_partition(both)
    ticks = [
        [t.get_text() for t in axis.get_xticklabels()] for axis in figure.axes if axis.get_xticks().size and axis.axison
    ]
    assert ticks[1] == ["mel", "other", "mel & other"]
    assert [h.split(";")[0] for h in headings(figure)] == ["parts", "second"]


def test_figure_partition__without_any_unique_variance_is_an_error(ds):
    with pytest.raises(NothingToDrawError, match="set `subsets: all` in the study"):
        figure_partition(ds.assign(unique=ds.unique * np.nan))

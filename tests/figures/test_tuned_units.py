"""Figure S1 counts the units above each threshold, and shows the distributions of units near it."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import open_results, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.style import notes_of
from distributed_trf.figures.tuned_units import WORDS, figure_s1, nearest_units
from distributed_trf.results.inter_trial_draws import inter_trial_draws
from distributed_trf.results.tables import reliability_table
from tests.figures.drawn import headings, legend_texts
from tests.small_results import small_results, write_small_study


@pytest.fixture(scope="module")
def ds():
    """Means only, as of imported results."""
    return simulate_results(["whisper_tiny"])


def counted(line):
    return dict(zip(np.round(line.get_xdata(), 1).tolist(), line.get_ydata(), strict=True))


def test_figure_s1__counts_units_above_each_threshold(ds):
    axis = figure_s1(ds).axes[0]
    of = ds.sel(stimuli="timit", bin_width=50.0)
    counts = counted(axis.lines[0])
    assert list(counts) == [k / 10 for k in range(26)]
    for delta in (0.0, 0.3, 1.7, 2.5):
        above = (of.normaliser > of.null_mean + delta * of.null_std) & (of.normaliser > 0)
        assert counts[delta] == int(above.sum())
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert counts[0.0] > counts[2.5] > 0


def test_figure_s1__marks_the_published_thresholds_with_their_counts(saved_study):
    ds = open_results(saved_study)
    axis = figure_s1(ds, saved_study).axes[0]
    marked = {line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 2}
    assert marked == {0.5, 1.0}
    expected = [f"{reliability_table(ds, delta=d)['highly_tuned'].item()} units" for d in (0.5, 1.0)]
    assert [text.get_text() for text in axis.texts] == expected


def test_figure_s1__has_a_curve_of_medians(saved_study):
    ds = open_results(saved_study).load()
    ds["normaliser_median"] = ds.normaliser_median - 0.5 * ds.null_std  # so that the curves differ
    axis = figure_s1(ds, saved_study).axes[0]
    mean, median = axis.lines[:2]
    of = ds.sel(stimuli="timit", bin_width=50.0)
    for delta, n in counted(median).items():
        above = (of.normaliser_median > of.null_median + delta * of.null_std) & (of.normaliser_median > 0)
        assert n == int(above.sum())
    assert (mean.get_label(), median.get_label()) == ("means over draws", "medians over draws")
    assert mean.get_marker() != median.get_marker()


def test_nearest_units__are_nearest_to_the_threshold_and_differ(ds):
    of = ds.sel(stimuli="timit", bin_width=50.0)
    found = nearest_units(of)
    assert list(found) == [0.1, 0.5, 1.0]
    assert len(set(found.values())) == 3
    for delta, unit in found.items():
        away = np.abs(of.normaliser - of.null_mean - delta * of.null_std).values
        assert away[unit] == away.min()
        assert away[unit] < 0.01  # of 1718 units, as in the paper
    few = nearest_units(of.isel(unit=[5, 9]))
    assert sorted(few.values()) == [0, 1]


def test_figure_s1__shows_the_draws_of_units_nearest_to_the_threshold(saved_study):
    ds = open_results(saved_study)
    of = ds.sel(stimuli="timit", bin_width=50.0)
    figure = figure_s1(ds, saved_study)
    _, *panels = figure.axes
    assert len(panels) == 3
    assert legend_texts(figure) == [
        "two repeats of each sound",
        "mean of these draws",
        "one of the two shifted in time: the null",
        "mean of the null",
    ]
    assert {axis.get_xlabel() for axis in panels} == {"inter-trial correlation"}
    assert notes_of(figure) == [WORDS]
    for axis, (delta, unit) in zip(panels, nearest_units(of).items(), strict=True):
        session, channel = str(of.session.values[unit]), str(of.channel.values[unit])
        draws = inter_trial_draws(saved_study, session, channel)
        reached = (of.normaliser - of.null_mean).values[unit] / of.null_std.values[unit]
        letter = "\N{GREEK SMALL LETTER DELTA}"
        assert axis.get_title() == (
            f"unit nearest to {letter} = {delta:.1f}\nsession {session}, {channel}: its {letter} = {reached:.2f}"
        )
        means = [float(draws[name].mean()) for name in ("null", "true")]
        assert [line.get_xdata()[0] for line in axis.lines] == pytest.approx(means)
        both = np.concatenate([draws.true, draws.null])
        edges = np.linspace(both.min(), both.max(), 101)
        for patch, values in zip(axis.patches, (draws.null, draws.true), strict=True):
            heights = patch.get_xy()[1:-1:2, 1][:100]
            np.testing.assert_array_equal(heights, np.histogram(values, edges)[0])


def test_figure_s1__without_responses_draws_the_curve_and_says_why(tmp_path, ds):
    assert notes_of(figure_s1(ds)) == [
        "the curve of medians is left out: these results hold means only",
        "distributions of single units are left out: no folder with responses was given",
        WORDS,
    ]
    small = small_results()
    small["null_mean"], small["null_std"] = small.normaliser * 0, small.normaliser * 0 + 0.1
    figure = figure_s1(small, write_small_study(tmp_path / "study"))
    assert len(figure.axes) == 1
    assert "no responses of session s1 to timit at 50 ms" in notes_of(figure)[-2]
    assert "imported results have none" in notes_of(figure)[-2]
    figure.savefig(tmp_path / "s1.pdf")


def test_figure_s1__takes_another_stimulus_set(ds):
    figure = figure_s1(ds, stimuli="mvocs")
    assert headings(figure) == ["mvocs, 50 ms bins: 1718 units"]
    assert counted(figure.axes[0].lines[0]) != counted(figure_s1(ds).axes[0].lines[0])


def test_figure_s1__of_units_that_were_never_measured(ds):
    with pytest.raises(NothingToDrawError, match="no unit's reliability was measured for timit at 20 ms"):
        figure_s1(small_results(), bin_width=20.0)
    with pytest.raises(NothingToDrawError, match="presented twice or more, and `reliability` in the study"):
        figure_s1(ds.drop_vars("normaliser"))
    with pytest.raises(NothingToDrawError, match="timit at 35 ms is not in these results"):
        figure_s1(ds, bin_width=35.0)

"""The figure of all kinds of weights shows the numbers of the table."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf.config.extraction import PROJECTIONS, SEEDED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.controls import WEIGHTS_STYLE, figure_controls
from distributed_trf.figures.style import notes_of
from tests.figures.drawn import architecture, band, headings, legend_texts
from tests.small_results import small_results


def lines(axis):
    """Data and style of each labelled line."""
    return {line.get_label(): line for line in axis.lines}


def renamed(ds, **names):
    """The dataset with its networks under other names, to be put beside the first."""
    return ds.assign_coords(network=[names.get(n, n) for n in ds.network.values])


def test_figure_controls__draws_medians_quartiles_and_spectrograms():
    figure = figure_controls(small_results(), bin_width=50.0)
    (axis,) = figure.axes
    drawn = lines(axis)
    assert set(drawn) == {"mel", "trained", "reset"}
    np.testing.assert_allclose(drawn["trained"].get_xydata(), [[0, 0.2], [2, 0.4]])
    np.testing.assert_allclose(drawn["reset"].get_xydata(), [[0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(drawn["mel"].get_ydata(), [0.2, 0.2])
    assert drawn["mel"].get_linestyle() == "--"
    assert drawn["trained"].get_color() != drawn["reset"].get_color()
    _, low, high = band(axis, "trained")
    np.testing.assert_allclose([low, high], [[0.15, 0.3], [0.25, 0.5]])
    assert axis.get_title() == "net"
    assert axis.get_xlabel() == "layer"
    assert axis.get_ylabel() == "test correlation r"
    assert axis.get_xticks().tolist() == [0, 2]
    assert architecture(axis) == [("conv", -0.5, 0.5), ("transformer", 1.5, 2.5)]
    assert legend_texts(figure) == ["reset", "trained", "mel", "convolution", "transformer"]
    assert headings(figure) == ["timit, 50 ms bins: 3 units, medians and quartiles"]
    assert notes_of(figure) == []


def test_figure_controls__one_panel_per_network_and_one_line_per_spectrogram():
    ds = small_results()
    both = xr.concat([ds, renamed(ds, net="other", mel="gammatone")], "network", join="outer", data_vars="all")
    figure = figure_controls(both, bin_width=50.0)
    assert [axis.get_title() for axis in figure.axes] == ["net", "other"]
    for axis in figure.axes:
        dashed = [line for line in axis.lines if line.get_label() in ("mel", "gammatone")]
        assert len(dashed) == 2
        assert len({(line.get_color(), line.get_linestyle()) for line in dashed}) == 2
        assert "-" not in {line.get_linestyle() for line in dashed}


WORDS = ["trained", "reset", "reset-1", "reset-2", "permuted-4", "random", "random_uniform", "scaled-0.5", "scaled-2"]


def with_weights(words):
    """Results of one network with the numbers of its trained weights under other names too."""
    trained = small_results().sel(network=["net"], weights="trained", drop=True)
    return xr.concat([trained + 0.01 * k for k in range(len(words))], xr.DataArray(words, dims="weights"))


def test_figure_controls__seeds_of_a_kind_share_its_style_and_one_label():
    figure = figure_controls(with_weights([*WORDS, *PROJECTIONS]), bin_width=50.0)
    (axis,) = figure.axes
    styles = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axis.lines]
    assert len(styles) == len(WORDS) + len(PROJECTIONS)
    assert styles[1] == styles[2] == styles[3]
    assert styles[-6][:2] == styles[-5][:2]  # factors: the line tells them apart
    assert len(set(styles)) == len(styles) - 2
    assert legend_texts(figure)[:-2] == ["trained", "reset, 3 seeds", *WORDS[4:], *PROJECTIONS]
    bands = [str(of.get_label()) for of in axis.collections]
    assert bands == ["_trained"]  # of so many, only one


def test_figure_controls__has_a_style_for_every_kind_of_weights_of_a_network():
    assert set(WEIGHTS_STYLE) == {"trained", "scaled", "fixed", *SEEDED}
    colours = [WEIGHTS_STYLE[kind][0] for kind in WEIGHTS_STYLE if not kind.startswith("projection")]
    assert len(set(colours)) == len(colours)


def test_figure_controls__takes_50_ms_unless_told():
    (axis,) = figure_controls(small_results(), bin_width=20.0).axes
    np.testing.assert_allclose(lines(axis)["trained"].get_xydata(), [[2, 0.6]])
    assert "mel" not in lines(axis)
    (axis,) = figure_controls(small_results()).axes
    assert "mel" in lines(axis)


def test_figure_controls__of_rho_is_of_highly_tuned_units():
    ds = small_results()
    ds["null_mean"], ds["null_std"] = 0 * ds.normaliser, 0 * ds.normaliser + 0.5
    figure = figure_controls(ds, variable="rho", delta=0.5)
    assert headings(figure) == ["timit, 50 ms bins: 1 highly tuned units (δ = 0.5), medians and quartiles"]
    np.testing.assert_allclose(lines(figure.axes[0])["trained"].get_xydata(), [[0, 0.2], [2, 0.2]])


def test_figure_controls__has_a_row_for_each_stimulus_set():
    ds = small_results()
    two = xr.concat(
        [ds, ds.assign_coords(stimuli=["mvocs"])], "stimuli", data_vars="minimal", coords="minimal", compat="override"
    )
    figure = figure_controls(two.assign(r=two.r + xr.where(two.stimuli == "mvocs", 0.05, 0.0)))
    assert [h.split(",")[0] for h in headings(figure)] == ["timit", "mvocs"]
    first, second = (lines(axis)["trained"].get_ydata() for axis in figure.axes)
    np.testing.assert_allclose(second - first, 0.05)


def test_figure_controls__of_spectrograms_alone_has_one_panel():
    figure = figure_controls(small_results().sel(network=["mel"]), bin_width=50.0)
    (axis,) = figure.axes
    assert list(lines(axis)) == ["mel"]


@pytest.mark.parametrize(("which", "named"), [({"bin_width": 35.0}, "timit at 35 ms"), ({"stimuli": "mvocs"}, "mvocs")])
def test_figure_controls__of_what_was_not_fitted_is_an_error(which, named):
    with pytest.raises(NothingToDrawError, match=f"no fit of {named} is in these results that has a number"):
        figure_controls(small_results(), **which)


def test_figure_controls__before_any_fit_is_an_error():
    ds = small_results()
    with pytest.raises(NothingToDrawError, match="no fit of timit is in these results"):
        figure_controls(ds.assign(r=ds.r * np.nan))

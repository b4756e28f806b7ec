"""The layer profile shows the numbers of the table."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from distributed_trf.figures.layer_profile import WEIGHTS_STYLE, layer_profile

from distributed_trf.config.weights import PROJECTIONS, SEEDED
from distributed_trf.errors import StoreError
from tests.small_results import small_results


def lines(axis):
    """Data and style of each labelled line."""
    return {line.get_label(): line for line in axis.lines}


def renamed(ds, **names):
    """The dataset with its networks under other names, to be put beside the first."""
    return ds.assign_coords(network=[names.get(n, n) for n in ds.network.values])


def test_layer_profile__draws_medians_quartiles_and_spectrograms():
    figure = layer_profile(small_results(), bin_width=50.0)
    (axis,) = figure.axes
    drawn = lines(axis)
    assert set(drawn) == {"mel", "trained", "reset"}
    np.testing.assert_allclose(drawn["trained"].get_xydata(), [[0, 0.2], [2, 0.4]])
    np.testing.assert_allclose(drawn["reset"].get_xydata(), [[0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(drawn["mel"].get_ydata(), [0.2, 0.2])
    assert drawn["mel"].get_linestyle() == "--"
    assert drawn["trained"].get_color() != drawn["reset"].get_color()
    band = axis.collections[1].get_paths()[0].vertices  # trained comes after reset
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [0.15, 0.5])
    assert axis.get_title() == "net"
    assert axis.get_xlabel() == "layer"
    assert axis.get_ylabel() == "test correlation r"
    assert axis.get_xticks().tolist() == [0, 2]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"mel", "trained", "reset"}
    assert figure.get_suptitle() == "timit, 50 ms bins: median and quartiles over 3 units"


def test_layer_profile__one_panel_per_network_and_one_line_per_spectrogram():
    ds = small_results()
    both = xr.concat([ds, renamed(ds, net="other", mel="gammatone")], "network", join="outer", data_vars="all")
    figure = layer_profile(both, bin_width=50.0)
    assert [axis.get_title() for axis in figure.axes] == ["net", "other"]
    for axis in figure.axes:
        dashed = [line for line in axis.lines if line.get_label() in ("mel", "gammatone")]
        assert len(dashed) == 2
        assert {line.get_linestyle() for line in dashed} == {"--"}
        assert len({line.get_color() for line in dashed}) == 2


WORDS = ["trained", "reset", "reset-1", "reset-2", "permuted-4", "random", "random_uniform", "scaled-0.5", "scaled-2"]


def with_weights(words):
    """Results of one network with the numbers of its trained weights under other names too."""
    trained = small_results().sel(network=["net"], weights="trained", drop=True)
    return xr.concat([trained + 0.01 * k for k in range(len(words))], xr.DataArray(words, dims="weights"))


def test_layer_profile__seeds_of_a_kind_share_its_style_and_one_label():
    figure = layer_profile(with_weights([*WORDS, *PROJECTIONS]), bin_width=50.0)
    (axis,) = figure.axes
    styles = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axis.lines]
    assert len(styles) == len(WORDS) + len(PROJECTIONS)
    assert styles[1] == styles[2] == styles[3]
    assert styles[-6][:2] == styles[-5][:2]  # factors: the line tells them apart
    assert len(set(styles)) == len(styles) - 2
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["trained", "reset, 3 seeds", *WORDS[4:], *PROJECTIONS]


def test_layer_profile__has_a_style_for_every_kind_of_weights_of_a_network():
    assert set(WEIGHTS_STYLE) == {"trained", "scaled", *SEEDED}
    colours = [WEIGHTS_STYLE[kind][0] for kind in WEIGHTS_STYLE if not kind.startswith("projection")]
    assert len(set(colours)) == len(colours)


def test_layer_profile__takes_the_first_bin_width_unless_told():
    (axis,) = layer_profile(small_results()).axes
    np.testing.assert_allclose(lines(axis)["trained"].get_xydata(), [[2, 0.6]])
    assert "mel" not in lines(axis)


def test_layer_profile__of_spectrograms_alone_has_one_panel():
    figure = layer_profile(small_results().sel(network=["mel"]), bin_width=50.0)
    (axis,) = figure.axes
    assert list(lines(axis)) == ["mel"]


@pytest.mark.parametrize(
    ("which", "named"), [({"bin_width": 35.0}, "timit at 35 ms"), ({"stimuli": "mvocs"}, "mvocs at 20 ms")]
)
def test_layer_profile__of_what_was_not_fitted_is_an_error(which, named):
    with pytest.raises(StoreError, match=f"no fit of {named} is in these results; run the study first"):
        layer_profile(small_results(), **which)


def test_layer_profile__before_any_fit_is_an_error():
    ds = small_results()
    with pytest.raises(StoreError, match="no fit of timit at 20 ms"):
        layer_profile(ds.assign(r=ds.r * np.nan))


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_layer_profile__can_be_saved(tmp_path, ending, start):
    path = tmp_path / f"figure.{ending}"
    layer_profile(small_results(), bin_width=50.0).savefig(path)
    assert path.read_bytes().startswith(start)
    assert path.stat().st_size > 5_000

"""Each layer's share of the variance that all explain together."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import layer_profile, select_units
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.style import NETWORK_STYLE, notes_of
from distributed_trf.figures.variance_shares import figure_shares
from tests.figures.drawn import architecture, band, headings, labels, legend_texts, line, titled
from tests.figures.shared_variance import together


@pytest.fixture(scope="module")
def ds():
    return together()


@pytest.mark.parametrize("network", ["whisper_tiny", "deepspeech2"])
def test_figure_shares__draws_medians_and_quartiles_of_the_units_shown(ds, network):
    figure = figure_shares(ds)
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    profile = layer_profile(units, "share").sel(network=network)
    (axis,) = titled(figure, network)
    for weights in ("trained", "reset"):
        of = profile.sel(weights=weights).dropna("layer", subset=["median"])
        np.testing.assert_allclose(line(axis, weights).get_xydata(), np.stack([of.layer, of["median"]], axis=1))
        _, low, high = band(axis, weights)
        np.testing.assert_allclose([low, high], [of.q25, of.q75])
    n_layers = of.sizes["layer"]
    np.testing.assert_allclose(line(axis, "equal shares").get_ydata(), [1 / n_layers] * 2)
    assert line(axis, "trained").get_color() == NETWORK_STYLE[network][0]
    assert labels(axis)[-1] == "equal shares"
    assert len(architecture(axis)) == 2
    assert headings(figure) == [f"timit, 50 ms bins: {units.sizes['unit']} highly tuned units (δ = 0.5)"]
    assert notes_of(figure) == ["lines and bands: medians and quartiles over units"]


def test_figure_shares__without_the_kinds_of_layers_has_no_bar_and_tells_other_weights_apart(ds):
    figure = figure_shares(ds.drop_vars(["layer_type", "layer_name"]))
    assert architecture(titled(figure, "whisper_tiny")[0]) == []
    assert legend_texts(figure) == ["trained, in the network's colour", "reset", "equal shares"]


def test_figure_shares__of_fits_without_bands_is_an_error(ds):
    with pytest.raises(NothingToDrawError, match="have no shares; set `bands: true`"):
        figure_shares(ds.drop_vars("share"))

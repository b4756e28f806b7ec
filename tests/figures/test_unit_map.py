"""The map shows every unit, by area and by the layer it prefers."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import select_units, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.style import notes_of
from distributed_trf.figures.unit_map import figure_map
from tests.figures.drawn import titled

NETWORKS = ["whisper_tiny", "deepspeech2"]


@pytest.fixture(scope="module")
def ds():
    return simulate_results(NETWORKS, sessions=6, channels=25, stimuli=("timit",), depth=(0.2, 0.7))


@pytest.mark.parametrize(("network", "n_layers"), [("whisper_tiny", 6), ("deepspeech2", 7)])
def test_figure_map__has_a_row_per_unit_by_area_then_preferred_layer(ds, network, n_layers):
    figure = figure_map(ds)
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    fits = units[["rho", "cv_score"]].sel(network=network, weights="trained").dropna("layer", how="all")
    rho, scores = (fits[name].transpose("unit", "layer") for name in ("rho", "cv_score"))
    preferred = {tuple(row): int(k) for row, k in zip(rho.values, scores.argmax("layer"), strict=True)}
    (axis,) = titled(figure, network)
    drawn = np.asarray(axis.images[0].get_array())
    assert drawn.shape == (units.sizes["unit"], n_layers)
    n_core = int((units.area == "core").sum())
    for rows, area in ((drawn[:n_core], "core"), (drawn[n_core:], "non-primary")):
        expected = rho.values[units.area.values == area]
        np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(expected, axis=0))
        assert (np.diff([preferred[tuple(row)] for row in rows]) >= 0).all()
    borders = [line.get_ydata()[0] for line in axis.lines if line.get_label() == "_border"]
    assert borders == [n_core - 0.5]
    written = [tick.get_text() for tick in axis.get_yticklabels()]
    n_other = units.sizes["unit"] - n_core
    named = [f"core\n({n_core})", f"non-primary\n({n_other})"]
    assert written == (named if network == "whisper_tiny" else ["", ""])
    np.testing.assert_allclose(axis.images[0].get_extent()[:2], (-0.5, n_layers - 0.5))


def test_figure_map__of_some_networks_and_other_weights_says_so(ds):
    figure = figure_map(ds.sel(weights=["reset", "fixed"]), networks=["deepspeech2"])
    assert not titled(figure, "whisper_tiny")
    assert notes_of(figure) == ["no trained weights in these results: reset ones are shown"]


def test_figure_map__of_spectrograms_is_an_error(ds):
    with pytest.raises(NothingToDrawError, match="no network of several layers"):
        figure_map(ds.sel(network=["cochleagram"]))

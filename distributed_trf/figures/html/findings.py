"""What tests found, in sentences: layers of every network, the best of them, and where areas differ."""

from __future__ import annotations

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.preferred_layers import areas_to_compare, layers_of, peaks_of
from distributed_trf.results.best_layers import LayerTestTable
from distributed_trf.results.plotted_units import PlottedUnits, networks_of
from distributed_trf.results.statistics.area_tests import compare_areas
from distributed_trf.results.statistics.describe import remarks_on, sentences_on
from distributed_trf.results.statistics.layer_tests import AGAINST


def on_layers(table: LayerTestTable) -> list[str]:
    """Describe how many layers of each network are better, by how much the best one is, and how was tested."""
    places = {name: xr.DataArray(table.rows[column].values, dims="row") for name, column in _COLUMNS.items()}
    best = sentences_on(table.tests.sel(places)) if len(table.rows) else []
    return [*sentences_on(table.tests), *best, *remarks_on(table.tests)]


_COLUMNS = {names.NETWORK: "network", AGAINST: "against", names.LAYER: "best_layer"}
"""Of the table, by dimension of the tests."""


def on_areas(of: PlottedUnits) -> list[str]:
    """Describe whether the units of two areas prefer other layers, or say why they are not compared."""
    networks = [n for n in networks_of([of]) if len(layers_of(of, n, TRAINED)) > 1]
    if not networks:
        return ["Areas are not compared: no network of several layers was fitted with trained weights."]
    try:
        tests = compare_areas(peaks_of(of, networks, TRAINED, of.chooser), areas=areas_to_compare([of]))
    except NothingToDrawError as error:
        return [f"Areas are not compared: {error}."]
    return [*sentences_on(tests), *remarks_on(tests)]

"""The axes of results that were read from published files."""

from __future__ import annotations

from typing import Any

from distributed_trf import names
from distributed_trf.config.weights import FIXED, TRAINED
from distributed_trf.results.published.file_name import RESET
from distributed_trf.results.published.gather import Gathered
from distributed_trf.results.published.networks import STIMULI, in_order, table_of
from distributed_trf.results.published.units import Names
from distributed_trf.store.result_grid import Grid


def grid_of(gathered: Gathered, unit_names: Names) -> Grid:
    """Lay out everything that was read, with what is known of networks and sessions.

    Layers are named and typed by the network tables; those of an unknown network have the type that a file says.
    """
    places = gathered.places
    stimuli = {place[0] for place in places}
    axes: dict[str, tuple[Any, ...]] = {
        names.STIMULI: tuple(s for s in STIMULI.values() if s in stimuli),
        names.NETWORK: tuple(in_order({place[1] for place in places})),
        names.WEIGHTS: tuple(sorted({place[2] for place in places}, key=_weights_order)),
        names.LAYER: tuple(sorted({place[3] for place in places})),
        names.BIN_WIDTH: tuple(sorted({place[4] for place in places})),
    }
    there = {
        network: sorted({layer for _, of, _, layer, _ in places if of == network}) for network in axes[names.NETWORK]
    }
    described = {network: _described(network, layers, gathered) for network, layers in there.items()}
    return Grid(axes=axes, units=unit_names.units(gathered.units), layers=described)


def _described(network: str, layers: list[int], gathered: Gathered) -> dict[str, tuple[str, str]]:
    table = table_of(network)
    known = {layer.id: (layer.name, layer.type) for layer in table.layers} if table else {}
    found = {}
    for layer in layers:
        said = gathered.layer_types.get((network, layer), "")
        found[str(layer)] = known.get(layer, ("", said))
    return found


def other_types(gathered: Gathered) -> list[str]:
    """Say of which layers the files have another type than the network tables, one line each."""
    notes = []
    tables = {network: table_of(network) for network in dict.fromkeys(network for network, _ in gathered.layer_types)}
    for (network, layer), said in gathered.layer_types.items():
        table = tables[network]
        known = {known.id: known.type for known in table.layers} if table else {}
        if said != known.get(layer, said):
            notes.append(
                f"layer {layer} of {network}: column layer_type says {said}, the table {known[layer]}, as kept"
            )
    return notes


def _weights_order(weights: str) -> tuple[int, str]:
    """Trained, untrained and other controls first, then the one of spectrograms."""
    return ((TRAINED, RESET).index(weights) if weights in (TRAINED, RESET) else 2 if weights != FIXED else 3, weights)

"""What hearing sounds will take: exactly where the family's code is here, else from what the network's table says."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.config.weights import TRAINED, Weights, kind_of
from distributed_trf.features.families.known import FAMILIES, family
from distributed_trf.features.family import Work
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.controls import CONTROLS
from distributed_trf.features.work import STEP, counted_work


def is_known(table: NetworkTable) -> bool:
    """Whether this version can extract a network, not only plan it."""
    return table.family in FAMILIES


def check_weights(table: NetworkTable, weights: Weights) -> None:
    """Raise ConfigError where this version knows a network and cannot make it with some weights."""
    if is_known(table):
        family(table, weights)


def frame_rate(table: NetworkTable, weights: Weights, layer: Layer) -> float:
    """Return the frames per second that a layer gives with some weights."""
    return family(table, weights).frame_rate(layer) if is_known(table) else layer.rate


def expected_frames(table: NetworkTable, weights: Weights, layer: Layer, n_samples: int) -> int:
    """Return how many frames a layer gives of a sound at the network's rate, leading silence included.

    Without the family's code this is what centred windows would give, a frame or two from what others give.
    """
    if is_known(table):
        return family(table, weights).n_frames(table, layer, n_samples)
    return 1 + int(n_samples * layer.rate / table.sfreq)


def expected_work(table: NetworkTable, weights: Weights, n_samples: Sequence[int]) -> Work:
    """Count what a batch of sounds takes.

    Parameters
    ----------
    table, weights
        The network.
    n_samples
        Length of each sound at the network's rate, leading silence included.

    Raises
    ------
    ConfigError
        If neither the family's code nor the table says.
    """
    if is_known(table):
        return family(table, weights).work(table, n_samples)
    longest = max(n_samples)
    widest = max(expected_frames(table, weights, x, longest) * x.width for x in table.layers)
    return counted_work(table, n_samples, STEP * len(n_samples) * widest)


def loads_file(weights: Weights) -> bool:
    """Tell whether a network with some weights begins with a file of trained ones."""
    kind = kind_of(weights)
    return kind == TRAINED or (kind in CONTROLS and CONTROLS[kind].of_trained)


def needs_transformers(table: NetworkTable, weights: Weights) -> bool:
    """Tell whether hearing with a network loads the library of that name, as far as this version knows."""
    return is_known(table) and "transformers" in family(table, weights).libraries

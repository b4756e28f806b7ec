"""What hearing sounds will take: exactly where the family's code is here, else from what the network's table says."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.errors import ConfigError
from distributed_trf.features.network import FAMILIES, family
from distributed_trf.features.table import Layer, NetworkTable


def is_known(table: NetworkTable) -> bool:
    """Whether this version can extract a network, not only plan it."""
    return table.family in FAMILIES


def expected_frames(table: NetworkTable, layer: Layer, n_samples: int) -> int:
    """Return how many frames a layer gives of a sound at the network's rate, leading silence included.

    Without the family's code this is what centred windows would give, a frame or two from what others give.
    """
    if is_known(table):
        return family(table).n_frames(layer, n_samples)
    return 1 + int(n_samples * layer.rate / table.sfreq)


def expected_work(table: NetworkTable, n_samples: Sequence[int]) -> tuple[float, int]:
    """Return floating-point operations and peak bytes of memory for a batch of sounds, weights included.

    Parameters
    ----------
    table
        The network.
    n_samples
        Length of each sound at the network's rate, leading silence included.

    Raises
    ------
    ConfigError
        If neither the family's code nor the table says.
    """
    if is_known(table):
        return family(table).work(table, len(n_samples))
    if table.gflop_per_second is None or table.parameters is None:
        missing = [field for field in ("parameters", "gflop_per_second") if getattr(table, field) is None]
        raise ConfigError(
            f"network {table.name}: family {table.family!r} is unknown; known: {', '.join(FAMILIES)}. To plan without "
            f"its code, give {' and '.join(missing)} in its table"
        )
    outputs = sum(expected_frames(table, layer, n) * layer.width for n in n_samples for layer in table.layers)
    flops = 1e9 * table.gflop_per_second * sum(n_samples) / table.sfreq
    return flops, 4 * table.parameters + 2 * 4 * outputs  # float32; a layer's input is alive with its output

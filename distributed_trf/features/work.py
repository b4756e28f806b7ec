"""What hearing sounds takes, from what a network's table says of it."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.errors import ConfigError
from distributed_trf.features.family import Work
from distributed_trf.features.table import NetworkTable


def counted_work(table: NetworkTable, n_samples: Sequence[int], n_values: int) -> Work:
    """Count by the table's ``parameters`` and ``gflop_per_second``.

    Parameters
    ----------
    table
        The network.
    n_samples
        Length of each sound of a batch at the network's rate, leading silence included.
    n_values
        Numbers that the layers give of the batch, all frames and features together.

    Raises
    ------
    ConfigError
        If the table lacks one of the two.
    """
    if table.gflop_per_second is None or table.parameters is None:
        missing = [field for field in ("parameters", "gflop_per_second") if getattr(table, field) is None]
        raise ConfigError(f"network {table.name}: to plan it, give {' and '.join(missing)} in its table")
    flops = 1e9 * table.gflop_per_second * sum(n_samples) / table.sfreq
    return Work(flops, peak_bytes(table.parameters, 2 * n_values))  # a layer's input is alive with its output


def peak_bytes(n_parameters: int, n_activations: int) -> int:
    """Return the memory of a network in float32: while it loads, a file's tensors are beside its own."""
    return 4 * (n_parameters + max(n_parameters, n_activations))

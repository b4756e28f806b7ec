"""What hearing sounds takes, from what a network's table says of it."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.errors import ConfigError
from distributed_trf.features.family import Work
from distributed_trf.features.table import NetworkTable

STEP = 3
"""Arrays as large as a network's widest layer that a pass holds at once: what goes into a step, what comes out of it,
and the copy that a convolution works in."""


def counted_work(table: NetworkTable, n_samples: Sequence[int], step_values: int) -> Work:
    """Count by the table's ``parameters`` and ``gflop_per_second``.

    Parameters
    ----------
    table
        The network.
    n_samples
        Length of each sound of a batch at the network's rate, leading silence included.
    step_values
        Numbers, in float32, that the widest step of a pass holds of the whole batch.

    Raises
    ------
    ConfigError
        If the table lacks one of the two.
    """
    if table.gflop_per_second is None or table.parameters is None:
        missing = [field for field in ("parameters", "gflop_per_second") if getattr(table, field) is None]
        raise ConfigError(f"network {table.name}: to plan it, give {' and '.join(missing)} in its table")
    flops = 1e9 * table.gflop_per_second * sum(n_samples) / table.sfreq
    return Work(flops, 4 * table.parameters, 4 * step_values)


def block_values(width: int, inner: int) -> int:
    """Count the numbers that a transformer's block holds for each frame when its feed-forward part is widest.

    Before and after the activation there are ``inner`` of them. Of the ``width`` there are what the block was given,
    the residual and what was normalised; and, kept by the C library until they are used again, the queries,
    keys, values and outcome of attention.
    """
    return 2 * inner + 7 * width

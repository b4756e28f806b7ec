"""Holding a table that a user wrote against its network, before hours are spent."""

from __future__ import annotations

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import FAMILIES
from distributed_trf.features.families.untrained_shapes import untrained_shapes
from distributed_trf.features.families.user_network import UserNetwork
from distributed_trf.features.table import Layer, NetworkTable

SECONDS = (1.0, 3.0)
"""Lengths of the sounds that a network is passed."""
MOST_OFF = 0.01
"""Largest part by which a layer's rate may differ from the frames per second that the longer sound has more."""


def check_table(table: NetworkTable) -> None:
    """Build the network that a table describes, pass two sounds, and compare every layer's module, width and rate.

    Tables of other families than ``transformers`` and ``module`` have code that knows their layers.

    Parameters
    ----------
    table
        With what it leaves to the files of its source.

    Raises
    ------
    FeatureError, ConfigError
        At the first layer that is not as the table says, with what was found.
    """
    code = FAMILIES.get(table.family)
    if not isinstance(code, UserNetwork):
        return
    bare = [layer.model_copy(update={"hop": None, "offset": 0}) for layer in table.layers]
    shapes = table.model_copy(update={"layers": bare})
    lengths = [round(table.sfreq * seconds) for seconds in SECONDS if table.window is None or seconds <= table.window]
    lengths = lengths or [round(table.sfreq * (table.window or 0))]
    passed = [untrained_shapes(code, shapes.model_dump_json()).passed(n) for n in lengths]
    for layer in table.layers:
        frames = [counts[layer.id] for counts in passed]
        if table.window is None:
            _check_hop(code, table, layer, lengths, frames)
            seconds, n = SECONDS[1] - SECONDS[0], frames[1] - frames[0]
        else:
            seconds, n = table.window, frames[0]
            if layer.grid is not None:
                continue  # patches may overlap, so that their number in a window is less than the rate says
        if abs(n - layer.rate * seconds) > max(1.0, MOST_OFF * n):
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gives {n / seconds:.4g} frames per second, but its rate "
                f"is {layer.rate:g}; correct `rate` in the table"
            )


def _check_hop(code: UserNetwork, table: NetworkTable, layer: Layer, lengths: list[int], frames: list[int]) -> None:
    """Check the frames that a layer's hop and offset say against those that it gives."""
    for n_samples, n in zip(lengths, frames, strict=True):
        if layer.hop is None or n == code.n_frames(table, layer, n_samples):
            continue
        raise FeatureError(
            f"{table.name} layer {layer.id} ({layer.name}) gives {n} frames for {n_samples} samples, but its hop "
            f"{layer.hop} and offset {layer.offset} say {code.n_frames(table, layer, n_samples)}; correct them, or "
            "leave them out to have them found out"
        )

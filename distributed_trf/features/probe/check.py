"""Holding a table that a user wrote against its network, before hours are spent."""

from __future__ import annotations

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import FAMILIES
from distributed_trf.features.families.untrained_shapes import untrained_shapes
from distributed_trf.features.families.user_network import UserNetwork
from distributed_trf.features.table import NetworkTable

SECONDS = 1.0
"""Length of the sound that a network is passed."""


def check_table(table: NetworkTable) -> None:
    """Build the network that a table describes, pass one sound, and compare every layer's module, width and rate.

    Tables of other families than ``transformers`` and ``module`` have code that knows their layers.

    Raises
    ------
    FeatureError, ConfigError
        At the first layer that is not as the table says, with what was found.
    """
    code = FAMILIES.get(table.family)
    if not isinstance(code, UserNetwork):
        return
    n_samples = round(table.sfreq * min(SECONDS, table.window or SECONDS))
    bare = [layer.model_copy(update={"hop": None, "offset": 0}) for layer in table.layers]
    found = table.model_copy(update={"layers": bare})
    frames = untrained_shapes(code, found.model_dump_json()).passed(n_samples)
    for layer in table.layers:
        n = frames[layer.id]
        if layer.hop is not None and table.window is None and n != code.n_frames(table, layer, n_samples):
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gives {n} frames for {n_samples} samples, but its hop "
                f"{layer.hop} and offset {layer.offset} say {code.n_frames(table, layer, n_samples)}; correct them, or "
                "leave them out to have them found out"
            )

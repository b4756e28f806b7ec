"""Networks that their table describes; what it does not say is determined by running the untrained architecture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.untrained_shapes import check_rate, untrained_shapes
from distributed_trf.features.family import Work, counted_work
from distributed_trf.features.frames import as_frames
from distributed_trf.features.table import Layer, NetworkTable

if TYPE_CHECKING:
    import torch


class UserNetwork(TorchFamily):
    """A network that is described by its table alone.

    Only sounds of the same length share a pass, so padding cannot change their frames. What the table does not say of
    frames and work is counted in passes of the untrained architecture (see ``UntrainedShapes``).
    """

    def batches(self, n_samples: Sequence[int]) -> list[list[int]]:
        """Put sounds of the same length together."""
        return [[k for k, m in enumerate(n_samples) if m == n] for n in dict.fromkeys(n_samples)]

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return the number of frames: by the table's ``hop``, or else of the untrained architecture.

        Raises
        ------
        FeatureError
            If it cannot take a sound of that length, or a layer gives another shape than its table says.
        """
        if table.window is not None and n_samples > table.window * table.sfreq:
            raise FeatureError(
                f"{table.name} takes no sound above {table.window:g} s, leading silence included; this one has "
                f"{n_samples / table.sfreq:.4g} s. Leave the stimulus or the network out of the study"
            )
        if layer.hop is None:
            return untrained_shapes(self, table.model_dump_json()).frames(n_samples)[layer.id]
        n = (n_samples + layer.offset) // layer.hop
        if n < 1:
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) has no frame for a sound of {n_samples} samples "
                f"({n_samples / table.sfreq:.3g} s, leading silence included), below {layer.hop - layer.offset} "
                "samples; leave the stimulus or the network out of the study"
            )
        return n

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Take each sound's frames: all of them, or of a network that pads to a window those within the sound.

        Raises
        ------
        FeatureError
            If their number differs from that of the table's ``hop``, or its rate cannot be meant.
        """
        laid = as_frames(layer, output, len(n_samples), table.name)
        n = laid.shape[1]
        if layer.hop is None:  # to count them would take another pass
            check_rate(table, layer, n, n_samples[0])
            return list(laid)
        expected = self.n_frames(table, layer, n_samples[0])
        if n < expected or (n > expected and table.window is None):
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave {n} frames, but the untrained network of its "
                f"table's config gives {expected}; let the config describe the network whose weights are "
                "loaded, and its `extractor_options` how that network prepares its input; `hop` and `offset` follow "
                "them"
            )
        return list(laid[:, :expected])

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table if it says all, else the products of the untrained architecture."""
        if table.gflop_per_second is not None and table.parameters is not None:
            counted = n_samples if table.window is None else [int(table.window * table.sfreq)] * len(n_samples)
            return counted_work(table, counted, self.step_values(table, n_samples))
        shapes = untrained_shapes(self, table.model_dump_json())
        activations = 4 * self.step_values(table, n_samples)
        return Work(sum(shapes.flops(n) for n in n_samples), 4 * shapes.parameters, activations)

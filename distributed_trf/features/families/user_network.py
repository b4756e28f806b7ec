"""Networks that their table describes; what it does not say is determined by running the untrained architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DistributedTRFError, FeatureError, MissingExtraError
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Work, counted_work
from distributed_trf.features.frames import as_frames, tap
from distributed_trf.features.hooks import Tap, recorded
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.torch_internals import flop_counter

if TYPE_CHECKING:
    import torch


class UserNetwork(TorchFamily):
    """A network that is described by its table alone.

    Only sounds of the same length share a pass, so padding cannot change their frames. Frames and work are counted in a
    pass of the untrained architecture over shapes alone, without numbers.
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
            return _trace(self, table.model_dump_json(), n_samples).frames[layer.id]
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
            If their number differs from that which was planned.
        """
        laid, expected = as_frames(layer, output, len(n_samples), table.name), self.n_frames(table, layer, n_samples[0])
        n = laid.shape[1]
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
        traces = [_trace(self, table.model_dump_json(), n) for n in n_samples]
        activations = 4 * self.step_values(table, n_samples)
        return Work(sum(trace.flops for trace in traces), 4 * traces[0].parameters, activations)


@dataclass(frozen=True)
class _Trace:
    frames: dict[int, int]
    """By layer id."""
    flops: float
    parameters: int


@lru_cache(maxsize=65_536)
def _trace(family: UserNetwork, table_json: str, n_samples: int) -> _Trace:
    """Pass one sound of that length through the untrained architecture."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("torch", "models", error) from error
    table = NetworkTable.model_validate_json(table_json)
    try:
        return _traced_on("meta", family, table, table_json, n_samples)
    except DistributedTRFError:
        raise
    except Exception:  # noqa: BLE001 - some networks run only with numbers
        try:
            return _traced_on("cpu", family, table, table_json, n_samples)
        except DistributedTRFError:
            raise
        except Exception as error:
            raise FeatureError(
                f"{table.name} cannot take a sound of {n_samples} samples ({n_samples / table.sfreq:.3g} s, leading "
                f"silence included): {error}"
            ) from error


@lru_cache(maxsize=1)
def _untrained(family: UserNetwork, table_json: str, device: str) -> torch.nn.Module:
    import torch

    with torch.device(device):
        return family.new(NetworkTable.model_validate_json(table_json)).eval()


def _traced_on(device: str, family: UserNetwork, table: NetworkTable, table_json: str, n_samples: int) -> _Trace:
    import torch

    frames: dict[int, int] = {}
    by_tap: dict[Tap, list[Layer]] = {}
    for layer in table.layers:
        by_tap.setdefault(tap(layer), []).append(layer)

    def take(where: Tap, output: Any) -> None:
        for layer in by_tap[where]:
            frames[layer.id] = _checked_frames(table, layer, output, n_samples)

    sound = np.random.default_rng(0).standard_normal(n_samples)
    # Not in inference mode: there the counter cannot count parametrised weights.
    with torch.inference_mode(mode=False), torch.no_grad():
        model = _untrained(family, table_json, device)
        with recorded(model, by_tap, take), flop_counter() as counter:
            family.run(model, [sound], device, torch.float32)
    return _Trace(frames, counter.get_total_flops(), sum(p.numel() for p in model.parameters()))


def _checked_frames(table: NetworkTable, layer: Layer, output: Any, n_samples: int) -> int:
    """Return the number of frames after checking the shape against the table."""
    n = int(as_frames(layer, output, 1, table.name).shape[1])
    seconds = table.window or n_samples / table.sfreq
    by_rate = layer.rate * seconds
    if not 0.5 * by_rate - 10 <= n <= 1.25 * by_rate + 10:
        raise FeatureError(
            f"{table.name} layer {layer.id} ({layer.name}) gives {n} frames for {seconds:.3g} s, but at its rate of "
            f"{layer.rate:g} Hz about {by_rate:.0f}; correct `rate` in the table, or choose an extractor that does "
            "not pad sounds to one length, or state that length in seconds as `window`"
        )
    return n

"""User networks: what their table does not say is determined by running the untrained architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DistributedTRFError, FeatureError, MissingExtraError
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Work
from distributed_trf.features.hooks import recorded
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
        """Return the number of frames of the untrained architecture.

        Raises
        ------
        FeatureError
            If it cannot take a sound of that length, or a layer gives another shape than its table says.
        """
        return _trace(self, table.model_dump_json(), n_samples).frames[layer.id]

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Take each sound's frames, all of them.

        Raises
        ------
        FeatureError
            If their number differs from that of the untrained architecture.
        """
        n, expected = _n_frames(layer, output), self.n_frames(table, layer, n_samples[0])
        if n != expected:
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave {n} frames, but the untrained network of its "
                f"table's config gives {expected}; let the config describe the network whose weights are "
                "loaded, and its `extractor_options` how that network prepares its input"
            )
        return super().frames(table, layer, output, n_samples)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count the products of the untrained architecture; memory is counted as for every network."""
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
    by_name: dict[str, list[Layer]] = {}
    for layer in table.layers:
        by_name.setdefault(layer.name, []).append(layer)

    def take(name: str, output: Any) -> None:
        for layer in by_name[name]:
            frames[layer.id] = _checked_frames(table, layer, output, n_samples)

    sound = np.random.default_rng(0).standard_normal(n_samples)
    # Not in inference mode: there the counter cannot count parametrised weights.
    with torch.inference_mode(mode=False), torch.no_grad():
        model = _untrained(family, table_json, device)
        with recorded(model, by_name, take), flop_counter() as counter:
            family.run(model, [sound], device, torch.float32)
    return _Trace(frames, counter.get_total_flops(), sum(p.numel() for p in model.parameters()))


def _n_frames(layer: Layer, output: Any) -> int:
    return int(output.shape[-1 if layer.time_last else 1])


def _checked_frames(table: NetworkTable, layer: Layer, output: Any, n_samples: int) -> int:
    """Return the number of frames after checking the shape against the table."""
    shape, where = tuple(output.shape), f"{table.name} layer {layer.id} ({layer.name})"
    fits = len(shape) == 3 or (layer.time_last and len(shape) > 3)
    if not fits or shape[0] != 1 or prod(shape[1:-1] if layer.time_last else shape[2:]) != layer.width:
        expected = f"(1, {layer.width} in all, frames)" if layer.time_last else f"(1, frames, {layer.width})"
        raise FeatureError(
            f"{where} gives shape {shape} for one sound; expected {expected}. Correct `width` in the table, or say "
            "`time_last: true` where time is the last axis"
        )
    found, expected_by_rate = _n_frames(layer, output), layer.rate * n_samples / table.sfreq
    if not 0.5 * expected_by_rate - 10 <= found <= 1.25 * expected_by_rate + 10:
        raise FeatureError(
            f"{where} gives {found} frames for {n_samples / table.sfreq:.3g} s, but at its rate of {layer.rate:g} Hz "
            f"about {expected_by_rate:.0f}; correct `rate` in the table, or choose an extractor that does not pad "
            "sounds to one length"
        )
    return found

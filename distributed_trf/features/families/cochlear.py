"""CochCNN9 and CochResNet50: networks that hear windows of 2 s, cut and put together as published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Keep, Network, Work, counted_work
from distributed_trf.features.network_table import Layer, NetworkTable
from distributed_trf.features.weights.checkpoint import load_state, read_state, without_prefix
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.weight_files import State

if TYPE_CHECKING:
    import torch

SFREQ = 20_000
WINDOW = 2 * SFREQ
CONTEXT = int(0.35 * SFREQ)
"""Samples of a window that the one before it has heard as well."""
NEW = WINDOW - CONTEXT
WINDOWS = 16
"""Windows of one pass, which bound its memory whatever the length and number of the sounds."""
WINDOW_BYTES = {"cnn9": 12_000_000, "resnet50": 30_000_000}
"""Peak memory of a window on its way through a network, measured on several at once."""
COPIES = "attacker."
"""Where a checkpoint holds the same network once more."""


class Cochlear(TorchFamily):
    """Networks of Tuckute et al. (2023).

    A sound is heard in windows of 40000 samples, each beginning 33000 samples after the one before, zeros after its
    end, clipped to [-1, 1]. A layer's rate is the published one, its frames per window over 2 s. Of a window's frames
    those of the zeros are dropped, ``int(n_zeros * rate / 20000)``, and of every window but the first those of its
    first 7000 samples, ``int(7000 * rate / 20000)``; what is left is put one after the other (Ahmed et al. 2025).

    As published, the first 7000 samples of the first window are a lead-in of 0.35 s of silence. Windows are the same of
    a sound with another lead-in, or none: then that first part holds less silence, or more than it.
    """

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Count the frames that are kept of each window."""
        kept = [kept_frames(layer, k, n_samples) for k in range(n_windows(n_samples))]
        return sum(frames.stop - frames.start for frames in kept)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table for whole windows."""
        return counted_work(table, [NEW * n_windows(n) for n in n_samples], self.step_values(table, n_samples))

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count as many windows as are heard at once."""
        of_one = WINDOW_BYTES.get(table.config.get("network", ""), max(WINDOW_BYTES.values()))
        return min(sum(n_windows(n) for n in n_samples), WINDOWS) * of_one // 4

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network that the table's configuration names.

        Raises
        ------
        ConfigError
            If there is no such network, or its sound would not be at 20 kHz.
        """
        from distributed_trf.features.modules.cochlear import NETWORKS, CochlearNetwork

        name = table.config.get("network")
        if name not in NETWORKS:
            raise ConfigError(
                f"network {table.name}: config has network {name!r}, expected one of {', '.join(NETWORKS)}"
            )
        if table.sfreq != SFREQ:
            raise ConfigError(
                f"network {table.name}: sfreq is {table.sfreq:g}, expected {SFREQ}, which it was made for"
            )
        return CochlearNetwork(name)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load a published checkpoint."""
        source, _ = weights_source(table, settings)
        model = self.new(table)
        load_state(model, _weights(read_state(Path(source)), source), source)
        return model

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass windows through the network. They are float32 in any case: the network goes over to its dtype itself."""
        import torch

        model(to_model(torch.from_numpy(np.stack(sounds))[:, None], device, torch.float32))

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Cut what a module gave into one tensor of all frames and the first features per window.

        Raises
        ------
        FeatureError
            If a window has another number of frames than the rate of the layer says.
        """
        n = frames_per_window(layer)
        output = output.flatten(1, -2).transpose(1, 2) if layer.time_last and output.ndim > 2 else output
        if output.ndim != 3 or output.shape[1] != n:
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave {tuple(output.shape[1:])} of a window, expected "
                f"{n} frames at its rate of {layer.rate:g}; give its frames per window over 2 s as `rate` in the "
                "network's table, and `time_last`"
            )
        return list(output[:, :, : layer.width])

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> WindowedNetwork:
        """Build the network with its weights on a device."""
        return WindowedNetwork(super().build(table, settings, weights, device=device, dtype=dtype))


class WindowedNetwork:
    """A built network that hears windows of sounds, some at a time.

    Parameters
    ----------
    network
        It hears windows.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.n_bytes, self.changed = network, network.n_bytes, network.changed
        self.parts = 1

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Hear prepared sounds; each is handed over once its last window is heard."""
        import torch

        windows = [(k, i) for k, sound in enumerate(sounds) for i in range(n_windows(sound.shape[0]))]
        heard: dict[tuple[int, int, int], torch.Tensor] = {}

        def keep_windows(layer: Layer, positions: Sequence[int], given: Sequence[torch.Tensor]) -> None:
            whose = [windows[first + at] for at in positions]
            kept = [f[kept_frames(layer, i, sounds[k].shape[0])] for f, (k, i) in zip(given, whose, strict=True)]
            copies = torch.cat(kept).split([frames.shape[0] for frames in kept])  # the rest can go
            heard.update(((layer.id, k, i), frames) for (k, i), frames in zip(whose, copies, strict=True))

        self.parts = 1
        for first in range(0, len(windows), WINDOWS):
            now = windows[first : first + WINDOWS]
            self.network([window(sounds[k], i) for k, i in now], layers, keep_windows)
            self.parts = max(self.parts, self.network.parts)
            whole = [k for k, i in now if i == n_windows(sounds[k].shape[0]) - 1]
            for layer in layers if whole else ():
                pieces = [[heard.pop((layer.id, k, i)) for i in range(n_windows(sounds[k].shape[0]))] for k in whole]
                keep(layer, whole, [torch.cat(windows_of_one) for windows_of_one in pieces])


def n_windows(n_samples: int) -> int:
    """Return how many windows a sound is heard in."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no frames; give a stimulus of at least one sample at 20 kHz")
    return max(1, -(-(n_samples - CONTEXT) // NEW))


def window(sound: np.ndarray, k: int) -> np.ndarray:
    """Cut the k-th window, zeros after the end of the sound."""
    part = sound[k * NEW : k * NEW + WINDOW]
    return np.pad(part, (0, WINDOW - part.shape[0]))


def frames_per_window(layer: Layer) -> int:
    """Return how many frames a layer gives of a whole window."""
    return round(layer.rate * WINDOW / SFREQ)


def kept_frames(layer: Layer, k: int, n_samples: int) -> slice:
    """Return which frames of the k-th window of a sound are kept."""
    n_zeros = max(0, k * NEW + WINDOW - n_samples)
    first = int(CONTEXT * layer.rate / SFREQ) if k > 0 else 0
    return slice(first, frames_per_window(layer) - int(n_zeros * layer.rate / SFREQ))


def _weights(state: State, source: str) -> State:
    """Take a checkpoint's weights; what it holds beside them must be what the network here computes itself."""
    import torch

    from distributed_trf.features.modules.cochlear import published_constants

    if all(name.startswith("module.") for name in state):
        state = without_prefix(state, "module.")
    weights = {name: value for name, value in state.items() if not name.startswith(COPIES)}
    for name, expected in published_constants().items():
        found = weights.pop(name, expected)
        if found.shape != expected.shape or not torch.allclose(found.to(expected.dtype), expected, atol=1e-5):
            raise FeatureError(
                f"{source}: {name} has other values than in the published checkpoints, so that its network would hear "
                "something else than here; give one trained on `cochleagram_1` as `source` in the study"
            )
    return weights

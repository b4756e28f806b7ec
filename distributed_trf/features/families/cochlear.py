"""CochCNN9 and CochResNet50: networks that take windows of 2 s, cut and concatenated as published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Keep, Network, Sound, Work, counted_work
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.checkpoint import load_state, without_prefix
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.stored import read_tensors, stored_tensors
from distributed_trf.features.weights.weight_files import Stored

if TYPE_CHECKING:
    import torch

SFREQ = 20_000
WINDOW = 2 * SFREQ
CONTEXT = int(0.35 * SFREQ)
"""Samples of a window that overlap with the window before it."""
NEW = WINDOW - CONTEXT
WINDOWS = 16
"""Windows of one pass; this bounds its memory for sounds of any length and number."""
WINDOW_BYTES = {"cnn9": 12_000_000, "resnet50": 30_000_000}
"""Peak memory of one window in a forward pass, measured on several at once."""
DUPLICATE_PREFIX = "attacker."
"""Prefix under which a checkpoint holds the same network a second time."""


class Cochlear(TorchFamily):
    """Networks of Tuckute et al. (2023).

    A sound is cut into windows of 40000 samples, each beginning 33000 samples after the one before, with zeros after
    its end, clipped to [-1, 1]. A layer's rate is the published one, its frames per window over 2 s. Of a window's
    frames those of the zeros are dropped, ``int(n_zeros * rate / 20000)``, and of every window but the first those of
    its first 7000 samples, ``int(7000 * rate / 20000)``; the rest is concatenated (Ahmed et al. 2025).

    As published, the first 7000 samples of the first window are a lead-in of 0.35 s of silence. With
    another lead-in or none the windows are cut at the same samples, so that part holds more or less of the sound.
    """

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Count the frames that are kept of each window."""
        kept = [kept_frames(layer, k, n_samples) for k in range(n_windows(n_samples))]
        return sum(frames.stop - frames.start for frames in kept)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table for whole windows."""
        return counted_work(table, [NEW * n_windows(n) for n in n_samples], self.step_values(table, n_samples))

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count the windows of one pass."""
        per_window = WINDOW_BYTES.get(table.config.get("network", ""), max(WINDOW_BYTES.values()))
        return min(sum(n_windows(n) for n in n_samples), WINDOWS) * per_window // 4

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network that the table's configuration names.

        Raises
        ------
        ConfigError
            If there is no such network, or the table's sampling rate is not 20 kHz.
        """
        from distributed_trf.features.modules.cochlear import NETWORKS, CochlearNetwork

        name = table.config.get("network")
        if name not in NETWORKS:
            raise ConfigError(
                f"network {table.name}: config has network {name!r}, expected one of {', '.join(NETWORKS)}"
            )
        if table.sfreq != SFREQ:
            raise ConfigError(
                f"network {table.name}: sfreq is {table.sfreq:g}, expected {SFREQ}, for which the network was made"
            )
        return CochlearNetwork(name)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load a published checkpoint."""
        source, _ = weights_source(table, settings)
        model = self.new(table)
        load_state(model, _weights(stored_tensors(Path(source)), source), source)
        return model

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass windows through the network. They are always float32; the network converts to its dtype itself."""
        import torch

        model(to_model(torch.from_numpy(np.stack(sounds))[:, None], device, torch.float32))

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Cut the output of a module into one tensor per window: all frames and the first features.

        Raises
        ------
        FeatureError
            If the number of frames of a window does not agree with the layer's rate.
        """
        n = frames_per_window(layer)
        output = output.flatten(1, -2).transpose(1, 2) if layer.time_last and output.ndim > 2 else output
        if output.ndim != 3 or output.shape[1] != n:
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave shape {tuple(output.shape[1:])} for a window, "
                f"expected {n} frames at its rate of {layer.rate:g}; give its frames per window over 2 s as "
                "`rate` in the network's table, and `time_last`"
            )
        return list(output[:, :, : layer.width])

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> WindowedNetwork:
        """Build the network with its weights on a device."""
        return WindowedNetwork(super().build(table, settings, weights, device=device, dtype=dtype))


class WindowedNetwork:
    """A built network that takes sounds in windows, several at a time.

    Parameters
    ----------
    network
        The network for windows.
    """

    def __init__(self, network: Network) -> None:
        self.network, self.table = network, network.table
        self.n_bytes, self.changed = network.n_bytes, network.changed
        self.parts, self.notes = 1, ()

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Pass prepared sounds; ``keep`` is called for a sound after its last window."""
        import torch

        lengths = [sound.samples.shape[0] for sound in sounds]
        windows = [(k, i) for k, n in enumerate(lengths) for i in range(n_windows(n))]
        window_frames: dict[tuple[int, int, int], torch.Tensor] = {}

        def keep_windows(layer: Layer, positions: Sequence[int], given: Sequence[torch.Tensor]) -> None:
            pairs = [windows[first + position] for position in positions]
            kept = [f[kept_frames(layer, i, lengths[k])] for f, (k, i) in zip(given, pairs, strict=True)]
            copies = torch.cat(kept).split([frames.shape[0] for frames in kept])  # the rest can be freed
            window_frames.update(((layer.id, k, i), frames) for (k, i), frames in zip(pairs, copies, strict=True))

        self.parts = 1
        for first in range(0, len(windows), WINDOWS):
            now = windows[first : first + WINDOWS]
            self.network([Sound(window(sounds[k].samples, i)) for k, i in now], layers, keep_windows)
            self.parts = max(self.parts, self.network.parts)
            whole = [k for k, i in now if i == n_windows(lengths[k]) - 1]
            for layer in layers if whole else ():
                pieces = [[window_frames.pop((layer.id, k, i)) for i in range(n_windows(lengths[k]))] for k in whole]
                keep(layer, whole, [torch.cat(windows_of_one) for windows_of_one in pieces])


def n_windows(n_samples: int) -> int:
    """Return the number of windows of a sound."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no frames; give a stimulus of at least one sample at 20 kHz")
    return max(1, -(-(n_samples - CONTEXT) // NEW))


def window(sound: np.ndarray, k: int) -> np.ndarray:
    """Cut the k-th window, zeros after the end of the sound."""
    part = sound[k * NEW : k * NEW + WINDOW]
    return np.pad(part, (0, WINDOW - part.shape[0]))


def frames_per_window(layer: Layer) -> int:
    """Return the number of frames of a layer for a whole window."""
    return round(layer.rate * WINDOW / SFREQ)


def kept_frames(layer: Layer, k: int, n_samples: int) -> slice:
    """Return which frames of the k-th window of a sound are kept."""
    n_zeros = max(0, k * NEW + WINDOW - n_samples)
    first = int(CONTEXT * layer.rate / SFREQ) if k > 0 else 0
    return slice(first, frames_per_window(layer) - int(n_zeros * layer.rate / SFREQ))


def _weights(state: dict[str, Stored], source: str) -> dict[str, Stored]:
    """Return a checkpoint's weights, after checking its constants against those that the network here computes."""
    import torch

    from distributed_trf.features.modules.cochlear import published_constants

    if all(name.startswith("module.") for name in state):
        state = without_prefix(state, "module.")
    weights = {name: value for name, value in state.items() if not name.startswith(DUPLICATE_PREFIX)}
    with torch.device("cpu"):
        published = published_constants()
    constants = {name: weights.pop(name) for name in published if name in weights}
    for name, stored in read_tensors(constants).items():
        expected = published[name]
        if stored.shape != expected.shape or not torch.allclose(stored.to(expected.dtype), expected, atol=1e-5):
            raise FeatureError(
                f"{source}: {name} has other values than in the published checkpoints, so its network would get "
                "another input than the network here; give one trained on `cochleagram_1` as `source` in the study"
            )
    return weights

"""What every feature source offers, spectrograms included; and how one is built by its table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from typing import Protocol

import numpy as np

from distributed_trf.config.study import NetworkSettings, Weights
from distributed_trf.errors import ConfigError, FeatureError, MissingExtraError
from distributed_trf.features import spectrogram, whisper
from distributed_trf.features.resample import resample_sound
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights import weights_stamps
from distributed_trf.store.fingerprint import library_versions


class Network(Protocol):
    """A network that is ready to hear sounds."""

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer]) -> dict[int, list[np.ndarray]]:
        """Return, for each layer id, one float32 array of shape (frames, width) per sound at the network's rate."""


class Family(Protocol):
    """The code behind a kind of network."""

    libraries: tuple[str, ...]
    """What its numbers depend on beside this package."""

    def n_frames(self, layer: Layer, n_samples: int) -> int:
        """Return how many frames a layer gives of a sound (at the network's rate), before anything is built."""

    def work(self, table: NetworkTable, n_sounds: int) -> tuple[float, int]:
        """Return floating-point operations and peak bytes of memory for a batch, weights included."""

    def build(self, table: NetworkTable, settings: NetworkSettings, weights: Weights, device: str) -> Network:
        """Build the network with its weights on a device."""


FAMILIES: dict[str, Callable[[], Family]] = {
    "whisper": whisper.Whisper,
    "mel_whisper": spectrogram.MelWhisper,
}


def family(table: NetworkTable) -> Family:
    """Return the code that builds a network.

    Raises
    ------
    ConfigError
        If its table names an unknown family.
    """
    if table.family not in FAMILIES:
        raise ConfigError(f"network {table.name}: family {table.family!r} is unknown; known: {', '.join(FAMILIES)}")
    return FAMILIES[table.family]()


def versions(table: NetworkTable) -> dict[str, str]:
    """Return the versions of the libraries that a network's numbers depend on; none where its family is unknown.

    Raises
    ------
    MissingExtraError
        If one is not installed, so that the network could not be built.
    """
    if table.family not in FAMILIES:
        return {}  # it can be planned, not built
    try:
        return library_versions(*family(table).libraries)
    except PackageNotFoundError as error:
        raise MissingExtraError(str(error.name), "models") from error


@lru_cache(maxsize=1)
def _built(table: str, settings: str, weights: Weights, device: str, stamps: str) -> Network:
    parsed = NetworkTable.model_validate_json(table)
    return family(parsed).build(parsed, NetworkSettings.model_validate_json(settings), weights, device)


def build_network(table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str) -> Network:
    """Build a network, or return the one this process built last when it is the same."""
    stamps = json.dumps(weights_stamps(table, settings, weights))  # a changed file is another network
    return _built(table.model_dump_json(), settings.model_dump_json(), weights, device, stamps)


def prepare_sound(sound: np.ndarray, sfreq: float, table: NetworkTable, lead_in: float) -> np.ndarray:
    """Bring a sound to a network's rate and put silence before it.

    The silence is ``int(lead_in * rate)`` zeros, prepended after resampling: it takes part in whatever statistics the
    network takes of its input, as published (Ahmed et al. 2025).
    """
    at_rate = resample_sound(np.asarray(sound, dtype=np.float64), sfreq, table.sfreq)
    return np.concatenate([np.zeros(int(lead_in * table.sfreq)), at_rate])


def extract(
    network: Network, table: NetworkTable, sounds: Sequence[np.ndarray], layers: Sequence[Layer]
) -> dict[int, list[np.ndarray]]:
    """Hear prepared sounds and cut every layer to the frames it promises.

    Raises
    ------
    FeatureError
        If a layer gives too few frames or another width than its table says, or holds NaN or Inf.
    """
    rule = family(table)
    found = network(sounds, layers)
    for layer in layers:
        for k, (sound, frames) in enumerate(zip(sounds, found[layer.id], strict=True)):
            n = rule.n_frames(layer, sound.shape[0])
            if frames.shape[0] < n or frames.shape[1] != layer.width:
                raise FeatureError(
                    f"{table.name} layer {layer.id} ({layer.name}) gave {frames.shape} for sound {k} of the batch; "
                    f"its table promises ({n}, {layer.width})"
                )
            found[layer.id][k] = frames[:n]
            if not np.isfinite(frames[:n]).all():
                raise FeatureError(
                    f"{table.name} layer {layer.id} ({layer.name}) gave NaN or Inf for sound {k} of the batch; "
                    "check the sound and the weights"
                )
    return found

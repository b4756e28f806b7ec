"""Hearing sounds with a network that its table describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import Weights
from distributed_trf.errors import DataError, FeatureError
from distributed_trf.features.families.known import family
from distributed_trf.features.family import Network
from distributed_trf.features.network_cache import NetworkCache
from distributed_trf.features.resample import check_sound, resample_sound, to_bins
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.source import weights_stamps

_BUILT = NetworkCache()


def build_network(
    table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str = "float32"
) -> Network:
    """Build a network, or return one of those this process built before."""
    rule, stamps = family(table, weights), json.dumps(weights_stamps(table, settings, weights))
    key = (table.model_dump_json(), settings.model_dump_json(), weights, device, dtype, stamps)  # a changed file counts
    expected = 0 if table.is_spectrogram else None if table.parameters is None else 4 * table.parameters
    return _BUILT.get(key, device, expected, lambda: rule.build(table, settings, weights, device=device, dtype=dtype))


def prepare_sound(
    sound: np.ndarray, sfreq: float, table: NetworkTable, lead_in: float, name: str = "sound"
) -> np.ndarray:
    """Bring a sound to a network's rate and put silence before it.

    The silence is ``int(lead_in * rate)`` zeros, prepended after resampling: it takes part in whatever statistics the
    network takes of its input, as published (Ahmed et al. 2025).

    Raises
    ------
    DataError
        If it is not one channel of finite samples, or too short to have one at the network's rate; it begins with
        ``name``.
    """
    check_sound(sound, name)
    if int(sound.shape[0] * table.sfreq / sfreq) < 1:
        raise DataError(
            f"{name}: {sound.shape[0]} samples at {sfreq:g} Hz are none at the {table.sfreq:g} Hz of {table.name}; "
            "leave it out"
        )
    at_rate = resample_sound(np.asarray(sound, dtype=np.float64), sfreq, table.sfreq)
    return np.concatenate([np.zeros(int(lead_in * table.sfreq)), at_rate])


def extract(
    network: Network,
    table: NetworkTable,
    weights: Weights,
    sounds: Sequence[np.ndarray],
    layers: Sequence[Layer],
    stored: Callable[[Layer, int], int] | None = None,
) -> dict[int, list[np.ndarray]]:
    """Hear prepared sounds.

    Parameters
    ----------
    network, table, weights
        What hears.
    sounds
        Each of shape (n_samples,) at the network's rate (see ``prepare_sound``).
    layers
        Layers to take.
    stored
        Given a layer and the position of a sound, how many frames to keep of those that the layer gives of it, by
        default all. They are resampled on the device of the network.

    Returns
    -------
    dict
        For each layer id a float32 array of shape (frames, width) per sound.

    Raises
    ------
    FeatureError
        If a layer gives too few frames or another width than its table says, or holds NaN or Inf.
    """
    rule = family(table, weights)
    found: dict[int, list[np.ndarray]] = {layer.id: [np.empty(0)] * len(sounds) for layer in layers}

    def keep(layer: Layer, k: int, frames: Array) -> None:
        n = rule.n_frames(table, layer, sounds[k].shape[0])
        if frames.shape[0] < n or frames.shape[1] != layer.width:
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave {tuple(frames.shape)} for sound {k} of the batch; "
                f"its table promises ({n}, {layer.width})"
            )
        frames = frames[:n]
        if stored is not None:
            frames = to_bins(frames, stored(layer, k)) if stored(layer, k) < n else frames
        # NaN and Inf are in every frame that is made of them.
        if not bool(namespace(frames).isfinite(frames).all()):
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave NaN or Inf for sound {k} of the batch; "
                "check the sound and the weights"
            )
        # A copy: a module that works in place would write over what it was given.
        found[layer.id][k] = np.array(to_numpy(frames), dtype=np.float32, order="C")

    network(sounds, layers, keep)
    return found

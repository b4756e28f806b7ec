"""Passing sounds through a network, and the cache of built networks, of which the next item often needs the same."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

import numpy as np

from distributed_trf.arrays import Array
from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import DataError, FeatureError
from distributed_trf.features.context import ContextNetwork
from distributed_trf.features.device import Gathered, free_torch_blocks, network_room
from distributed_trf.features.families.registry import family
from distributed_trf.features.families.user_network import UserNetwork
from distributed_trf.features.family import Network, Origin, Sound
from distributed_trf.features.resample import check_sound, resample_sound, to_bins
from distributed_trf.features.spectrograms.family import Spectrogram
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.source import weights_stamps


class NetworkCache:
    """The most recently used networks, as many as fit.

    On the CPU that is one, as planning counts; on a GPU as many as fit half of its memory. The newest is kept even if
    it alone takes more. Threads may share the cache: a network that two of them request at once is built once.

    Parameters
    ----------
    room
        Given a device, the bytes that networks may take on it besides the newest.
    """

    def __init__(self, room: Callable[[str], int] = network_room) -> None:
        self._room = room
        self._lock = Lock()
        self._kept: dict[Hashable, Network] = {}
        """Least recently used first."""

    def get(self, key: Hashable, device: str, expected: int | None, build: Callable[[], Network]) -> Network:
        """Return the network of a key, built now if the cache does not hold it.

        Parameters
        ----------
        key
            Everything that distinguishes it from other networks.
        device
            ``cpu`` or ``cuda``.
        expected
            Bytes that it is expected to take; other networks are released first until they fit. None if unknown: all
            other networks are released.
        build
            Builds it.
        """
        with self._lock:
            if key in self._kept:
                self._kept[key] = self._kept.pop(key)
                return self._kept[key]
            room = self._room(device)
            self._shrink(-1 if expected is None else room - expected, device)
            network = build()
            self._shrink(room - network.n_bytes, device)
            self._kept[key] = network
            return network

    def release(self, device: str) -> bool:
        """Release all networks, for work that needs their memory; return whether there were any."""
        with self._lock:
            kept = bool(self._kept)
            self._shrink(-1, device)
            return kept

    def _shrink(self, size: int, device: str) -> None:
        """Release networks until the rest take at most ``size`` bytes; all of them if it is negative."""
        before = len(self._kept)
        while self._kept and sum(network.n_bytes for network in self._kept.values()) > size:
            del self._kept[next(iter(self._kept))]
        if len(self._kept) < before:
            gc.collect()  # a network with reference cycles holds its memory until then
            free_torch_blocks(device)


_BUILT = NetworkCache()

PREPARING = 4
"""Sounds that are prepared in parallel for a GPU. Each takes a core; machines have several cores per GPU."""


def build_network(
    table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str = "float32"
) -> Network:
    """Build a network, with the context that a study gives it, or return one of those this process built before."""
    rule, stamps = family(table, weights), json.dumps(weights_stamps(table, settings, weights))
    key = (
        table.model_dump_json(),
        settings.model_dump_json(),
        weights,
        device,
        dtype,
        stamps,
    )  # a changed weight file makes another key
    expected = 0 if table.is_fixed else None if table.parameters is None else 4 * table.parameters

    def build() -> Network:
        network = rule.build(table, settings, weights, device=device, dtype=dtype)
        return network if settings.past is None else ContextNetwork(network, rule, table, settings.past, device)

    return _BUILT.get(key, device, expected, build)


def release_networks(device: str) -> bool:
    """Release the networks that this process keeps; return whether there were any."""
    return _BUILT.release(device)


@contextmanager
def networks_let_go(device: str) -> Iterator[None]:
    """Let go of the networks that this process keeps when the block ends: it may live on, such as a notebook."""
    try:
        yield
    finally:
        release_networks(device)


def prepare_sounds(
    sounds: Sequence[np.ndarray], sfreq: float, table: NetworkTable, origins: Sequence[Origin], device: str
) -> list[np.ndarray]:
    """Prepare sounds (see ``prepare_sound``); for a GPU in parallel, because preparing takes longer than the forward
    pass.
    """
    jobs = [(sound, sfreq, table, of.lead_in, str(of)) for sound, of in zip(sounds, origins, strict=True)]
    if device == "cpu" or table.is_fixed:
        return [prepare_sound(*job) for job in jobs]
    with ThreadPoolExecutor(PREPARING) as threads:
        return list(threads.map(lambda job: prepare_sound(*job), jobs))


def prepare_sound(
    sound: np.ndarray, sfreq: float, table: NetworkTable, lead_in: float, name: str = "sound"
) -> np.ndarray:
    """Resample a sound to a network's rate and put silence before it.

    The silence is ``int(lead_in * rate)`` zeros, prepended after resampling: it enters all statistics that the network
    computes over its input, as published (Ahmed et al. 2025).

    Raises
    ------
    DataError
        If it is not one channel of finite samples, or is too short for one sample at the network's rate; the message
        begins with ``name``.
    """
    check_sound(sound, name)
    if int(sound.shape[0] * table.sfreq / sfreq) < 1:
        raise DataError(
            f"{name}: {sound.shape[0]} samples at {sfreq:g} Hz are less than one sample at the {table.sfreq:g} Hz of "
            f"{table.name}; leave it out"
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
    origins: Sequence[Origin] | None = None,
    planned: Callable[[Layer, int], int] | None = None,
) -> dict[int, list[np.ndarray]]:
    """Pass prepared sounds through a network and return the requested layers.

    Parameters
    ----------
    network, table, weights
        The network.
    sounds
        Each of shape (n_samples,) at the network's rate (see ``prepare_sound``).
    layers
        Layers to take.
    stored
        Given a layer and the position of a sound, the number of frames to keep, by default all. Frames are resampled on
        the device of the network.
    origins
        Which stimuli they are; features of one's own are found by it, and errors name it.
    planned
        Given a layer and the position of a sound, the number of frames that it has to give; by default as its family
        counts them, and whatever it gives where that would take a pass for every length (see ``UserNetwork``).

    Returns
    -------
    dict
        For each layer id a float32 array of shape (frames, width) per sound.

    Raises
    ------
    FeatureError
        If a layer gives another number of frames than planned or another width than its table says, or NaN or Inf.
    """
    rule, gathered, complete = family(table, weights), Gathered(), network.table or table
    found: dict[int, list[np.ndarray]] = {layer.id: [np.empty(0)] * len(sounds) for layer in layers}

    def called(k: int) -> str:
        return f"sound {k} of the batch" if origins is None else str(origins[k])

    def expected(layer: Layer, k: int, given: int) -> int:
        if planned is not None:
            return planned(layer, k)
        if isinstance(rule, UserNetwork) and layer.hop is None:
            return given
        return rule.n_frames(complete, layer, sounds[k].shape[0])

    def keep(layer: Layer, positions: Sequence[int], given: Sequence[Array]) -> None:
        kept = []
        for k, frames in zip(positions, given, strict=True):
            n = expected(layer, k, frames.shape[0])
            fewer = n if stored is None else min(stored(layer, k), n)
            if tuple(frames.shape) == (fewer, layer.width) and isinstance(rule, Spectrogram):
                kept.append(frames)  # it knew how many, see ``Sound``
                continue
            if tuple(frames.shape) != (n, layer.width):
                raise FeatureError(
                    f"{table.name} layer {layer.id} ({layer.name}) gave shape {tuple(frames.shape)} for {called(k)}; "
                    f"its table says ({n}, {layer.width})"
                )
            kept.append(to_bins(frames, fewer) if fewer < n else frames)
        for k, frames in zip(positions, gathered.take(kept), strict=True):
            found[layer.id][k] = frames

    given = [None] * len(sounds) if origins is None else origins
    numbers = [{} if stored is None else {x.id: stored(x, k) for x in layers} for k in range(len(sounds))]
    network([Sound(*of_one) for of_one in zip(sounds, given, numbers, strict=True)], layers, keep)
    if not gathered.seem_finite():
        _check_finite(table, layers, found, called)
    return found


def _check_finite(
    table: NetworkTable, layers: Sequence[Layer], found: dict[int, list[np.ndarray]], called: Callable[[int], str]
) -> None:
    for layer in layers:
        for k, frames in enumerate(found[layer.id]):
            if not np.isfinite(frames).all():
                raise FeatureError(
                    f"{table.name} layer {layer.id} ({layer.name}) gave NaN or Inf for {called(k)}; "
                    "check the sound and the weights"
                )

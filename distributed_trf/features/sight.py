"""What the frames of a built network see: how far ahead of their end, and how far back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from distributed_trf.arrays import Array, namespace
from distributed_trf.features.device import to_host
from distributed_trf.features.family import Family, Network, Sound
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.windows import frame_ends

LOUDNESS = 0.1
"""Standard deviation of the sound that a network is tested with."""
SEED = 0
ROUNDING = 8
"""Units in the last place of a number type by which a layer may differ, relative to its largest value, and be the
same."""


@dataclass(frozen=True)
class Sight:
    """What the frames of a layer see."""

    ahead: float
    """Seconds after its end (see ``frame_ends``) that a frame sees, rounded up to where a frame ends; 0 of a causal
    layer, ``inf`` if all frames before a change move."""
    back: float
    """Seconds before its end that a frame sees, rounded up to where a frame ends; ``inf`` if all frames after a change
    move."""

    @property
    def is_causal(self) -> bool:
        """Whether no frame sees what comes after its end."""
        return self.ahead == 0


def sees(
    network: Network, rule: Family, table: NetworkTable, layers: Sequence[Layer], seconds: float
) -> dict[int, Sight]:
    """Find out what the frames of a network see, by changing a sound and looking which frames move.

    Noise is passed as it is, then with everything changed after a sample at which a frame ends, and with everything
    changed before it. The future is changed to louder noise, to silence, and to nothing: the sound ends there. The past
    is changed to louder noise, and to NaN: whatever is computed from a NaN is one, so that the memory of a recurrent
    layer has no end, though with finite sounds it may fade below what its numbers can hold. Attention that is masked by
    weights of zero passes NaN on as well, so that its reach back is not told from one without end.

    Parameters
    ----------
    network, rule, table
        The network, built with any weights, and its family.
    layers
        Layers to look at.
    seconds
        Length of the sound; what is seen is told up to half of it.

    Returns
    -------
    dict
        What the frames of each layer see, by its id.

    Raises
    ------
    FeatureError
        If the network cannot take a sound of that length.
    """
    n_samples = int(seconds * table.sfreq)
    ends = {layer.id: frame_ends(rule, table, layer, n_samples) for layer in layers}
    sound, louder = noise(n_samples), 3 * noise(n_samples, SEED + 1)
    as_it_is, unit = frames_of(network, sound, layers)
    found = {}
    for border, alike in _borders(ends, n_samples // 2).items():
        now = [layer for layer in layers if layer.id in alike]
        futures = [np.append(sound[:border], louder[border:]), np.append(sound[:border], np.zeros(n_samples - border))]
        pasts = [np.append(louder[:border], sound[border:]), np.append(np.full(border, np.nan), sound[border:])]
        with np.errstate(invalid="ignore", over="ignore"):  # NaN is meant
            after = [frames_of(network, one, now)[0] for one in (*futures, sound[:border])]
            before = [_frames_if_any(network, one, now) for one in pasts]
        for layer in now:
            until = int(np.searchsorted(ends[layer.id], border, "right"))  # frames that end before the border
            one = as_it_is[layer.id]
            early = np.any([moved(one[:until], other[layer.id][:until], unit) for other in after], axis=0)
            late = np.any([moved(one[until:], other[layer.id][until:], unit) for other in before], axis=0)
            found[layer.id] = Sight(
                _ahead(early, border - ends[layer.id][:until]) / table.sfreq,
                _back(late, ends[layer.id][until:] - border) / table.sfreq,
            )
    return found


def noise(n_samples: int, seed: int = SEED) -> np.ndarray:
    """Return the noise that a network is tested with."""
    return LOUDNESS * np.random.default_rng(seed).standard_normal(n_samples)


def frames_of(network: Network, sound: np.ndarray, layers: Sequence[Layer]) -> tuple[dict[int, np.ndarray], float]:
    """Pass one sound.

    Returns
    -------
    dict
        The frames of each layer by its id, float32 of shape (frames, width).
    float
        Unit in the last place of the network's number type at 1.
    """
    found: dict[int, np.ndarray] = {}
    units = [float(np.finfo(np.float32).eps)]

    def keep(layer: Layer, _positions: Sequence[int], given: Sequence[Array]) -> None:
        found[layer.id] = to_host(list(given[0]))
        units.append(float(namespace(given[0]).finfo(given[0].dtype).eps))

    network([Sound(sound)], layers, keep)
    return found, max(units)


def moved(one: np.ndarray, other: np.ndarray, unit: float) -> np.ndarray:
    """Tell which frames of a layer are not the same but for rounding, shape (frames,)."""
    scale = np.abs(one).max(initial=0.0)
    return ~(np.abs(one - other) <= ROUNDING * unit * scale).all(axis=1)


def _frames_if_any(network: Network, sound: np.ndarray, layers: Sequence[Layer]) -> dict[int, np.ndarray]:
    """Pass a sound; return NaN, which differs from all frames, if the network refuses it."""
    try:
        return frames_of(network, sound, layers)[0]
    except Exception:  # noqa: BLE001  some networks check that their input is finite
        return {layer.id: np.full((sound.shape[0], 1), np.nan, dtype=np.float32) for layer in layers}


def _borders(ends: Mapping[int, np.ndarray], middle: int) -> dict[int, set[int]]:
    """Choose samples near the middle of a sound at which frames end, and say for which layers; as few as possible."""
    borders: dict[int, set[int]] = {}
    for layer_id in sorted(ends, key=lambda one: len(ends[one])):  # the slowest has the fewest to choose from
        of_layer = ends[layer_id]
        shared = [border for border in borders if border in of_layer]
        before = int(np.searchsorted(of_layer, middle, "right")) - 1
        border = shared[0] if shared else int(of_layer[max(0, before)])
        borders.setdefault(border, set()).add(layer_id)
    return borders


def _ahead(moves: np.ndarray, distance: np.ndarray) -> float:
    """Return the samples ahead that frames see, given which move and how far their ends are before the change."""
    if not moves.any():
        return 0
    first = int(np.argmax(moves))
    return float(distance[first - 1]) if first else inf


def _back(moves: np.ndarray, distance: np.ndarray) -> float:
    """Return the samples back that frames see, given which move and how far their ends are after the change."""
    if not moves.size or moves[-1]:
        return inf
    return float(distance[moves.size - int(np.argmax(moves[::-1]))]) if moves.any() else float(distance[0])

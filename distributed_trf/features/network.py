"""Hearing sounds with a network that its table describes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError

import numpy as np

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import PROJECTIONS, Weights, kind_of
from distributed_trf.errors import ConfigError, FeatureError, MissingExtraError
from distributed_trf.features.families.cochlear import Cochlear
from distributed_trf.features.families.deepspeech2 import DeepSpeech2
from distributed_trf.features.families.own_module import OwnModule
from distributed_trf.features.families.own_transformer import OwnTransformer
from distributed_trf.features.families.speech2text import Speech2Text
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.wav2letter import Wav2Letter
from distributed_trf.features.families.wav2vec2 import Wav2Vec2
from distributed_trf.features.families.whisper import Whisper
from distributed_trf.features.family import Family, Network
from distributed_trf.features.resample import resample_frames, resample_sound
from distributed_trf.features.spectrograms.cochleagram import COCHLEAGRAM
from distributed_trf.features.spectrograms.family import Spectrogram
from distributed_trf.features.spectrograms.mel_deepspeech2 import MEL_DEEPSPEECH2
from distributed_trf.features.spectrograms.mel_librosa import MEL_LIBROSA
from distributed_trf.features.spectrograms.mel_speech2text import MEL_SPEECH2TEXT
from distributed_trf.features.spectrograms.mel_whisper import MEL_WHISPER
from distributed_trf.features.spectrograms.wavelet import WAVELET
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.projection import Projection
from distributed_trf.features.weights.source import weights_stamps
from distributed_trf.store.fingerprint import library_versions

FAMILIES: dict[str, Family] = {
    "wav2vec2": Wav2Vec2(),
    "speech2text": Speech2Text(),
    "whisper": Whisper(),
    "transformers": OwnTransformer(),
    "module": OwnModule(),
    "deepspeech2": DeepSpeech2(),
    "wav2letter": Wav2Letter(),
    "mel_deepspeech2": Spectrogram(MEL_DEEPSPEECH2),
    "cochlear": Cochlear(),
    "mel_whisper": Spectrogram(MEL_WHISPER),
    "mel_speech2text": Spectrogram(MEL_SPEECH2TEXT),
    "mel_librosa": Spectrogram(MEL_LIBROSA),
    "cochleagram": Spectrogram(COCHLEAGRAM),
    "wavelet": Spectrogram(WAVELET),
}


def family(table: NetworkTable, weights: Weights) -> Family:
    """Return the code that builds a network with some weights.

    Raises
    ------
    ConfigError
        If its table names an unknown family, or a projection is asked of one that hears no spectrogram.
    """
    if table.family not in FAMILIES:
        raise ConfigError(f"network {table.name}: family {table.family!r} is unknown; known: {', '.join(FAMILIES)}")
    code, kind = FAMILIES[table.family], kind_of(weights)
    if kind not in PROJECTIONS:
        return code
    if not isinstance(code, TorchFamily) or code.spectrogram is None:
        able = [name for name, f in FAMILIES.items() if isinstance(f, TorchFamily) and f.spectrogram is not None]
        raise ConfigError(
            f"networks: {table.name}: weights {weights!r} project the spectrogram that a network hears, and family "
            f"{table.family!r} hears none; ask it of networks of {', '.join(able)}"
        )
    return Projection(table, code.spectrogram, code.libraries, kind)


def versions(table: NetworkTable, weights: Weights) -> dict[str, str]:
    """Return the versions of the libraries that a network's numbers depend on; none where its family is unknown.

    A user's own module counts as one, its version being a digest of the file.

    Raises
    ------
    ConfigError
        If there is no such module.
    MissingExtraError
        If one is not installed, so that the network could not be built.
    """
    if table.family not in FAMILIES:
        return {}  # it can be planned, not built
    code = family(table, weights)
    try:
        found = library_versions(*code.libraries)
    except PackageNotFoundError as error:
        raise MissingExtraError(str(error.name), code.extra) from error
    return found | code.code(table) if isinstance(code, TorchFamily) else found


@lru_cache(maxsize=1)
def _built(table: str, settings: str, weights: Weights, device: str, dtype: str, stamps: str) -> Network:
    parsed = NetworkTable.model_validate_json(table)
    rule = family(parsed, weights)
    return rule.build(parsed, NetworkSettings.model_validate_json(settings), weights, device=device, dtype=dtype)


def build_network(
    table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str = "float32"
) -> Network:
    """Build a network, or return the one this process built last when it is the same."""
    stamps = json.dumps(weights_stamps(table, settings, weights))  # a changed file is another network
    return _built(table.model_dump_json(), settings.model_dump_json(), weights, device, dtype, stamps)


def prepare_sound(sound: np.ndarray, sfreq: float, table: NetworkTable, lead_in: float) -> np.ndarray:
    """Bring a sound to a network's rate and put silence before it.

    The silence is ``int(lead_in * rate)`` zeros, prepended after resampling: it takes part in whatever statistics the
    network takes of its input, as published (Ahmed et al. 2025).
    """
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
        Given a layer and how many frames it gives of a sound, how many to keep of them; by default all.

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
        if not bool(namespace(frames).isfinite(frames).all()):
            raise FeatureError(
                f"{table.name} layer {layer.id} ({layer.name}) gave NaN or Inf for sound {k} of the batch; "
                "check the sound and the weights"
            )
        if stored is not None:
            frames = resample_frames(frames, stored(layer, n))
        # A copy: a module that works in place would write over what it was given.
        found[layer.id][k] = np.array(to_numpy(frames), dtype=np.float32, order="C")

    network(sounds, layers, keep)
    return found

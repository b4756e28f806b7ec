"""The registry of network families and spectrograms, and what their forward passes take.

Frames and work come from the family's code; if this version does not have it, from the network's table.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

from distributed_trf.config.extraction import PROJECTIONS, TRAINED, NetworkSettings, Weights, kind_of
from distributed_trf.errors import ConfigError, MissingExtraError
from distributed_trf.features.families.cochlear import Cochlear
from distributed_trf.features.families.deepspeech2 import DeepSpeech2
from distributed_trf.features.families.projection import Projection
from distributed_trf.features.families.speech2text import Speech2Text
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.user_module import UserModule
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.families.wav2letter import Wav2Letter
from distributed_trf.features.families.wav2vec2 import Wav2Vec2
from distributed_trf.features.families.whisper import Whisper
from distributed_trf.features.family import STEP, Family, Work, counted_work
from distributed_trf.features.own.family import OwnFamily
from distributed_trf.features.spectrograms.cochleagram import COCHLEAGRAM
from distributed_trf.features.spectrograms.envelope import ENVELOPE, ONSETS
from distributed_trf.features.spectrograms.family import Spectrogram
from distributed_trf.features.spectrograms.mel_librosa import MEL_LIBROSA
from distributed_trf.features.spectrograms.mel_of_networks import MEL_DEEPSPEECH2, MEL_SPEECH2TEXT, MEL_WHISPER
from distributed_trf.features.spectrograms.wavelet import WAVELET
from distributed_trf.features.table import OWN, Layer, NetworkTable, chosen_layers
from distributed_trf.features.weights.controls import CONTROLS
from distributed_trf.features.windows import AT_ONCE, check_context, windows_work
from distributed_trf.store.fingerprint import library_versions

FAMILIES: dict[str, Family] = {
    "wav2vec2": Wav2Vec2(),
    "speech2text": Speech2Text(),
    "whisper": Whisper(),
    "wav2letter": Wav2Letter(),
    "deepspeech2": DeepSpeech2(),
    "cochlear": Cochlear(),
    "transformers": UserTransformer(),
    "module": UserModule(),
    OWN: OwnFamily(),
    "cochleagram": Spectrogram(COCHLEAGRAM),
    "wavelet": Spectrogram(WAVELET),
    "mel_whisper": Spectrogram(MEL_WHISPER),
    "mel_speech2text": Spectrogram(MEL_SPEECH2TEXT),
    "mel_deepspeech2": Spectrogram(MEL_DEEPSPEECH2),
    "mel_librosa": Spectrogram(MEL_LIBROSA),
    "envelope": Spectrogram(ENVELOPE),
    "onsets": Spectrogram(ONSETS),
}
"""Families by the name that a network table gives."""


def family(table: NetworkTable, weights: Weights) -> Family:
    """Return the code that builds a network with some weights.

    Raises
    ------
    ConfigError
        If its table names an unknown family, or a projection is requested of a family whose input is no spectrogram.
    """
    if table.family not in FAMILIES:
        raise ConfigError(
            f"network {table.name}: family {table.family!r} is unknown; expected one of {', '.join(FAMILIES)}"
        )
    code, kind = FAMILIES[table.family], kind_of(weights)
    if kind not in PROJECTIONS:
        return code
    spectrogram = code.spectrogram(table) if isinstance(code, TorchFamily) else None
    if spectrogram is None:
        families = [name for name, f in FAMILIES.items() if isinstance(f, TorchFamily) and f.spectrogram(table)]
        raise ConfigError(
            f"networks: {table.name}: weights {weights!r} project the spectrogram that is a network's input, but "
            f"networks of family {table.family!r} take none; request them of networks of {', '.join(families)}"
        )
    return Projection(table, spectrogram, code.libraries, kind)


def completed(table: NetworkTable, settings: NetworkSettings) -> NetworkTable:
    """Return a network's table with what it leaves to the files of its source (see ``UserTransformer``).

    Raises
    ------
    FeatureError
        If these files are not available, or contradict the table.
    """
    code = FAMILIES.get(table.family)
    return code.completed(table, settings) if isinstance(code, TorchFamily) else table


def versions(table: NetworkTable, weights: Weights) -> dict[str, str]:
    """Return the versions of the libraries that a network's numbers depend on; empty if its family is unknown.

    A user module counts as a library; its version is a digest of the file.

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
        libraries = library_versions(*code.libraries)
    except PackageNotFoundError as error:
        raise MissingExtraError(str(error.name), code.extra) from error
    return libraries | code.code(table) if isinstance(code, TorchFamily) else libraries


def is_supported(table: NetworkTable) -> bool:
    """Tell whether this version can extract a network, not only plan it."""
    return table.family in FAMILIES


def check_weights(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> None:
    """Raise ConfigError if this version supports a network, but not with these weights, or not with its context."""
    if is_supported(table):
        rule = family(table, weights)
        if settings.past is not None:
            check_context(rule, table, chosen_layers(table, settings), weights, settings.past)


def frame_rate(table: NetworkTable, weights: Weights, layer: Layer) -> float:
    """Return the frames per second of a layer with some weights."""
    return family(table, weights).frame_rate(layer) if is_supported(table) else layer.rate


def expected_frames(table: NetworkTable, weights: Weights, layer: Layer, n_samples: int) -> int:
    """Return the number of frames of a layer for a sound at the network's rate, leading silence included.

    Without the family's code centred windows are assumed, which is wrong by a frame or two for other windows.
    """
    if is_supported(table):
        return family(table, weights).n_frames(table, layer, n_samples)
    return 1 + int(n_samples * layer.rate / table.sfreq)


def expected_work(
    table: NetworkTable,
    weights: Weights,
    n_samples: Sequence[int],
    settings: NetworkSettings | None = None,
    device: str = "cpu",
) -> Work:
    """Count the work of a batch of sounds, in windows if the network has a context.

    Parameters
    ----------
    table, weights
        The network.
    n_samples
        Length of each sound at the network's rate, leading silence included.
    settings
        A study's, with layers and a context; by default all layers without one.
    device
        ``cpu`` or ``cuda``, which takes at least one window at once, and as many as fit its free memory.

    Raises
    ------
    ConfigError
        If neither the family's code nor the table gives it.
    """
    if is_supported(table):
        rule = family(table, weights)
        if settings is None or settings.past is None:
            return rule.work(table, n_samples)
        at_once = AT_ONCE if device == "cpu" else 1
        return windows_work(rule, table, chosen_layers(table, settings), n_samples, settings.past, at_once)
    longest = max(n_samples)
    widest = max(expected_frames(table, weights, x, longest) * x.width for x in table.layers)
    return counted_work(table, n_samples, STEP * len(n_samples) * widest)


def loads_file(weights: Weights) -> bool:
    """Tell whether a network with some weights loads a file of trained weights first."""
    kind = kind_of(weights)
    return kind == TRAINED or (kind in CONTROLS and CONTROLS[kind].starts_trained)

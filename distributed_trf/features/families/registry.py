"""The kinds of networks and spectrograms that there are.

What hearing sounds will take: exactly where the family's code is here, else from what the network's table says.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

from distributed_trf.config.extraction import PROJECTIONS, TRAINED, Weights, kind_of
from distributed_trf.errors import ConfigError, MissingExtraError
from distributed_trf.features.families.cochlear import Cochlear
from distributed_trf.features.families.deepspeech2 import DeepSpeech2
from distributed_trf.features.families.projection import Projection
from distributed_trf.features.families.speech2text import Speech2Text
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.user_module import OwnModule
from distributed_trf.features.families.user_transformer import OwnTransformer
from distributed_trf.features.families.wav2letter import Wav2Letter
from distributed_trf.features.families.wav2vec2 import Wav2Vec2
from distributed_trf.features.families.whisper import Whisper
from distributed_trf.features.family import STEP, Family, Work, counted_work
from distributed_trf.features.network_table import Layer, NetworkTable
from distributed_trf.features.spectrograms.cochleagram import COCHLEAGRAM
from distributed_trf.features.spectrograms.family import Spectrogram
from distributed_trf.features.spectrograms.mel_deepspeech2 import MEL_DEEPSPEECH2
from distributed_trf.features.spectrograms.mel_librosa import MEL_LIBROSA
from distributed_trf.features.spectrograms.mel_speech2text import MEL_SPEECH2TEXT
from distributed_trf.features.spectrograms.mel_whisper import MEL_WHISPER
from distributed_trf.features.spectrograms.wavelet import WAVELET
from distributed_trf.features.weights.controls import CONTROLS
from distributed_trf.store.fingerprint import library_versions

FAMILIES: dict[str, Family] = {
    "wav2vec2": Wav2Vec2(),
    "speech2text": Speech2Text(),
    "whisper": Whisper(),
    "wav2letter": Wav2Letter(),
    "deepspeech2": DeepSpeech2(),
    "cochlear": Cochlear(),
    "transformers": OwnTransformer(),
    "module": OwnModule(),
    "cochleagram": Spectrogram(COCHLEAGRAM),
    "wavelet": Spectrogram(WAVELET),
    "mel_whisper": Spectrogram(MEL_WHISPER),
    "mel_speech2text": Spectrogram(MEL_SPEECH2TEXT),
    "mel_deepspeech2": Spectrogram(MEL_DEEPSPEECH2),
    "mel_librosa": Spectrogram(MEL_LIBROSA),
}
"""By the name that a network table gives."""


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


def is_known(table: NetworkTable) -> bool:
    """Whether this version can extract a network, not only plan it."""
    return table.family in FAMILIES


def check_weights(table: NetworkTable, weights: Weights) -> None:
    """Raise ConfigError where this version knows a network and cannot make it with some weights."""
    if is_known(table):
        family(table, weights)


def frame_rate(table: NetworkTable, weights: Weights, layer: Layer) -> float:
    """Return the frames per second that a layer gives with some weights."""
    return family(table, weights).frame_rate(layer) if is_known(table) else layer.rate


def expected_frames(table: NetworkTable, weights: Weights, layer: Layer, n_samples: int) -> int:
    """Return how many frames a layer gives of a sound at the network's rate, leading silence included.

    Without the family's code this is what centred windows would give, a frame or two from what others give.
    """
    if is_known(table):
        return family(table, weights).n_frames(table, layer, n_samples)
    return 1 + int(n_samples * layer.rate / table.sfreq)


def expected_work(table: NetworkTable, weights: Weights, n_samples: Sequence[int]) -> Work:
    """Count what a batch of sounds takes.

    Parameters
    ----------
    table, weights
        The network.
    n_samples
        Length of each sound at the network's rate, leading silence included.

    Raises
    ------
    ConfigError
        If neither the family's code nor the table says.
    """
    if is_known(table):
        return family(table, weights).work(table, n_samples)
    longest = max(n_samples)
    widest = max(expected_frames(table, weights, x, longest) * x.width for x in table.layers)
    return counted_work(table, n_samples, STEP * len(n_samples) * widest)


def loads_file(weights: Weights) -> bool:
    """Tell whether a network with some weights begins with a file of trained ones."""
    kind = kind_of(weights)
    return kind == TRAINED or (kind in CONTROLS and CONTROLS[kind].of_trained)


def needs_transformers(table: NetworkTable, weights: Weights) -> bool:
    """Tell whether hearing with a network loads the library of that name, as far as this version knows."""
    return is_known(table) and "transformers" in family(table, weights).libraries

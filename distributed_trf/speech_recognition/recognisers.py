"""Networks that turn sound into words, each decoded greedily in its own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import TRAINED
from distributed_trf.config.word_errors import RecogniserSettings
from distributed_trf.errors import ConfigError, DeviceError, MissingExtraError
from distributed_trf.features.families.known import versions
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.source import weights_identity
from distributed_trf.speech_recognition.letters import DeepSpeech2Recogniser, Wav2LetterRecogniser
from distributed_trf.speech_recognition.transformers_recognisers import (
    Speech2TextRecogniser,
    Wav2Vec2Recogniser,
    WhisperRecogniser,
)


class Recogniser(Protocol):
    """A network that is ready to recognise speech."""

    @property
    def batches(self) -> bool:
        """Whether several sounds may be heard together without changing what is understood."""

    @property
    def max_samples(self) -> int | None:
        """How much of a sound it takes; None is all."""

    def __call__(self, sounds: Sequence[np.ndarray]) -> list[str]:
        """Return what is understood of each sound, of shape (n_samples,) at the network's rate."""


RECOGNISERS: dict[str, Callable[[NetworkTable, NetworkSettings, str], Recogniser]] = {
    "wav2vec2": Wav2Vec2Recogniser,
    "wav2letter": Wav2LetterRecogniser,
    "deepspeech2": DeepSpeech2Recogniser,
    "speech2text": Speech2TextRecogniser,
    "whisper": WhisperRecogniser,
}
"""By family."""


def open_recogniser(table: NetworkTable, network: RecogniserSettings, device: str) -> Recogniser:
    """Load a network with its trained weights and what spells its words.

    Raises
    ------
    ConfigError
        If the network recognises no speech.
    FeatureError
        If weights or vocabulary cannot be loaded.
    DeviceError
        If a GPU is asked for and there is none.
    """
    if table.family not in RECOGNISERS:
        raise ConfigError(
            f"networks: {table.name} (family {table.family}) recognises no speech here; families that do: "
            f"{', '.join(RECOGNISERS)}"
        )
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "wer", error) from error
    if device != "cpu" and not torch.cuda.is_available():
        raise DeviceError(f"device {device!r} was asked for, but torch {torch.__version__} finds no GPU")
    return RECOGNISERS[table.family](table, _settings(network), device)


def recogniser_identity(table: NetworkTable, network: RecogniserSettings) -> Any:
    """Describe all that decides what is understood, for names of files."""
    return [table.family, weights_identity(table, _settings(network), TRAINED), versions(table, TRAINED)]


def _settings(network: RecogniserSettings) -> NetworkSettings:
    return NetworkSettings(name=network.name, source=network.source, revision=network.revision)

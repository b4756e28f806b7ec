"""Networks that turn sound into words, each decoded greedily in the way that suits it.

Some score a symbol for every frame (connectionist temporal classification); those of transformers spell words with the
vocabulary in their folder.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Protocol

import numpy as np

from distributed_trf.config.analyses import RecogniserSettings
from distributed_trf.config.extraction import TRAINED, NetworkSettings
from distributed_trf.errors import ConfigError, DeviceError, FeatureError, MissingExtraError
from distributed_trf.features.families.deepspeech2 import DeepSpeech2
from distributed_trf.features.families.registry import versions
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.wav2letter import Wav2Letter
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.identity import weights_identity
from distributed_trf.features.weights.preprocessor import extractor_settings, settings_in_table
from distributed_trf.features.weights.source import weights_folder
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.transformers_model import trained_with_head


def greedy_ctc(scores: np.ndarray, alphabet: str, blank: int) -> str:
    """Take the best symbol of each frame, one of each run of equals, and no blanks (Graves et al. 2006).

    Parameters
    ----------
    scores
        Shape (frames, symbols).
    alphabet
        A character for each symbol; that of the blank is not used.
    blank
        The symbol for no letter.
    """
    best = (symbol for symbol, _ in groupby(scores.argmax(axis=1).tolist()))
    return "".join(alphabet[symbol] for symbol in best if symbol != blank)


class LetterRecogniser(ABC):
    """A network of this package that scores letters at every frame, independently of the other sounds in a batch."""

    batches = True
    max_samples = None
    family: TorchFamily
    alphabet: str
    """A character for each symbol."""
    blank: int
    """The symbol for no letter."""

    def __init__(self, table: NetworkTable, settings: NetworkSettings, device: str) -> None:
        self._model = self.family.load(table, settings).to(device).eval()
        self._device = device

    def __call__(self, sounds: Sequence[np.ndarray]) -> list[str]:
        """Return what is understood of each sound."""
        import torch

        with torch.inference_mode():
            scores, lengths = self.family.run(self._model, sounds, self._device, torch.float32)
        return [
            greedy_ctc(one[:n].cpu().numpy(), self.alphabet, self.blank)
            for one, n in zip(scores, lengths.tolist(), strict=True)
        ]


class Wav2LetterRecogniser(LetterRecogniser):
    """Wav2Letter, as trained by Ahmed et al. (2025)."""

    family = Wav2Letter()
    alphabet = f"' {ascii_lowercase}_"
    blank = 28


class DeepSpeech2Recogniser(LetterRecogniser):
    """Deep Speech 2, as trained by deepspeech.pytorch V3.0."""

    family = DeepSpeech2()
    alphabet = f"_'{ascii_uppercase} "
    blank = 0


SPELLING = ("*.json", "*.txt", "*.model")
"""Files of a vocabulary, a tokeniser and how to generate."""


class TransformersRecogniser:
    """What they have in common.

    Parameters
    ----------
    table, settings
        Which network, and where its weights and vocabulary are.
    device
        ``cpu`` or ``cuda``.
    """

    model_class: str
    tokenizer_class: str
    extractor_class: str
    batches = False
    max_samples: int | None = None

    def __init__(self, table: NetworkTable, settings: NetworkSettings, device: str) -> None:
        folder = weights_folder(table, settings, further=SPELLING)
        self._sfreq, self._device = table.sfreq, device
        model = trained_with_head(self.model_class, folder, table.config, table.name)
        try:
            self._tokenizer = transformers_class(self.tokenizer_class).from_pretrained(folder)
            if (folder / "generation_config.json").is_file():
                model.generation_config = transformers_class("GenerationConfig").from_pretrained(folder)
        except Exception as error:  # whatever a damaged file makes of its reader
            raise FeatureError(
                f"{folder}: the vocabulary of a {self.tokenizer_class} cannot be read: {error}; give the whole folder "
                "of the published network as `source`"
            ) from error
        self._model: Any = model.to(device).eval()
        extractor = settings_in_table(table) | extractor_settings(table, settings)
        self._extractor = transformers_class(self.extractor_class)(**extractor)

    def _inputs(self, sounds: Sequence[np.ndarray], name: str) -> Any:
        return self._extractor(list(sounds), sampling_rate=self._sfreq, return_tensors="pt")[name].to(self._device)


class Wav2Vec2Recogniser(TransformersRecogniser):
    """wav2vec 2.0 (Baevski et al. 2020): the best symbol of each frame, one by one as statistics are over a sound."""

    model_class, tokenizer_class = "Wav2Vec2ForCTC", "Wav2Vec2CTCTokenizer"
    extractor_class = "Wav2Vec2FeatureExtractor"

    def __call__(self, sounds: Sequence[np.ndarray]) -> list[str]:
        """Return what is understood of each sound."""
        import torch

        words = []
        for sound in sounds:
            with torch.inference_mode():
                scores = self._model(self._inputs([sound], "input_values")).logits
            words.append(self._tokenizer.decode(scores[0].argmax(dim=-1)))
        return words


class Speech2TextRecogniser(TransformersRecogniser):
    """Speech2Text (Wang et al. 2020): generated with the beams of its configuration, one by one."""

    model_class, tokenizer_class = "Speech2TextForConditionalGeneration", "Speech2TextTokenizer"
    extractor_class = "Speech2TextFeatureExtractor"
    MAX_TOKENS = 200
    """As published."""

    def __call__(self, sounds: Sequence[np.ndarray]) -> list[str]:
        """Return what is understood of each sound."""
        import torch

        words = []
        for sound in sounds:
            with torch.inference_mode():
                tokens = self._model.generate(self._inputs([sound], "input_features"), max_new_tokens=self.MAX_TOKENS)
            words.append(self._tokenizer.decode(tokens[0], skip_special_tokens=True))
        return words


class WhisperRecogniser(TransformersRecogniser):
    """Whisper (Radford et al. 2022): generated greedily, with the language set to English."""

    model_class, tokenizer_class = "WhisperForConditionalGeneration", "WhisperTokenizer"
    extractor_class = "WhisperFeatureExtractor"
    batches = True
    max_samples = 480_000
    MAX_TOKENS = 400
    """As published."""

    def __call__(self, sounds: Sequence[np.ndarray]) -> list[str]:
        """Return what is understood of each sound, of at most 30 s."""
        import torch

        with torch.inference_mode():
            tokens = self._model.generate(
                self._inputs(sounds, "input_features"),
                max_new_tokens=self.MAX_TOKENS,
                language="en",
                task="transcribe",
                num_beams=1,
                do_sample=False,
            )
        return self._tokenizer.batch_decode(tokens, skip_special_tokens=True)


class Recogniser(Protocol):
    """A network that is ready to recognise speech."""

    @property
    def batches(self) -> bool:
        """Whether several sounds may be in one batch without changing what is understood."""

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
        If the device is a GPU and none is available.
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
        raise DeviceError(f"device {device!r} was chosen, but torch {torch.__version__} finds no GPU")
    return RECOGNISERS[table.family](table, _settings(network), device)


def recogniser_identity(table: NetworkTable, network: RecogniserSettings) -> Any:
    """Describe all that decides what is understood, for names of files."""
    return [table.family, weights_identity(table, _settings(network), TRAINED), versions(table, TRAINED)]


def _settings(network: RecogniserSettings) -> NetworkSettings:
    return NetworkSettings(name=network.name, source=network.source, revision=network.revision)

"""Networks of transformers, which spell words with the vocabulary in their folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.hub import weights_folder
from distributed_trf.features.weights.preprocessor import heard_as
from distributed_trf.features.weights.transformers_class import transformers_class
from distributed_trf.features.weights.transformers_model import trained_with_head

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
        folder = weights_folder(table, settings, beside=SPELLING)
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
        self._extractor = transformers_class(self.extractor_class)(**heard_as(table, settings))

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
    """Speech2Text (Wang et al. 2020): generated with the beams of its own configuration, one by one."""

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
    """Whisper (Radford et al. 2022): generated greedily, told that it hears English."""

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

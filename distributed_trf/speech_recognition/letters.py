"""Networks that score a symbol for every frame (connectionist temporal classification)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from itertools import groupby
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.deepspeech2 import DeepSpeech2
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.families.wav2letter import Wav2Letter
from distributed_trf.features.table import NetworkTable


def greedy_ctc(scores: np.ndarray, alphabet: str, blank: int) -> str:
    """Take the best symbol of each frame, one of each run of equals, and no blanks (Graves et al. 2006).

    Parameters
    ----------
    scores
        Shape (frames, symbols).
    alphabet
        A character for each symbol; that of the blank is not used.
    blank
        The symbol that stands for none.
    """
    best = (symbol for symbol, _ in groupby(scores.argmax(axis=1).tolist()))
    return "".join(alphabet[symbol] for symbol in best if symbol != blank)


class LetterRecogniser(ABC):
    """A network of this package that scores letters at every frame, whatever a sound is heard together with."""

    batches = True
    max_samples = None
    family: TorchFamily
    alphabet: str
    """A character for each symbol."""
    blank: int
    """The symbol that stands for none."""

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

"""Speech2Text's log-mel spectrogram."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from distributed_trf.errors import FeatureError, MissingExtraError

SFREQ = 16_000
FRAME, HOP = 400, 160


@cache
def speech2text_feature_extractor() -> Any:
    """Return Speech2Text's own sound-to-mel transform, before it normalises; nothing is downloaded."""
    try:
        from transformers import Speech2TextFeatureExtractor
    except ImportError as error:
        raise MissingExtraError("transformers", "models") from error
    return Speech2TextFeatureExtractor(do_ceptral_normalize=False)


def mel_speech2text(sound: np.ndarray) -> np.ndarray:
    """Compute Speech2Text's log-mel spectrogram of a sound.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float32 of shape (1 + (n_samples - 400) // 160, 80) at 100 frames per second, the first centred on 12.5 ms: log
        power of Kaldi's filter bank (80 mel bands, 20-8000 Hz, 25-ms window), each band normalised to mean 0 and
        variance 1 over the sound (Wang et al. 2020).

    Raises
    ------
    FeatureError
        If the sound has fewer than two frames, or a band is the same throughout, which cannot be normalised.
    """
    mel_speech2text_frames(sound.shape[0])
    extractor = speech2text_feature_extractor()
    bands = extractor(sound, sampling_rate=SFREQ, return_tensors="np").input_features[0]
    constant = np.flatnonzero(np.ptp(bands, axis=0) == 0)
    if constant.size:
        raise FeatureError(
            f"{constant.size} of 80 mel bands of a sound of {sound.shape[0] / SFREQ:.2f} s (with its leading silence) "
            "do not change, so they cannot be normalised to variance 1; leave the silent or constant stimulus out"
        )
    return extractor.utterance_cmvn(bands, bands.shape[0])


def mel_speech2text_frames(n_samples: int) -> int:
    """Return one frame per 10 ms as long as its 25 ms are within the sound."""
    frames = 1 + (n_samples - FRAME) // HOP
    if frames < 2:
        raise FeatureError(
            f"a sound of {n_samples} samples at 16 kHz (with its leading silence) has fewer than the two frames that "
            f"can be normalised; give a stimulus of at least {FRAME + HOP} samples"
        )
    return frames

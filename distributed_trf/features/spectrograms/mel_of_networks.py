"""The spectrograms that networks of speech take: Deep Speech 2's, Speech2Text's and Whisper's.

Deep Speech 2's is called mel as the others are, though its bands are linear. Speech2Text's is Kaldi's filter bank,
normalised over the sound.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import scipy

from distributed_trf.errors import FeatureError, MissingExtraError
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.spectrograms.mel_librosa import slaney_filters

WINDOW = 320
"""Samples at 16 kHz, 20 ms."""
HOP = 160
N_BANDS = WINDOW // 2 + 1


def mel_deepspeech2(sound: np.ndarray) -> np.ndarray:
    """Compute the log spectrogram that Deep Speech 2 takes (Amodei et al. 2016, as in deepspeech.pytorch V3.0).

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (1 + n_samples // 160, 161) at 100 frames per second: ``log(1 + |STFT|)`` with a periodic
        Hamming window of 20 ms, frame k centred at sample 160 k of the sound with zeros on either side, less its mean
        and over its unbiased standard deviation, both of all frames and bands together.

    Raises
    ------
    FeatureError
        If the sound is shorter than the window or silent.
    """
    n_frames = mel_deepspeech2_frames(sound.shape[0])
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:n_frames]
    log = np.log1p(np.abs(scipy.fft.rfft(frames * scipy.signal.get_window("hamming", WINDOW), axis=1)))
    spread = log.std(ddof=1)
    if spread == 0:
        raise FeatureError(
            f"a sound of {sound.shape[0] / (100 * HOP):.2f} s is silent, and Deep Speech 2's spectrogram is divided by "
            "its standard deviation; leave the stimulus, or deepspeech2 and mel_deepspeech2, out of the study"
        )
    return (log - log.mean()) / spread


def mel_deepspeech2_frames(n_samples: int) -> int:
    """Return one frame per hop of 10 ms, the first at the start of the sound."""
    if n_samples < WINDOW:
        raise FeatureError(
            f"a sound of {n_samples} samples is too short for Deep Speech 2's spectrogram, whose window takes {WINDOW}"
            "; leave the stimulus, or deepspeech2 and mel_deepspeech2, out of the study"
        )
    return 1 + n_samples // HOP


MEL_DEEPSPEECH2 = Transform(mel_deepspeech2, mel_deepspeech2_frames, N_BANDS, 16_000 / HOP)


SFREQ = 16_000
FRAME, FFT = 400, 512
_INT16 = 2**15
_FLOOR = 1.192092955078125e-07
"""Of the mel power, before its logarithm: float32's epsilon, as in Kaldi."""


@cache
def _window_and_filters() -> tuple[np.ndarray, np.ndarray]:
    try:
        from transformers.audio_utils import mel_filter_bank, window_function
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    filters = mel_filter_bank(
        num_frequency_bins=FFT // 2 + 1,
        num_mel_filters=80,
        min_frequency=20,
        max_frequency=SFREQ // 2,
        sampling_rate=SFREQ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return window_function(FRAME, "povey", periodic=False), filters


def mel_speech2text(sound: np.ndarray) -> np.ndarray:
    """Compute Speech2Text's log-mel spectrogram of a sound.

    It is that of transformers' ``Speech2TextFeatureExtractor``, which computes in float32 where torchaudio is
    installed; here numbers do not depend on what is installed.

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
    window, filters = _window_and_filters()
    from transformers.audio_utils import spectrogram

    power: Any = spectrogram(
        sound.astype(np.float32) * _INT16,
        window,
        frame_length=FRAME,
        hop_length=HOP,
        fft_length=FFT,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=_FLOOR,
        remove_dc_offset=True,
    )
    bands = np.ascontiguousarray(power.T)
    constant = np.flatnonzero(bands.max(axis=0) == bands.min(axis=0))
    if constant.size:
        raise FeatureError(
            f"{constant.size} of 80 mel bands of a sound of {sound.shape[0] / SFREQ:.2f} s (with its leading silence) "
            "do not change, so they cannot be normalised to variance 1; leave the silent or constant stimulus out"
        )
    bands = bands - bands.mean(axis=0)
    return bands / bands.std(axis=0)


def mel_speech2text_frames(n_samples: int) -> int:
    """Return one frame per 10 ms as long as its 25 ms are within the sound."""
    frames = 1 + (n_samples - FRAME) // HOP
    if frames < 2:
        raise FeatureError(
            f"a sound of {n_samples} samples at 16 kHz (with its leading silence) has fewer than the two frames that "
            f"can be normalised; give a stimulus of at least {FRAME + HOP} samples"
        )
    return frames


MEL_SPEECH2TEXT = Transform(mel_speech2text, mel_speech2text_frames, 80, SFREQ / HOP, ("scipy", "transformers"))


WHISPER_SFREQ = 16_000
WHISPER_MAX_SECONDS = 30.0
MEL_RATE = 100.0
WHISPER_FLOOR = 1e-10
"""Of the mel power, before its logarithm."""
N_MELS = 80
"""Bands of Whisper's spectrogram up to large-v2; from large-v3 on it has 128."""


@cache
def whisper_feature_extractor(bands: int) -> Any:
    """Return Whisper's own sound-to-mel transform with its published settings; nothing is downloaded."""
    try:
        from transformers import WhisperFeatureExtractor
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    return WhisperFeatureExtractor(feature_size=bands)


def mel_whisper(sound: np.ndarray, bands: int = N_MELS) -> np.ndarray:
    """Compute Whisper's log-mel spectrogram of a sound at the sound's own length.

    It is that of transformers' ``WhisperFeatureExtractor``, which computes in float32 where torch is installed; here it
    is computed in float64, does not depend on what is installed, and needs neither library, which take seconds to load.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,), at most 30 s long.
    bands
        80, or 128 as Whisper large-v3 takes.

    Returns
    -------
    np.ndarray
        float32 of shape (n_samples // 160, bands) at 100 frames per second: log10 mel power (Slaney bands, 0-8000 Hz,
        periodic Hann window of 25 ms), frame k centred on 10 k ms with the sound reflected at its ends, floored 8 below
        the sound's maximum, then ``(x + 4) / 4``.

    Raises
    ------
    FeatureError
        If the sound is longer than the 30 s that Whisper takes, or too short to be reflected.
    """
    n_frames = mel_whisper_frames(sound.shape[0])
    if sound.shape[0] <= FRAME // 2:
        raise FeatureError(
            f"a sound of {sound.shape[0]} samples (with its leading silence) is too short for Whisper's spectrogram, "
            f"whose first window reflects {FRAME // 2}; give a stimulus of at least {FRAME // 2 + 1} samples at 16 kHz"
        )
    padded = np.pad(sound, FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:n_frames]
    power = np.abs(scipy.fft.rfft(frames * np.hanning(FRAME + 1)[:-1], axis=1)) ** 2
    log = np.log10(np.maximum(power @ slaney_filters(bands, FRAME).T, WHISPER_FLOOR))
    return ((np.maximum(log, log.max() - 8) + 4) / 4).astype(np.float32)


def mel_whisper_frames(n_samples: int) -> int:
    """Return one frame per whole hop of 10 ms."""
    check_whisper_length(n_samples)
    return int(n_samples // (WHISPER_SFREQ / MEL_RATE))


def check_whisper_length(n_samples: int) -> None:
    """Raise FeatureError when a sound does not fit Whisper's window."""
    seconds = n_samples / WHISPER_SFREQ
    if seconds > WHISPER_MAX_SECONDS:
        raise FeatureError(
            f"a sound of {seconds:.2f} s (with its leading silence) does not fit Whisper's window of "
            f"{WHISPER_MAX_SECONDS:.0f} s; shorten the stimulus or leave the whisper networks out of the study"
        )


@cache
def whisper_spectrogram(bands: int) -> Transform:
    """Return Whisper's spectrogram of so many bands."""
    compute = partial(mel_whisper, bands=bands)
    return Transform(compute, mel_whisper_frames, bands, MEL_RATE)


MEL_WHISPER = whisper_spectrogram(N_MELS)

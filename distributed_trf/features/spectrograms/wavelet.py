"""The auditory spectrogram of the NSL toolbox."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy

from distributed_trf.errors import FeatureError, MissingExtraError
from distributed_trf.features.spectrograms.family import Transform

FRAME = 160
"""Samples of a frame, 10 ms at 16 kHz."""
LEAK = np.exp(-1 / 64)
"""What is left of a band's energy after one sample: its time constant is 4 ms."""


def wavelet(sound: np.ndarray) -> np.ndarray:
    """Compute the auditory spectrogram of a sound, as naplib does.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (ceil(n_samples / 160), 128) at 100 frames per second, from low to high frequency: constant-Q
        filters, the difference of each band to the next higher one, rectified, leaky integration, the last sample of
        each frame (Yang, Wang and Shamma 1992; Chi, Ru and Shamma 2005; hair cells left out).

    Raises
    ------
    FeatureError
        If the sound is empty.
    MissingExtraError
        If naplib, which has the filters, is not installed.
    """
    n_frames = wavelet_frames(sound.shape[0])
    padded = np.pad(sound, (0, n_frames * FRAME - sound.shape[0]))
    filters, left = _filters(), LEAK ** np.arange(FRAME - 1, -1, -1)
    spectrogram = np.empty((n_frames, len(filters) - 1))
    higher = scipy.signal.lfilter(*filters[-1], padded)
    for band in range(len(filters) - 2, -1, -1):
        passed = scipy.signal.lfilter(*filters[band], padded)
        spectrogram[:, band] = np.maximum(passed - higher, 0).reshape(n_frames, FRAME) @ left
        higher = passed
    # The integral e[n] = x[n] + LEAK e[n - 1] is needed once in a frame: of the frame before, LEAK^160 is left.
    return scipy.signal.lfilter([1.0], [1.0, -(LEAK**FRAME)], spectrogram, axis=0)


def wavelet_frames(n_samples: int) -> int:
    """Return one frame per 10 ms, the last one filled up with silence."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no spectrogram; give a stimulus of at least one sample at 16 kHz")
    return -(-n_samples // FRAME)


@cache
def _filters() -> list[tuple[np.ndarray, np.ndarray]]:
    """Read numerators and denominators from naplib's data. It is not imported: 2.x does so only beside numpy 1."""
    found = find_spec("naplib")
    if found is None or found.origin is None:
        raise MissingExtraError("naplib", "wavelet")
    file = Path(found.origin).parent / "features" / "cochba.mat"
    if not file.is_file():
        raise FeatureError(f"{file}: naplib's filters are not here; install it anew: pip install 'naplib==1.4.0'")
    columns = scipy.io.loadmat(file)["COCHBA"].T  # of a filter: its order, then numerator + i denominator
    return [(c[1 : round(c[0].real) + 2].real, c[1 : round(c[0].real) + 2].imag) for c in columns]


WAVELET = Transform(wavelet, wavelet_frames, 128, 16_000 / FRAME, ("scipy", "naplib"), extra="wavelet")

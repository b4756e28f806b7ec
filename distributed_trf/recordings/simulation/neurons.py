"""Simulated neurons: what in a sound drives them, and the counts it makes them expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.features.resample import to_bins
from distributed_trf.features.spectrograms.mel_whisper import N_MELS, WHISPER_SFREQ, mel_whisper
from distributed_trf.recordings.time_grid import n_bins

FEATURE = "mel_whisper"
LEAD_IN = 0.35
"""Seconds of silence that the sound of a feature starts with, as in Ahmed et al. (2025)."""
LAG_MAX = 0.2
"""Seconds of past sound that a neuron sees."""
FLOOR = 0.05
"""Lowest expected count as a fraction of the mean: suppression silences a neuron, but not for sure."""


@dataclass(frozen=True)
class Neurons:
    """Linear neurons with a floor: ``rate = max(intercept + sum(trf * features), FLOOR * mean)``."""

    trf: np.ndarray
    """Counts per bin per unit of feature, shape (n_units, n_features, n_lags)."""
    intercept: np.ndarray
    """Counts per bin, shape (n_units,)."""
    mean: np.ndarray
    """Counts per bin of silence between trials, and on average over all stimuli, shape (n_units,)."""
    driven: np.ndarray
    """Whether the sound does anything at all, shape (n_units,)."""
    lead_in: int
    """Feature rows before the first bin of a stimulus."""

    def rates(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the expected counts in the bins of all stimuli one after another, shape (n_bins, n_units).

        ``features`` come from ``driving_feature``.
        """
        return np.maximum(self.intercept + _drive(self.trf, features, self.lead_in), FLOOR * self.mean)


def driving_feature(sound: np.ndarray, seconds: float, bin_width: float) -> np.ndarray:
    """Compute the features that drive the neurons, with rows for the silence before the sound.

    Parameters
    ----------
    sound
        As its reader offers it, at 16 kHz, shape (n_samples,).
    seconds
        From onset to offset, as its reader says.
    bin_width
        Milliseconds.

    Returns
    -------
    np.ndarray
        Shape (lead-in bins + bins of the sound, 80).
    """
    silence = np.zeros(round(LEAD_IN * WHISPER_SFREQ))
    frames = mel_whisper(np.concatenate([silence, sound]))
    return to_bins(frames, n_bins(LEAD_IN, bin_width) + n_bins(seconds, bin_width))


def draw_neurons(
    features: Sequence[np.ndarray], *, n_units: int, bin_width: float, rng: np.random.Generator
) -> Neurons:
    """Draw neurons that prefer a band of frequencies at a latency and are suppressed a little later.

    The drive of each is scaled over ``features`` so that the sound moves the expected count by 40 to 60 percent of its
    mean (standard deviation). Of several neurons the last hears nothing; a single one is driven.

    Parameters
    ----------
    features
        From ``driving_feature``, of all stimuli.
    n_units
        At least 1.
    bin_width
        Milliseconds.
    rng
        Source of every choice.
    """

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, size=(n_units, 1))

    band = _bell(np.arange(N_MELS), uniform(6, 74), uniform(4, 12))
    lag = lags(bin_width)
    latency, width = uniform(0.03, 0.1), uniform(0.02, 0.04)
    late = latency + uniform(0.06, 0.1)
    time = _bell(lag, latency, width) - uniform(0.2, 0.6) * _bell(lag, late, 1.5 * width)
    shape = band[:, :, np.newaxis] * time[:, np.newaxis, :]

    mean = rng.uniform(1.5, 3, size=n_units) * bin_width / 50
    depth = rng.uniform(0.4, 0.6, size=n_units)
    if n_units > 1:
        depth[-1] = 0
    lead_in = n_bins(LEAD_IN, bin_width)
    drive = _drive(shape, features, lead_in)
    gain = mean * depth / drive.std(axis=0)
    return Neurons(
        trf=shape * gain[:, np.newaxis, np.newaxis],
        intercept=mean - gain * drive.mean(axis=0),
        mean=mean,
        driven=depth > 0,
        lead_in=lead_in,
    )


def lags(bin_width: float) -> np.ndarray:
    """Return the lags of the neurons in seconds, 0 to ``LAG_MAX`` in steps of a bin, shape (n_lags,)."""
    width = bin_width / 1000
    return np.arange(round(LAG_MAX / width) + 1) * width


def _drive(trf: np.ndarray, features: Sequence[np.ndarray], lead_in: int) -> np.ndarray:
    """Convolve, on purpose not with the code that fits: shape (n_bins of all stimuli, n_units)."""
    drive = [
        sum(rows[lead_in - k : rows.shape[0] - k] @ trf[:, :, k].T for k in range(trf.shape[2])) for rows in features
    ]
    return np.concatenate(drive)


def _bell(x: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((x - centre) / width) ** 2)

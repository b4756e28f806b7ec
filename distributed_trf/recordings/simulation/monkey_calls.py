"""Sounds that move like calls of monkeys, for simulations."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import scipy

from distributed_trf.errors import ConfigError

Kind = Literal["coo", "grunt", "scream"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHORTEST, LONGEST = 0.3, 1.8
"""Seconds that a call may last."""
TYPICAL = 0.95
"""Median duration in seconds."""
LOWEST_RATE = 16_000.0
HIGHEST = 7500.0
"""Hertz above which nothing is made, so that calls sound the same at every sampling rate."""
N_HARMONICS = 12
SOFTEST = 0.1
"""Softest moment of a call as a fraction of its loudest: a call never falls silent before its end."""


def draw_duration(rng: np.random.Generator) -> float:
    """Draw the seconds that a call lasts."""
    return float(np.clip(TYPICAL * np.exp(0.4 * rng.standard_normal()), SHORTEST, LONGEST))


def call_like(kind: Kind, duration: float, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Make a sound with the variety of a monkey's call.

    A coo is a stack of harmonics whose pitch glides; a grunt is a train of bursts of low noise; a scream is a high and
    rough stack of harmonics that sweeps fast, with noise.

    Parameters
    ----------
    kind
        What is called.
    duration
        Seconds, at least 0.3.
    sfreq
        Sampling rate in hertz, at least 16000.
    rng
        Source of every choice; the same state gives the same sound.

    Returns
    -------
    np.ndarray
        float64, shape (round(duration * sfreq),), with its peak between 0.1 and 0.5; nowhere silent for long.

    Raises
    ------
    ConfigError
        If the sound is too short or the sampling rate too low.
    """
    if not (duration >= SHORTEST and sfreq >= LOWEST_RATE):
        raise ConfigError(
            f"duration={duration} s at sfreq={sfreq} Hz; expected at least {SHORTEST} s and at least {LOWEST_RATE:g} Hz"
        )
    time = np.arange(round(duration * sfreq)) / sfreq
    if kind == "grunt":
        sound = _noise(time, sfreq, rng.uniform(150, 400), rng.uniform(1200, 4000), rng) * _bursts(time, rng)
    elif kind == "coo":
        sound = _harmonics(_glide(time, rng.uniform(350, 1100), 0.25, 3, rng), sfreq, rng.uniform(0.4, 0.8))
    else:
        pitch = _glide(time, rng.uniform(1200, 3000), 0.5, 12, rng)
        rough = 1 + 0.6 * np.sin(2 * np.pi * rng.uniform(40, 90) * time)
        hiss = _noise(time, sfreq, 1500.0, HIGHEST, rng)
        sound = rough * _harmonics(pitch, sfreq, rng.uniform(0.6, 0.9)) + rng.uniform(0.1, 0.6) * hiss
    sound *= _loudness(time, rng)
    return sound * (rng.uniform(0.1, 0.5) / np.abs(sound).max())


def _glide(time: np.ndarray, base: float, spread: float, speed: float, rng: np.random.Generator) -> np.ndarray:
    """Pitch in hertz that moves to another value ``speed`` times per second, shape (n_samples,)."""
    points = np.exp(spread * rng.standard_normal(2 + round(speed * time[-1])))
    return base * np.interp(time, np.linspace(0, time[-1], points.size), np.clip(points, 0.5, 2))


def _harmonics(pitch: np.ndarray, sfreq: float, decay: float) -> np.ndarray:
    """Harmonics of falling strength, of unit power, shape (n_samples,)."""
    phase = 2 * np.pi * np.cumsum(pitch) / sfreq
    sound = np.zeros(pitch.size)
    for k in range(1, N_HARMONICS + 1):
        sound += decay**k * np.sin(k * phase) * (k * pitch < HIGHEST)
    return sound / np.std(sound)


def _noise(time: np.ndarray, sfreq: float, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    """Noise within a band of frequencies in hertz, of unit power, shape (n_samples,)."""
    band = scipy.signal.butter(2, [low, high], btype="bandpass", fs=sfreq, output="sos")
    sound = scipy.signal.sosfilt(band, rng.standard_normal(time.size))
    return sound / np.std(sound)


def _bursts(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Loudness of a train of pulses, 8 to 25 per second, shape (n_samples,)."""
    rate = _glide(time, rng.uniform(8, 25), 0.1, 2, rng)
    phase = 2 * np.pi * np.cumsum(rate) * (time[1] - time[0])
    return 0.2 + 0.8 * (0.5 - 0.5 * np.cos(phase)) ** 2


def _loudness(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slow changes of loudness, shape (n_samples,), from ``SOFTEST`` to 1."""
    points = rng.uniform(np.log(SOFTEST), 0, size=3 + round(6 * time[-1]))
    points[[0, -1]] = np.log(SOFTEST)
    points[rng.integers(1, points.size - 1)] = 0
    return np.exp(np.interp(time, np.linspace(0, time[-1], points.size), points))

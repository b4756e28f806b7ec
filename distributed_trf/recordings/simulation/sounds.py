"""Sounds for simulations that change over time like speech or like calls of monkeys.

Nothing is said, but syllables, pitch and formants come and go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy

from distributed_trf.errors import ConfigError

WINDOW_SECONDS = 0.016
"""Length of the filtering window: short enough that a formant hardly moves within it."""
FORMANT_RANGES = ((260.0, 850.0), (800.0, 2400.0), (2100.0, 3200.0), (3100.0, 4100.0), (4200.0, 5400.0))
"""Where a vowel may put each of its formants, in hertz, lowest first; after the vowel charts of adult speakers."""
FORMANT_WIDTHS = (70.0, 100.0, 150.0, 220.0, 300.0)
SHORTEST, SLOWEST = 0.5, 8000.0
NOISE_FLOOR = 1e-3
"""Microphone noise as a fraction of the peak: without it the gaps would be digital silence, which no recording has."""


@dataclass(frozen=True)
class _Tracks:
    """What the voice does, as points between which it moves evenly; each array has one row per point."""

    time: np.ndarray
    voicing: np.ndarray
    noise: np.ndarray
    formants: np.ndarray
    """Hertz, shape (n_points, n_formants)."""
    band: np.ndarray
    """Centre and width of the fricative noise in hertz, shape (n_points, 2)."""


def speech_like(duration: float, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Make a sound with the temporal and spectral variety of a spoken sentence.

    A pulse train with a drifting pitch and a noise source pass through formants and fricative bands that move from
    syllable to syllable, three to six of them per second, with short closures between some.

    Parameters
    ----------
    duration
        Seconds, at least 0.5: a syllable may start with a closure of a third of that.
    sfreq
        Sampling rate in hertz, at least 8000.
    rng
        Source of every choice; the same state gives the same sound.

    Returns
    -------
    np.ndarray
        float64, shape (round(duration * sfreq),), with its peak between 0.1 and 0.5.

    Raises
    ------
    ConfigError
        If the sound is too short to hold a syllable or the sampling rate too low for its formants.
    """
    if not (duration >= SHORTEST and sfreq >= SLOWEST):
        raise ConfigError(
            f"duration={duration} s at sfreq={sfreq} Hz; expected at least {SHORTEST} s and at least {SLOWEST:g} Hz"
        )
    n_samples = round(duration * sfreq)
    tracks = _syllables(duration, rng)
    n_window = 2 * round(WINDOW_SECONDS * sfreq / 2)
    kwargs = {"fs": sfreq, "nperseg": n_window, "noverlap": 3 * n_window // 4}
    freq, time, voice = scipy.signal.stft(_pulses(n_samples, sfreq, rng), **kwargs)
    breath = scipy.signal.stft(rng.standard_normal(n_samples), **kwargs)[2]
    voiced, noisy = _gains(tracks, freq, time)
    sound = scipy.signal.istft(voice * voiced + breath * noisy, **kwargs)[1][:n_samples]
    sound = sound / np.abs(sound).max() + NOISE_FLOOR * rng.standard_normal(n_samples)
    return sound * (rng.uniform(0.1, 0.5) / np.abs(sound).max())


def _pulses(n_samples: int, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Glottal pulses of unit power whose rate falls over the sentence and wanders, shape (n_samples,)."""
    base = rng.uniform(90, 230)
    points = np.linspace(0, 1, 2 + round(4 * n_samples / sfreq))
    contour = 1.15 - 0.3 * points + 0.12 * rng.standard_normal(points.size)
    pitch = base * np.interp(np.linspace(0, 1, n_samples), points, np.clip(contour, 0.6, 1.6))
    cycles = np.cumsum(pitch) / sfreq
    starts = np.flatnonzero(np.diff(np.floor(cycles), prepend=0.0))
    late = (cycles[starts] % 1) * sfreq / pitch[starts]  # samples since the pulse was due, in [0, 1)
    pulses = np.zeros(n_samples + 1)
    pulses[starts + 1] += 1 - late  # split over two samples, or the grid would make the pitch rough
    pulses[starts] += late
    return pulses[:n_samples] * np.sqrt(sfreq / base)


def _syllables(duration: float, rng: np.random.Generator) -> _Tracks:
    """Draw syllables until the sentence is full: a closed or noisy onset, a gliding vowel, at times a pause."""
    low, high = np.transpose(FORMANT_RANGES)
    tract = rng.uniform(0.92, 1.12)  # a shorter vocal tract moves every formant up
    narrow = np.array([0.5, 0.8, 1.0, 1.0, 1.0])  # a constriction at the lips or tongue lowers the first two
    points = [(0.0, 0.0, 0.0, tract * (low + high) / 2, np.array([4000.0, 1500.0]))]

    def point(after: float, voicing: float, noise: float, formants: np.ndarray, band: np.ndarray) -> None:
        points.append((points[-1][0] + after, voicing, noise, formants, band))

    while points[-1][0] < duration:
        length = 1 / rng.uniform(3, 6)
        stress = 10 ** rng.uniform(-1, 0)
        vowel, other = tract * rng.uniform(low, high), tract * rng.uniform(low, high)
        glide = vowel + rng.uniform(0, 0.7) * (other - vowel)
        band = np.array([rng.uniform(1800, 6800), rng.uniform(500, 2500)])
        onset = length * rng.uniform(0.2, 0.5)
        kind = rng.choice(("fricative", "stop", "nasal"), p=(0.45, 0.25, 0.3))
        if kind == "fricative":
            hiss, buzz = stress * rng.uniform(0.15, 1), stress * rng.choice((0.0, 0.1))
            point(0.02, buzz, hiss, vowel * narrow, band)
            point(onset, buzz, hiss, vowel, band)
        elif kind == "stop":  # closed, with voice through the cheeks at times, then a burst
            buzz = stress * rng.choice((0.0, 0.03))
            point(0.02, buzz, 0.0, vowel * narrow, band)
            point(onset, buzz, 0.0, vowel, band)
            point(0.004, 0.0, stress * rng.uniform(0.3, 1.2), vowel, band)
        else:
            point(0.03, 0.3 * stress, 0.0, vowel * narrow, band)
            point(onset, 0.3 * stress, 0.0, vowel * narrow, band)
        breath = 10 ** rng.uniform(-2.5, -1)
        point(rng.uniform(0.02, 0.05), stress, breath * stress, vowel, band)
        point((length - onset) * 0.8, stress * rng.uniform(0.3, 1), breath * stress, glide, band)
        if rng.random() < 0.2:
            point(0.06, 0.0, 0.0, glide, band)
            point(rng.uniform(0.03, 0.15), 0.0, 0.0, glide, band)
    return _Tracks(*(np.array(column) for column in zip(*points, strict=True)))


def _gains(tracks: _Tracks, freq: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filters of the voiced and the noise source, each of shape (n_freqs, n_times)."""

    def at(points: np.ndarray) -> np.ndarray:
        return np.interp(time, tracks.time, points)

    f = freq[:, np.newaxis]
    resonances = np.zeros((freq.size, time.size))
    for k, width in enumerate(FORMANT_WIDTHS):
        resonances += 0.75**k / (1 + ((f - at(tracks.formants[:, k])) / width) ** 2)
    voiced = at(tracks.voicing) * (resonances + 0.002) / (1 + f / 700)
    centre, width_ = at(tracks.band[:, 0]), at(tracks.band[:, 1])
    noisy = 0.12 * at(tracks.noise) * np.exp(-0.5 * ((f - centre) / width_) ** 2)
    return voiced, noisy


Kind = Literal["coo", "grunt", "scream"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHORTEST_CALL, LONGEST = 0.3, 1.8
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
    return float(np.clip(TYPICAL * np.exp(0.4 * rng.standard_normal()), SHORTEST_CALL, LONGEST))


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
    if not (duration >= SHORTEST_CALL and sfreq >= LOWEST_RATE):
        raise ConfigError(
            f"duration={duration} s at sfreq={sfreq} Hz; "
            f"expected at least {SHORTEST_CALL} s and at least {LOWEST_RATE:g} Hz"
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

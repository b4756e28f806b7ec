"""Cochleagrams as their papers and code describe them, every filter over every frequency, in float64."""

from __future__ import annotations

from functools import cache

import numpy as np


def erb(hertz):
    return 9.265 * np.log(1 + hertz / (24.7 * 9.265))


def hertz(number):
    return 24.7 * 9.265 * (np.exp(number / 9.265) - 1)


@cache
def slow_filters(n_samples, sfreq, low, high, n=50, s=4):
    """Gain of each of the s (n + 1) - 1 + 2 s filters at each frequency of rfft."""
    nyquist = sfreq / 2 if n_samples % 2 == 0 else sfreq * (n_samples - 1) / 2 / n_samples
    frequencies = np.linspace(0, nyquist, n_samples // 2 + 1)
    n_bands = s * (n + 1) - 1
    spacing = (erb(high) - erb(low)) / (s * (n + 1))
    centres = [erb(low) + (i + 1) * spacing for i in range(n_bands)]
    away = [erb(frequencies) - c for c in centres]
    bands = [np.where(abs(d) < s * spacing, np.cos(np.pi * d / (2 * s * spacing)), 0) for d in away]
    below = [np.where(frequencies < hertz(c), np.sqrt(1 - b**2), 0) for c, b in zip(centres, bands, strict=True)]
    above = [np.where(frequencies > hertz(c), np.sqrt(1 - b**2), 0) for c, b in zip(centres, bands, strict=True)]
    return np.array([*below[:s], *bands, *above[-s:]]) / np.sqrt(s)


def slow_envelopes(sound):
    """Hilbert envelopes of the human cochleagram at 16 kHz, shape (n_samples, 211)."""
    n = len(sound)
    analytic = np.zeros((211, n), dtype=complex)
    analytic[:, : n // 2 + 1] = np.fft.rfft(sound) * slow_filters(n, 16_000, 50, 8000)
    weights = np.zeros(n)
    weights[0] = 1
    weights[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        weights[n // 2] = 1
    return np.abs(np.fft.ifft(analytic * weights)).T


def slow_low_pass():
    times = np.arange(-500.5, 500, 1)
    assert len(times) == 1001
    return np.sinc(times / 100) / 100 * np.kaiser(1001, 5)


def slow_cochleagram_1(window):
    """What the cochlear networks hear of 40000 samples at 20 kHz: before its compression, and after, (211, 390)."""
    spectrum = np.zeros((211, 40_000), dtype=complex)
    spectrum[:, :20_001] = np.fft.rfft(window) * slow_filters(40_000, 20_000, 50, 10_000)
    subbands = np.fft.ifft(spectrum)
    envelopes = np.sqrt(np.maximum(subbands.real**2 + subbands.imag**2, 1e-16))
    taps = slow_low_pass()
    low = np.stack([envelopes[:, 100 * k : 100 * k + 1001] @ taps for k in range(390)], axis=1)
    return low, (np.maximum(low, 0) + 1e-8) ** 0.3

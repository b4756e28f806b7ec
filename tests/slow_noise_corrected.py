"""Noise-corrected correlations the slow, obvious way: loops over units, pairs of repeats, bins and frequencies."""

from __future__ import annotations

import numpy as np


def slow_sums(y, p):
    """Squared covariance with the signal and power of the signal of one unit, responses (R, T), prediction (T,)."""
    y, p = y - y.mean(axis=1, keepdims=True), p - p.mean()
    pairs = [(r, s) for r in range(len(y)) for s in range(len(y)) if r != s]
    shared = np.mean([np.sum(p * y[r]) * np.sum(p * y[s]) for r, s in pairs]) / np.sum(p * p)
    return shared, np.mean([np.sum(y[r] * y[s]) for r, s in pairs])


def slow_white(y, p):
    """Numerator and denominator as Pospisil & Bair (2021) write them."""
    (repeats, n), p, mean = y.shape, p - p.mean(), y.mean(axis=0)
    s2 = np.mean([np.var(y[:, t], ddof=1) for t in range(n)])
    mean = mean - mean.mean()
    numerator = np.sum(p * mean) ** 2 - s2 / repeats * np.sum(p * p)
    return numerator, np.sum(p * p) * np.sum(mean**2) - (n - 1) * s2 / repeats * np.sum(p * p)


def slow_noise(y, p):
    """Variance of the noise along the prediction, and the traces of its squared and cubed covariance, of one unit."""
    (repeats, n), free = y.shape, len(y) - 1
    e = y - y.mean(axis=0)
    e = e - e.mean(axis=1, keepdims=True)
    u = (p - p.mean()) / np.sqrt(np.sum((p - p.mean()) ** 2))
    along = square = cube = 0.0
    for k in range(1, n):
        wave = np.exp(-2j * np.pi * k * np.arange(n) / n)
        power = sum(abs(np.sum(one * wave)) ** 2 for one in e) / free / n
        along += power * abs(np.sum(u * wave)) ** 2 / n
        square += power**2 / (1 + 1 / free)
        cube += power**3 / ((1 + 1 / free) * (1 + 2 / free))
    variance = np.sum(e**2, axis=0) / free
    mean = np.sum(variance) / (n - 1)
    if repeats > 3:
        fourth = [
            repeats**2
            * ((repeats + 1) * np.mean(e[:, t] ** 4) - 3 * (repeats - 1) * np.mean(e[:, t] ** 2) ** 2)
            / ((repeats - 1) * (repeats - 2) * (repeats - 3))
            for t in range(n)
        ]
        squared = np.mean([(variance[t] ** 2 - fourth[t] / repeats) * free / (repeats + 1) for t in range(n)])
    else:
        products = [variance[t] * variance[t + 1] for t in range(n - 1)]
        covariance = sum(np.sum(e[:, t] * e[:, t + 1]) for t in range(n - 1)) / free / (n - 1)
        squared = np.mean(products) - 2 * covariance**2 / free
    uneven = max(squared / mean**2, 1)
    return along * max(np.sum(u**2 * variance) / mean, 1), square * uneven, cube * uneven**2


def slow_normal(q, repeats, shared, signal, along, square, cube):
    """Statistic of one candidate as a normal variable."""
    pairs = repeats * (repeats - 1)
    a = 4 / repeats * q * max(signal, 0) * along + 2 / pairs * along**2
    b = 4 / repeats * (1 - q) * max(signal, 0) * along + 2 / pairs * square
    weight = q**2 * b + (1 - q) ** 2 * a
    power = max((shared * q * b + (signal - shared) * (1 - q) * a) / weight, 0)
    k2 = 4 / repeats * q * (1 - q) * power * along
    k2 += 2 / pairs * ((1 - q) ** 2 * along**2 + q**2 * square)
    k3 = 24 / repeats**2 * q * (1 - q) * (1 - 2 * q) * power * along**2
    k3 += 8 / repeats**3 * (1 - 1 / (repeats - 1) ** 2) * ((1 - q) ** 3 * along**3 - q**3 * cube)
    z, skew = (shared - q * signal) / np.sqrt(k2), k3 / k2**1.5
    skew = min(skew, 0.5) if z < 0 else skew
    skew = 1e-4 if abs(skew) < 1e-4 else skew
    return 6 / skew * (np.cbrt(1 + skew * z / 2) - 1) + skew / 6


def slow_interval(y, p, steps=20_001):
    """Candidates that are not rejected, of one unit, by trying every one."""
    parts = slow_sums(y, p) + slow_noise(y, p)
    candidates = np.linspace(0, 1, steps)
    normal = np.array([slow_normal(q, len(y), *parts) for q in candidates])
    below, above = candidates[normal <= 1.959964], candidates[normal >= -1.959964]
    return (below[0] if below.size else 1.0), (above[-1] if above.size else 0.0)

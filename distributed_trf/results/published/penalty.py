"""Penalties and their base-10 logarithms, which are what the published files hold."""

from __future__ import annotations

import math

import numpy as np


def penalty_of(exponent: np.ndarray) -> np.ndarray:
    """Return ten to the power of each exponent; NaN stays.

    Powers of ten are exact on every machine, unlike those of ``numpy.power``.
    """
    values, place = np.unique(exponent, return_inverse=True)
    return np.array([_power(x) for x in values.tolist()], dtype=np.float64)[place]


def exponent_of(penalty: np.ndarray) -> np.ndarray:
    """Return the base-10 logarithm of each penalty; NaN stays.

    Whole where the penalty is a power of ten, or next to one, as such a grid may be.
    """
    values, place = np.unique(penalty, return_inverse=True)
    return np.array([_logarithm(x) for x in values.tolist()], dtype=np.float64)[place]


def _power(exponent: float) -> float:
    if exponent.is_integer() and abs(exponent) <= 300:
        return float(f"1e{exponent:.0f}")
    return float(np.power(10.0, exponent))


def _logarithm(penalty: float) -> float:
    if math.isnan(penalty):
        return penalty
    exponent = math.log10(penalty)
    whole = round(exponent)
    return float(whole) if math.isclose(penalty, _power(float(whole)), rel_tol=4e-16, abs_tol=0.0) else exponent

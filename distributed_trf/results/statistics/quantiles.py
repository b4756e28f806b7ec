"""Quantiles over units where some have no number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def quantiles(values: np.ndarray, q: Sequence[float]) -> np.ndarray:
    """Return quantiles along the last axis by linear interpolation, NaN left out.

    ``numpy.nanquantile`` gives the same, a row at a time and with warnings where all are NaN.

    Parameters
    ----------
    values
        Shape (..., n).
    q
        Between 0 and 1.

    Returns
    -------
    np.ndarray of shape (len(q), ...)
        NaN where all are NaN.
    """
    if not values.shape[-1]:
        return np.full((len(q), *values.shape[:-1]), np.nan)
    ascending = np.sort(values, axis=-1)  # NaN last
    last = np.maximum(np.count_nonzero(~np.isnan(values), axis=-1) - 1, 0)
    found = []
    for fraction in q:
        place = fraction * last
        below = np.floor(place).astype(int)
        low, high = (
            np.take_along_axis(ascending, at[..., None], axis=-1)[..., 0] for at in (below, np.minimum(below + 1, last))
        )
        found.append(low + (place - below) * (high - low))
    return np.stack(found)

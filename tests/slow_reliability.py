"""Inter-trial correlations the slow, obvious way: a loop over draws, stimuli and units."""

from __future__ import annotations

import numpy as np


def slow_inter_trial(trials, pairs, shift=None):
    """Correlate both sides of each draw, the second one rolled by ``shift`` bins; shape (draws, U)."""
    draws, units = len(pairs), trials[0].shape[2]
    found = np.zeros((draws, units))
    for d in range(draws):
        for u in range(units):
            first, second = [], []
            for s in pairs.order[d]:
                first.append(trials[s][pairs.first[d, s], :, u])
                second.append(trials[s][pairs.second[d, s], :, u])
            a, b = np.concatenate(first).astype(float), np.concatenate(second).astype(float)
            if shift is not None:
                b = np.roll(b, shift[d])
            if np.ptp(a) > 0 and np.ptp(b) > 0:
                found[d, u] = np.corrcoef(a, b)[0, 1]
    return found


def driven_counts(rng, bins, *, repeats=11, units=6, modulation=1.0, mean=2.0):
    """Poisson counts around rates that repeat, by stimulus; and the concatenated rates, shape (T, U)."""
    rates = [mean * np.exp(modulation * rng.normal(size=(t, units)) - modulation**2 / 2) for t in bins]
    trials = [rng.poisson(np.broadcast_to(rate, (repeats, *rate.shape))).astype(np.uint16) for rate in rates]
    return trials, np.concatenate(rates)

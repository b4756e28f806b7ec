"""Groups of units to which not every stimulus was presented, beside one group and beside a fit for each group."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from distributed_trf.trf.crossval import RidgeFit
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.moments import Moments
from distributed_trf.trf.stream import MomentStream

FEATURES, LAGS, ROWS, TRIAL = 256, 5, 24_000, 200
GROUPS, UNITS = 5, 13
"""Groups, and units of each."""
FOLDS = 3
ALPHAS = 10.0 ** np.arange(-5, 16)
TURNS = 3
LACKING = (0, 1, 2, 5)
"""Stimuli that each group but the first lacks, each its own."""


class Recorded:
    """Trials of slowly varying features, and noisy units that follow them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        mix = rng.normal(size=(FEATURES, FEATURES)) * np.logspace(0, -1.5, FEATURES)
        self.X = [np.cumsum(rng.normal(size=(TRIAL, FEATURES)), axis=0) @ mix / 10 for _ in range(ROWS // TRIAL)]
        readout = rng.normal(size=(FEATURES, GROUPS * UNITS)) / 20
        self.Y = [x @ readout + 3 * rng.normal(size=(TRIAL, GROUPS * UNITS)) for x in self.X]

    def moments(self, groups: Sequence[range], lack: Sequence[set[int]]) -> list[Moments]:
        """Sums of each fold, of groups given by their units, without the stimuli that each lacks."""
        folds = [MomentStream(range(LAGS), LAGS - 1, groups=[len(units) for units in groups]) for _ in range(FOLDS)]
        columns = [unit for units in groups for unit in units]
        for k, (x, y) in enumerate(zip(self.X, self.Y, strict=True)):
            folds[k % FOLDS].add(x, y[LAGS - 1 :, columns], presented=[k not in of for of in lack])
        return [fold.moments() for fold in folds]


def fit(moments: Sequence[Moments]) -> tuple[float, RidgeFit]:
    """Fit from sums, and return the least time of several turns."""
    seconds = []
    for _ in range(TURNS):
        start = time.perf_counter()
        found = fit_moments(moments, ALPHAS, all_scores=False)
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def bench_missing() -> list[str]:
    """Return the rows of the table; weights of a group are those of its fit alone, or an AssertionError is raised."""
    recorded, rng = Recorded(), np.random.default_rng(1)
    units = [range(g * UNITS, (g + 1) * UNITS) for g in range(GROUPS)]
    whole, _ = fit(recorded.moments([range(GROUPS * UNITS)], [set()]))
    lines = [f"| one group of {GROUPS * UNITS} units, nothing lacking | {whole:.2f} | 1.00 | |"]
    for n in LACKING:
        lack = [set(), *(set(rng.choice(len(recorded.X), n, replace=False).tolist()) for _ in range(GROUPS - 1))]
        together, found = fit(recorded.moments(units, lack))
        alone = [fit(recorded.moments([of], [lacks])) for of, lacks in zip(units, lack, strict=True)]
        apart = np.concatenate([weights.weights for _, weights in alone], axis=1)
        np.testing.assert_allclose(found.weights, apart, rtol=1e-6, atol=1e-8 * np.abs(apart).max())
        separate = sum(seconds for seconds, _ in alone)
        what = "nothing lacking" if n == 0 else f"all but the first lack {n} of {len(recorded.X)} stimuli each"
        lines.append(
            f"| {GROUPS} groups of {UNITS}, {what} | {together:.2f} | {together / whole:.2f} "
            f"| {separate / together:.1f} |"
        )
        print(lines[-1], flush=True)
    return lines

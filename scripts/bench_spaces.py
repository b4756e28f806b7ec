"""All subsets of six feature spaces against the fit of all six: the same sums, penalties and rule for band weights.

A fit costs a decomposition per fold and choice of band weights, of a matrix of its own size. Seconds per choice are
measured at each size on some choices and multiplied by how many there are; subsets of one size cost the same, as spaces
are equally wide.
"""

from __future__ import annotations

import time
from math import comb

import numpy as np

from distributed_trf.trf.banded import band_candidates, fit_banded, lagged_bands
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.partition import n_candidates
from distributed_trf.trf.stream import moments_of

WIDTHS, LAGS, UNITS, FOLDS = [67, 67, 67, 67, 66, 66], range(5), 200, 3
CANDIDATES, TRIED = 100, 3
ALPHAS = np.logspace(-5, 15, 21)


def simulated() -> MomentFolds:
    """Sums of trials whose spaces share some of their features' variance, and units driven by a few spaces each."""
    rng, n_features = np.random.default_rng(0), sum(WIDTHS)
    shared = rng.normal(size=(30, n_features)) / 5
    drives = rng.random((len(WIDTHS), UNITS))[np.repeat(np.arange(len(WIDTHS)), WIDTHS)] < 0.4
    readout = rng.normal(size=(n_features, UNITS)) * drives / 8
    X, Y = [], []
    for _ in range(60):
        x = rng.normal(size=(110, n_features)) + rng.normal(size=(110, 30)) @ shared
        X.append(x)
        Y.append(x[10:] @ readout + 3 * rng.normal(size=(100, UNITS)))
    return MomentFolds([moments_of(X[k::FOLDS], Y[k::FOLDS], LAGS, 10) for k in range(FOLDS)])


def seconds_per_choice(folds: MomentFolds, size: int) -> float:
    """Time the fit of the first spaces, so many, at a few choices of band weights."""
    of = folds if size == len(WIDTHS) else folds.of_features(np.arange(sum(WIDTHS[:size])), sum(WIDTHS))
    tried = band_candidates(size, size + 1 + TRIED, seed=0)[-TRIED:] if size > 1 else np.ones((1, 1))
    start = time.perf_counter()
    fit_banded(of, ALPHAS, lagged_bands(WIDTHS[:size], len(LAGS)), tried)
    return (time.perf_counter() - start) / len(tried)


def bench_spaces() -> list[str]:
    """Return rows of the table, a row for each size of subsets and one for all."""
    folds, n = simulated(), len(WIDTHS)
    d = sum(WIDTHS) * len(LAGS)
    lines, total = [], 0.0
    seconds_per_choice(folds, 1)  # libraries load
    seconds = {size: seconds_per_choice(folds, size) for size in range(1, n + 1)}
    full = CANDIDATES * seconds[n]
    for size, each in seconds.items():
        choices = n_candidates(size, n, CANDIDATES)
        spent = comb(n, size) * choices * each
        total += spent
        columns = sum(WIDTHS[:size]) * len(LAGS)
        cells = [f"{comb(n, size)} of {size}", columns, choices, f"{each:.3f}", f"{spent:.1f}", f"{spent / full:.2f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    cells = [f"all {2**n - 1}", d, "", "", f"{total:.1f}", f"{total / full:.2f}"]
    lines.append("| " + " | ".join(map(str, cells)) + " |")
    print("\n".join(lines), flush=True)
    return lines

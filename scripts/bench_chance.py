"""Time the comparison of predictions with shifted copies, beside the fit that makes the predictions.

Test stimuli, repeats and sessions are those of the published analysis at 50 ms. A loop over copies must agree first.
Time is that of the process on all its cores, whatever else the machine does.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np
from bench_peers import Case, ours
from bench_sentences import LEAD_IN

from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.shifted_predictions import Shifts, draw_shifts, shifted_p

BINS = {str(k): bins for k, bins in enumerate((27, 29, 30, 31, 33, 34, 34, 36, 38, 39))}
"""Of each test sentence."""
REPEATS, SHIFTS, SESSIONS = 11, 1000, 41
SHAPES = ((80, 5, 1718), (256, 5, 1718), (1024, 5, 1718))
"""Features, lags and units."""
TURNS = 5


def responses(predicted: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Counts of each session's units, of which half follow the prediction, shape (repeats, bins, units)."""
    spread = predicted.std(axis=0)
    follow = np.where(np.arange(predicted.shape[1]) % 2, 0, 0.3 / np.where(spread > 0, spread, 1))
    rate = np.exp(np.clip((predicted - predicted.mean(axis=0)) * follow, -3, 2))
    counts = rng.poisson(np.broadcast_to(rate, (REPEATS, *rate.shape))).astype(np.float64)
    return [np.ascontiguousarray(part) for part in np.array_split(counts, SESSIONS, axis=2)]


def check(recorded: np.ndarray, predicted: np.ndarray, shifts: Shifts) -> None:
    """Compare the p-values of some units with a loop over copies."""
    few = Shifts(shifts.bins, shifts.moves[:50])
    borders, units = np.cumsum(few.bins)[:-1], slice(0, 20)
    y, p, reached = recorded[:, :, units], predicted[:, units], 0
    r = mean_over_repeats(y, p)
    for moves in few.moves:
        parts = [np.roll(part, k, axis=0) for part, k in zip(np.split(p, borders), moves, strict=True)]
        reached = reached + (mean_over_repeats(y, np.concatenate(parts)) >= r - 1e-12)
    np.testing.assert_allclose(shifted_p(y, p, few), np.where(np.isnan(r), np.nan, (reached + 1) / 51), rtol=1e-12)


def bench_chance(shapes: Sequence[Sequence[int]] = SHAPES) -> list[str]:
    """Return a row of the table for each size."""
    lines = []
    for shape in shapes:
        case, rng = Case(*shape), np.random.default_rng(0)
        start = time.process_time()
        _, fitted = ours(case)
        fit = time.process_time() - start
        test = [rng.normal(size=(LEAD_IN + n, shape[0])) for n in BINS.values()]
        predicted = np.concatenate(fitted.predict(test))
        sessions, parts = responses(predicted, rng), np.array_split(predicted, SESSIONS, axis=1)
        check(sessions[0], parts[0], draw_shifts(BINS, SHIFTS, 0))
        times: dict[str, list[float]] = {"r": [], "r_p": []}
        for _ in range(TURNS):
            start = time.process_time()
            for y, p in zip(sessions, parts, strict=True):
                mean_over_repeats(y, p)
            middle = time.process_time()
            shifts = draw_shifts(BINS, SHIFTS, 0)
            found = [shifted_p(y, p, shifts) for y, p in zip(sessions, parts, strict=True)]
            times["r"].append(middle - start)
            times["r_p"].append(time.process_time() - middle)
        r, r_p = (statistics.median(spent) for spent in times.values())
        alone = np.concatenate(found)[1::2]
        cells = [
            f"{fit:.2f}",
            f"{r:.2f}",
            f"{r_p:.2f}",
            f"{r_p / fit:.1%}",
            f"{np.mean(alone[~np.isnan(alone)] < 0.05):.1%}",
        ]
        lines.append("| " + " | ".join([case.name, *cells]) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines

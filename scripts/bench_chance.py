"""Time the scores of predictions beside r: compared with shifted copies, and corrected for noise.

Test stimuli, repeats and sessions are those of the published analysis at 50 ms. They are timed beside the fit that
makes the predictions, as a study computes them: what scores need of the responses is computed by the first fit, and is
there for later ones. A loop over copies must agree first, and the functions of one score.
Time is that of the process on all its cores, whatever else the machine does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
from bench_peers import Case, ours
from bench_sentences import LEAD_IN

from distributed_trf.reliability.noise_corrected import cc_norm, r2_er
from distributed_trf.reliability.noise_intervals import interval_of_all, r2_er_interval
from distributed_trf.reliability.response_side import ResponseSide
from distributed_trf.trf.correlation import mean_over_repeats, pearson, unit_length
from distributed_trf.trf.shifted_predictions import Shifts, draw_shifts, shifted_p, shifted_p_of_mean

BINS = {str(k): bins for k, bins in enumerate((27, 29, 30, 31, 33, 34, 34, 36, 38, 39))}
"""Of each test sentence."""
REPEATS, SHIFTS, SESSIONS = 11, 1000, 41
SHAPES = ((80, 5, 1718), (256, 5, 1718))
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


Sessions = Sequence[np.ndarray]


def p_values(sides: Sequence[ResponseSide], predicted: Sessions) -> list[np.ndarray]:
    """Compute r_p of each session's units."""
    shifts = draw_shifts(BINS, SHIFTS, 0)
    return [shifted_p_of_mean(side.mean, side.varying, p, shifts) for side, p in zip(sides, predicted, strict=True)]


def corrected(sides: Sequence[ResponseSide], r: Sessions, predicted: Sessions) -> np.ndarray:
    """Compute the scores that are corrected for noise, shape (4, units)."""
    of_sessions = list(zip(sides, r, predicted, strict=True))
    scores = np.concatenate([[side.powers.r2_er(of), side.powers.cc_norm(of)] for side, of, _ in of_sessions], axis=1)
    statistics = [side.noise.statistic(of, unit_length(p), side.powers) for side, of, p in of_sessions]
    return np.concatenate([scores, interval_of_all(statistics)])


def check_corrected(recorded: np.ndarray, predicted: np.ndarray, found: np.ndarray) -> None:
    """Compare the scores of one session with the functions of each."""
    alone = r2_er(recorded, predicted), cc_norm(recorded, predicted), *r2_er_interval(recorded, predicted)
    np.testing.assert_allclose(found, alone, rtol=1e-9, atol=2e-6)


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
        turns = []
        for _ in range(TURNS):
            clock = [time.process_time()]
            r = [pearson(y, p) for y, p in zip(sessions, parts, strict=True)]
            clock.append(time.process_time())
            sides = [ResponseSide.of(y) for y in sessions]
            clock.append(time.process_time())
            found = p_values(sides, parts)
            clock.append(time.process_time())
            scores = corrected(sides, r, parts)
            clock.append(time.process_time())
            turns.append(np.diff(clock))
        check_corrected(sessions[0], parts[0], scores[:, : parts[0].shape[1]])
        r_alone, side, r_p, noise = np.median(turns, axis=0)
        alone = np.concatenate(found)[1::2]
        cells = [
            f"{fit:.2f}",
            f"{r_alone:.2f}",
            f"{r_p:.2f}",
            f"{side + r_p + noise:.2f}",
            f"{r_p + noise:.2f}",
            f"{(r_p + noise) / fit:.1%}",
            f"{np.mean(alone[~np.isnan(alone)] < 0.05):.1%}",
        ]
        lines.append("| " + " | ".join([case.name, *cells]) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines

"""Which vocalisation was presented when to simulated UCSF sessions: one order for all of them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from distributed_trf.recordings.simulation.ucsf.metadata import CALL_REPEATS

PUBLISHED = {1: 228, 2: 37, 3: 9, 4: 2, 7: 1, 14: 1, 15: 11, 16: 6, 17: 3, 18: 2, 19: 1, 25: 1, 30: 1}
"""How many of the published vocalisations were presented how often."""
MOST_CALLS = sum(times * n for times, n in PUBLISHED.items())
FEWEST_CALLS = 45
"""Presentations: two vocalisations for testing, and as many presentations for training as one of them has."""


def multiplicities(calls: int) -> dict[int, int]:
    """Return how many codes are presented how often, with ``calls`` presentations in all.

    All 780 are the published ones. Fewer have fewer codes with exactly 15 presentations, which are those for testing,
    some with 16 and 2 presentations, and the rest once.
    """
    if calls == MOST_CALLS:
        return PUBLISHED

    def scaled(times: int) -> int:
        return round(PUBLISHED[times] * calls / MOST_CALLS)

    chosen = {CALL_REPEATS: max(2, scaled(CALL_REPEATS)), 16: scaled(16), 2: max(1, scaled(2))}
    return {**chosen, 1: calls - sum(times * n for times, n in chosen.items())}


def draw_codes(calls: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the code of each presentation; codes count from 1 by first presentation, shape (calls,)."""
    times = np.repeat(*np.transpose(list(multiplicities(calls).items())))
    order = rng.permutation(np.repeat(np.arange(times.size), times))
    _, first, code = np.unique(order, return_index=True, return_inverse=True)
    return first.argsort().argsort()[code] + 1


def stimulus_presentations(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell which stimulus, if any, each presentation is of.

    The published analysis names a stimulus by the index of its first presentation. Codes with exactly 15 presentations
    are test stimuli; every presentation of any other code is a training stimulus of its own.

    Returns
    -------
    stimulus
        Index of the presentation that names the stimulus of each presentation, shape (n_presentations,).
    is_test
        Whether that is a test stimulus, shape (n_presentations,).
    """
    presented = Counter(codes.tolist())
    is_test = np.array([presented[code] == CALL_REPEATS for code in codes.tolist()])
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(is_test, first[inverse], np.arange(codes.size)), is_test

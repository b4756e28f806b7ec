"""Everything about the reliability of the units of one session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.reliability.ceilings import ccmax, signal_power, single_repeat_ceiling, split_half_ceiling
from distributed_trf.reliability.halves import Halves, assess_halves
from distributed_trf.reliability.inter_trial import Null, expected_r
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.resampling import shift_test
from distributed_trf.reliability.selection import (
    draws_above_null_p,
    inter_trial_distributions,
    silence_weight,
    silent_repeats,
)
from distributed_trf.trf.resampling import draw_generator


def assess(
    trials: Sequence[Array],
    *,
    draws: int,
    null_shift: Null,
    shifts: int,
    splits: int,
    seed: int,
    key: Sequence[str | float] = (),
    halves: Halves | None = None,
) -> dict[str, np.ndarray]:
    """Measure how well each unit repeats itself.

    Parameters
    ----------
    trials
        Responses to each test stimulus (counts, bins of a signal, or values), shape (R, T, U); pairings use all
        presentations, the test for tuning and the ceilings as many as every stimulus has.
    draws
        Of the distribution of inter-trial correlations and of its null.
    null_shift
        How far the null shifts responses, see ``null_shifts``.
    shifts
        Of the test for tuning.
    splits
        Of the repeats into halves.
    seed, key
        Decide everything random; ``key`` distinguishes sessions.
    halves
        Of the repeats that all stimuli have, see ``deal_repeats``; by default measures of halves are NaN.

    Returns
    -------
    dict of np.ndarray, each of shape (U,)
        The variables ``names.RELIABILITY`` describes; NaN for units that never vary, but for ``silent_repeats``
        and ``mean_response``.

    Raises
    ------
    DataError
        If a stimulus was presented only once.
    """

    def rng(what: str) -> np.random.Generator:
        return draw_generator(seed, what, *key)

    tables = PairTables.of(trials)
    true, shifted = inter_trial_distributions(tables, draws=draws, null_shift=null_shift, seed=seed, key=key)
    repeated = repeated_responses(trials)
    test = shift_test(repeated, shifts, rng("test shifts"))
    measures = {
        "normaliser": true.mean(axis=0),
        "normaliser_median": np.median(true, axis=0),
        "normaliser_expected": expected_r(tables) * silence_weight(tables),
        "null_mean": shifted.mean(axis=0),
        "null_median": np.median(shifted, axis=0),
        "null_std": shifted.std(axis=0),
        "tuned_p": test.p,
        "tuned_p_published": draws_above_null_p(true, shifted),
        "signal_power": signal_power(repeated),
        "ceiling_signal_power": single_repeat_ceiling(repeated),
        "ceiling_ccmax": ccmax(repeated),
        "ceiling_split_half": split_half_ceiling(repeated, splits, rng("splits")),
    }
    varies = to_numpy(tables.vary())
    measured = {name: np.where(varies, to_numpy(values), np.nan) for name, values in measures.items()}
    of_halves = assess_halves(trials, halves, draws=draws, null_shift=null_shift, shifts=shifts, seed=seed, key=key)
    known = {"silent_repeats": silent_repeats(tables), "mean_response": mean_response(repeated)}
    return {**measured, **{name: to_numpy(values) for name, values in known.items()}, **of_halves}


def mean_response(repeated: Array) -> Array:
    """Average responses of shape (R, T, U) over repeats and bins, shape (U,)."""
    xp = namespace(repeated)
    return xp.mean(xp.astype(repeated, xp.float64), axis=(0, 1))


def repeated_responses(trials: Sequence[Array]) -> Array:
    """Put the stimuli one after another in as many repeats as all of them have, the earliest ones: (R, T, U)."""
    repeats = min(trial.shape[0] for trial in trials)
    return namespace(*trials).concat([trial[:repeats, :, :] for trial in trials], axis=1)

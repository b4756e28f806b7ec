"""Halves of the repeats: units are selected on one, and their predictions are tested on the other.

Where units are selected by repeats that their predictions are then tested on, chance in these repeats raises both: the
units that are kept look more repeatable, and better predicted, than they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace, take_rows, to_numpy
from distributed_trf.reliability.inter_trial import Null
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.resampling import shift_test
from distributed_trf.reliability.selection import inter_trial_distributions
from distributed_trf.trf.resampling import draw_generator

FEWEST = 4
"""Repeats from which on both halves have two, as their inter-trial correlation needs."""
OF_DRAWS = 10
"""One in so many of the draws of the whole are made of each half, which has a quarter of the pairs."""
MEASURES = (
    "normaliser_first_half",
    "null_mean_first_half",
    "null_std_first_half",
    "tuned_p_first_half",
    "normaliser_second_half",
)
Halves = tuple[np.ndarray, np.ndarray]
"""Indices of the repeats of the first and of the second half, ascending."""


def deal_repeats(n_repeats: int, seed: int, key: Sequence[str | float] = ()) -> Halves | None:
    """Deal the repeats of a session into two halves, at random.

    Parameters
    ----------
    n_repeats
        Repeats that all test stimuli have, R.
    seed, key
        Decide the halves. A study has the seed of its ``reliability``, and as key the stimulus set and the session, so
        that the halves are the same at all bin widths.

    Returns
    -------
    first, second
        Indices of R / 2 repeats each; of an odd number the first half has one more. None of fewer than 4 repeats.

    Examples
    --------
    >>> [half.tolist() for half in deal_repeats(5, 0, ("timit", "200205"))]
    [[2, 3, 4], [0, 1]]
    """
    if n_repeats < FEWEST:
        return None
    dealt = draw_generator(seed, "halves", *key).permutation(n_repeats)
    return np.sort(dealt[: (n_repeats + 1) // 2]), np.sort(dealt[(n_repeats + 1) // 2 :])


def assess_halves(
    trials: Sequence[Array],
    halves: Halves | None,
    *,
    draws: int,
    null_shift: Null,
    shifts: int,
    seed: int,
    key: Sequence[str | float] = (),
) -> dict[str, np.ndarray]:
    """Measure what units are selected by on the first half of the repeats, and the normaliser of the second.

    Parameters
    ----------
    trials
        Responses to each test stimulus, shape (R, T, U); R may differ.
    halves
        From ``deal_repeats``, of repeats that all stimuli have.
    draws
        Of the whole; ``OF_DRAWS`` says how many are made of a half.
    null_shift, shifts, seed, key
        As in ``assess``. What is drawn has in its key also ``first half`` or ``second half``.

    Returns
    -------
    dict of np.ndarray, each of shape (U,)
        ``MEASURES``; NaN without halves, and for units that never vary in a half.
    """
    n_units = trials[0].shape[2]
    if halves is None:
        return {name: np.full(n_units, np.nan) for name in MEASURES}
    found: dict[str, np.ndarray] = {}
    few = -(-draws // OF_DRAWS)
    for repeats, which in zip(halves, ("first half", "second half"), strict=True):
        of_half, name = [take_rows(trial, repeats) for trial in trials], which.replace(" ", "_")
        tables, half_key = PairTables.of(of_half), (*key, which)
        true, null = inter_trial_distributions(tables, draws=few, null_shift=null_shift, seed=seed, key=half_key)
        measures = {f"normaliser_{name}": true.mean(axis=0)}
        if which == "first half":
            test = shift_test(
                namespace(*of_half).concat(of_half, axis=1), shifts, draw_generator(seed, "test shifts", *half_key)
            )
            measures |= {
                f"null_mean_{name}": null.mean(axis=0),
                f"null_std_{name}": null.std(axis=0),
                f"tuned_p_{name}": to_numpy(test.p),
            }
        varies = to_numpy(tables.vary())
        found |= {of: np.where(varies, values, np.nan) for of, values in measures.items()}
    return {name: found[name] for name in MEASURES}

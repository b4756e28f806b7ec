"""Both distributions of the inter-trial correlation: of pairs of presentations, and of the same pairs shifted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import to_numpy
from distributed_trf.reliability.inter_trial import Null, inter_trial_r, null_shifts, shifted_r
from distributed_trf.reliability.pairs import PairTables, draw_pairs
from distributed_trf.trf.draws import draw_generator


def inter_trial_distributions(
    tables: PairTables, *, draws: int, null_shift: Null, seed: int, key: Sequence[str | float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of presentations, and correlate them as they are and with the second side shifted.

    Parameters
    ----------
    tables
        Of the test stimuli; which units they hold does not change what is drawn.
    draws
        Number of pairings.
    null_shift
        How far the null shifts responses, see ``null_shifts``.
    seed, key
        Decide what is drawn; ``key`` tells sessions apart.

    Returns
    -------
    true, shifted
        Pearson's r of each draw and unit, of shape (draws, U) each. Their means are the normaliser and ``null_mean``.

    Raises
    ------
    DataError
        If a stimulus was presented only once.
    """
    pairs = draw_pairs(tables.repeats, draws, draw_generator(seed, "pairs", *key))
    shift = null_shifts(null_shift, tables.bins, draws, draw_generator(seed, "null shifts", *key))
    return to_numpy(inter_trial_r(tables, pairs)), to_numpy(shifted_r(tables, pairs, shift))

"""What selecting units by the repeats that they are tested on does to how well they seem to be predicted."""

from __future__ import annotations

import numpy as np

from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.selection import highly_tuned

REPEATS, BINS, SENTENCES = 11, 330, 10
TRUE_RHO, DELTA, DRAWS = 0.5, 0.5, 300
TRUE = (0.01, 0.03, 0.1, 0.3)
"""Normalisers."""
AS_PUBLISHED = "as published"
HALF = slice(0, 6), slice(6, 11)
"""Repeats that select units, and those that they are tested on: all repeats are alike here, so that none are dealt."""


SELECTION_HEAD = (
    "| true normaliser | selected by all | r | rho | selected by half | r of the other half | rho |",
    "|---|---|---|---|---|---|---|",
)


def biases_of_selection(units: int, seed: int = 0) -> list[str]:
    """Make rows of how far r and rho of selected units are from their truth, medians over units.

    Parameters
    ----------
    units
        How many are simulated of each normaliser.
    seed
        Of their responses.
    """
    lines = []
    rng = np.random.default_rng(seed)
    for kind in (*TRUE, AS_PUBLISHED):
        normaliser = (
            np.full(units, kind)
            if isinstance(kind, float)
            else np.minimum(np.exp(rng.normal(-5.6, 2.85, units)), 0.9)  # as in simulate_results
        )
        responses, predicted = _responses(normaliser, rng)
        cells = []
        for chosen, tested in ((slice(None), slice(None)), HALF):
            by = _assessed(responses[chosen])
            kept = highly_tuned(by["normaliser"], by["null_mean"], by["null_std"], DELTA)
            other = by["normaliser"] if tested == chosen else _assessed(responses[tested])["normaliser"]
            r = _mean_r(predicted, responses[tested])
            rho = np.where(other > 0, r / np.sqrt(np.where(other > 0, other, 1)), np.nan)
            of_r = np.median(r[kept] - TRUE_RHO * np.sqrt(normaliser[kept]))
            of_rho = np.nanmedian(rho[kept]) - TRUE_RHO
            cells += [f"{kept.mean():.1%}", f"{of_r:+.4f}", f"{of_rho:+.3f}"]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def _responses(normaliser: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw responses, shape (repeats, bins, units), and predictions of true rho, shape (bins, units).

    The inter-trial correlation of long responses is the normaliser, the correlation of a prediction with the part that
    repeats ``TRUE_RHO``.
    """
    predicted, rest = rng.normal(size=(2, BINS, normaliser.size))
    repeating = TRUE_RHO * predicted + np.sqrt(1 - TRUE_RHO**2) * rest
    noise = rng.normal(size=(REPEATS, BINS, normaliser.size))
    return np.sqrt(normaliser) * repeating + np.sqrt(1 - normaliser) * noise, predicted


def _assessed(responses: np.ndarray) -> dict[str, np.ndarray]:
    sentences = np.split(responses, SENTENCES, axis=1)
    return assess(sentences, draws=DRAWS, null_shift="half", shifts=1, splits=1, seed=0)


def _mean_r(predicted: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Correlation with each repeat, the mean over repeats."""
    x = predicted - predicted.mean(axis=0)
    y = responses - responses.mean(axis=1, keepdims=True)
    return ((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=1))).mean(axis=0)

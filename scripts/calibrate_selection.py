"""What selecting units by the repeats that they are tested on does to how well they seem to be predicted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import select_units
from distributed_trf.names import RELIABILITY_DIMS, RESULT_DIMS
from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.halves import deal_repeats
from distributed_trf.results.open_results import with_rho
from distributed_trf.trf.correlation import mean_of_repeats, pearson

REPEATS, BINS, SENTENCES = 11, 330, 10
TRUE_RHO, DELTA, DRAWS = 0.5, 0.5, 3000
"""Of draws halves take a tenth, as studies do."""
TRUE = (0.01, 0.03, 0.1, 0.3)
"""Normalisers."""
AS_PUBLISHED = "as published"


SELECTION_HEAD = (
    "| true normaliser | selected by all | r | rho | selected by half | r of the other half | rho | without rho |",
    "|---|---|---|---|---|---|---|---|",
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
    lines, rng = [], np.random.default_rng(seed)
    for kind in (*TRUE, AS_PUBLISHED):
        normaliser = (
            np.full(units, kind)
            if isinstance(kind, float)
            else np.minimum(np.exp(rng.normal(-5.6, 2.85, units)), 0.9)  # as in simulate_results
        )
        ds, cells = measured(normaliser, rng), []
        for repeats in ("all", "split"):
            kept = select_units(ds, delta=DELTA, repeats=repeats)
            of_r = float((kept["r"] - TRUE_RHO * np.sqrt(kept["truth"])).median())
            of_rho = float(kept["rho"].median()) - TRUE_RHO
            cells += [f"{kept.sizes['unit'] / units:.1%}", f"{of_r:+.4f}", f"{of_rho:+.3f}"]
        lines.append(f"| {kind} | {' | '.join(cells)} | {float(kept['rho'].isnull().mean()):.0%} |")
    return lines


def measured(normaliser: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Draw responses and predictions, and measure them as a study does: results with ``truth``, the normaliser.

    The inter-trial correlation of long responses is the normaliser, the correlation of a prediction with the part that
    repeats ``TRUE_RHO``.
    """
    predicted, rest = rng.normal(size=(2, BINS, normaliser.size))
    repeating = TRUE_RHO * predicted + np.sqrt(1 - TRUE_RHO**2) * rest
    noise = rng.normal(size=(REPEATS, BINS, normaliser.size))
    responses = np.sqrt(normaliser) * repeating + np.sqrt(1 - normaliser) * noise
    halves = deal_repeats(REPEATS, 0, ("selection",))
    assert halves is not None
    sentences = np.split(responses, SENTENCES, axis=1)
    of_units = assess(sentences, draws=DRAWS, null_shift="half", shifts=1, splits=1, seed=0, halves=halves)
    r = pearson(responses, predicted)
    second = np.zeros(r.shape, dtype=bool)
    second[halves[1]] = True
    of_fit = {"r": mean_of_repeats(r), "r_second_half": mean_of_repeats(r, second)}
    of_fit |= dict.fromkeys(("alpha", "cv_score"), np.zeros(normaliser.size))
    ds = xr.Dataset(
        {name: (RESULT_DIMS, values.reshape(1, 1, 1, 1, 1, -1)) for name, values in of_fit.items()}
        | {name: (RELIABILITY_DIMS, values.reshape(1, 1, -1)) for name, values in of_units.items()},
        {"stimuli": ["simulated"], "bin_width": [50.0], "truth": ("unit", normaliser)},
    )
    return with_rho(ds)

"""How the test correlation was made, and how many units are predicted better than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pydantic
import xarray as xr

from distributed_trf import names
from distributed_trf.config.evaluation import EvaluationSettings
from distributed_trf.reliability.selection import benjamini_hochberg
from distributed_trf.results.layers import best_layer, usual_chooser
from distributed_trf.results.open_results import study_of

COLUMNS = ["stimuli", "bin_width", "network", "weights", "best_layer", "by", "n", "better"]


def chance_table(ds: xr.Dataset, *, alpha: float = 0.05) -> pd.DataFrame:
    """Count the units that the best layer of every network predicts better than chance.

    Parameters
    ----------
    ds
        Results of ``open_results``, of all units or of those of ``select_units``.
    alpha
        False discovery rate (Benjamini & Hochberg 1995) over the units of a fit.

    Returns
    -------
    pandas.DataFrame
        One row per stimulus set, bin width, network and weights: best_layer, by, the number whose median over units
        chose it (``cv_score``; ``r`` where results have none, whose p-values are then too small); n, the units that
        have an ``r_p`` there; better, those of them that are predicted better than chance. No row where no fit has an
        ``r_p``: it is computed where a study has ``chance``.
    """
    if "r_p" not in ds or not ds["r_p"].notnull().any():
        return pd.DataFrame(columns=COLUMNS)
    by, _ = usual_chooser(ds, "r")
    best = best_layer(ds, "r", by)["best_layer"].stack(fit=OF_FIT, create_index=False)
    rows = []
    for fit in best.dropna("fit").transpose("fit"):
        at = {dim: fit[dim].item() for dim in OF_FIT}
        p = ds["r_p"].sel({**at, names.LAYER: int(fit)}).values
        n = int(np.count_nonzero(~np.isnan(p)))
        if n:
            better = int(np.count_nonzero(benjamini_hochberg(p) < alpha))
            rows.append({**at, "best_layer": int(fit), "by": by, "n": n, "better": better})
    return pd.DataFrame(rows, columns=COLUMNS)


def better_in_words(row: pd.Series) -> str:
    """Say of a row of ``chance_table`` what it counts."""
    layer = f"layer {row['best_layer']} (best by median {row['by']})"
    share = f"{row['better']} of {row['n']} units"
    return (
        f"{row['network']} {row['weights']}, {layer}: {share} predicted better than chance (false discovery rate 0.05)"
    )


OF_FIT = (names.STIMULI, names.BIN_WIDTH, names.NETWORK, names.WEIGHTS)


def evaluation_in_words(ds: xr.Dataset) -> str:
    """Say which stimuli ``r`` is of, as the settings of the study have it; empty of imported results."""
    evaluation = _evaluation(ds)
    return "" if evaluation is None else evaluation.summary()


def is_tested_in_turn(ds: xr.Dataset) -> bool:
    """Return whether stimuli that one split tests train others, as with folds: training folds then hold them too."""
    evaluation = _evaluation(ds)
    return evaluation is not None and not evaluation.fixed


def _evaluation(ds: xr.Dataset) -> EvaluationSettings | None:
    """Return what fits are tested on; None of imported results, and of settings that this version does not know."""
    study = study_of(ds)
    try:
        return None if study is None else EvaluationSettings.model_validate(study.get("test") or FIXED)
    except pydantic.ValidationError:
        return None


FIXED = {"set": "test"}
"""How studies tested before there was a choice."""

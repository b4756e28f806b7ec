"""How many units are predicted better than chance, and how the test correlation was made."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy

from distributed_trf import simulate_results
from distributed_trf.results.chance import better_in_words, chance_table, evaluation_in_words


@pytest.fixture(scope="module")
def ds():
    found = simulate_results(["whisper_tiny", "deepspeech2"], sessions=3, channels=10)
    p = np.random.default_rng(0).random(found.r.shape) ** 4
    found["r_p"] = found.r.copy(data=np.where(found.r.isnull(), np.nan, p))
    found["cv_score"] = found.cv_score.where(found.layer != 3, 1.0).where(found.r.notnull())
    return found


def test_chance_table__counts_units_in_the_layer_that_training_folds_choose(ds):
    of = ds.copy(deep=True)
    of["r_p"][..., :4] = np.nan
    rows = chance_table(of).set_index(["stimuli", "network", "weights"])
    assert len(rows) == 2 * 5  # trained and reset of two networks, and the cochleagram
    for (stimuli, network, weights), row in rows.iterrows():
        layer = 0 if network == "cochleagram" else 3
        p = of.r_p.sel(stimuli=stimuli, network=network, weights=weights, layer=layer, bin_width=50.0).values[4:]
        better = (scipy.stats.false_discovery_control(p) < 0.05).sum()
        assert row[["best_layer", "by", "n", "better"]].tolist() == [layer, "cv_score", 26, better]
    assert rows["better"].max() > 0
    assert better_in_words(chance_table(of).iloc[0]) == (
        f"whisper_tiny trained, layer 3 (best by median cv_score): {rows['better'].iloc[0]} of 26 units predicted "
        "better than chance (false discovery rate 0.05)"
    )


def test_chance_table__says_when_r_itself_chose_and_has_no_row_without_p_values(ds):
    assert set(chance_table(ds.drop_vars("cv_score"))["by"]) == {"r"}
    for without in (ds.drop_vars("r_p"), ds.assign(r_p=ds.r_p * np.nan), ds.isel(unit=[])):
        assert chance_table(without).empty


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({}, "the test stimuli of the recordings, by a fit on all others"),
        ({"test": {"folds": 4}}, "all stimuli in 4 outer folds, each by a fit on the others"),
        ({"test": {"of a later version": 1}}, ""),
        (None, ""),
    ],
)
def test_evaluation_in_words__is_as_the_study_has_it(ds, study, words):
    assert (
        evaluation_in_words(ds if study is None else ds.assign_attrs(study=json.dumps({"name": "a"} | study))) == words
    )

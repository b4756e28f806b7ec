from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import layer_tests, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.best_layers import best_layer_table, layer_test_table
from distributed_trf.results.plotted_units import plotted_units
from tests.small_results import small_results


def test_best_layer_table__by_hand():
    (at_50,) = plotted_units(small_results(), delta=0.5)
    assert at_50.chooser_note == "no cv_score in these results: the r that is shown chose the layers, and is too high"
    rows = best_layer_table(at_50).set_index(["network", "weights"])
    assert rows.loc["net", "trained"].to_dict() == {
        "seeds": 1,
        "layers": 2,
        "best_layer": 2,
        "layer_name": "block",
        "layer_type": "transformer",
        "median": pytest.approx(0.4),  # of 0.6 and 0.2
        "n": 2,
        "by": "r",
    }
    assert rows.loc["mel", "fixed"][["best_layer", "median", "n"]].tolist() == [0, 0.2, 3]
    assert rows.loc["net", "reset"]["layers"] == 1
    assert len(rows) == 3


def test_best_layer_table__averages_seeds():
    ds = simulate_results(["whisper_tiny"], weights=["trained", "reset", "reset-1"], sessions=4, channels=5)
    shown, _ = plotted_units(ds, delta=0.0)
    rows = best_layer_table(shown).set_index(["network", "weights"])
    assert rows.loc["whisper_tiny", "reset"]["seeds"] == 2
    of = shown.ds["rho"].sel(network="whisper_tiny")
    both = of.sel(weights=["reset", "reset-1"]).mean("weights").median("unit")
    rows = best_layer_table(shown, "rho").set_index(["network", "weights"])
    assert rows.loc["whisper_tiny", "reset"]["median"] == pytest.approx(float(both.max()))
    assert rows.loc["whisper_tiny", "reset"]["best_layer"] == int(both.argmax("layer"))


def test_layer_test_table__counts_what_layer_tests_finds():
    ds = simulate_results(["whisper_tiny", "deepspeech2"], better={"whisper_tiny": [1, 2]}, sessions=20, channels=8)
    for shown in plotted_units(ds, delta=0.5):
        table = layer_test_table(shown)
        tests = layer_tests(select_units(ds, stimuli=shown.stimuli, delta=0.5)).sel(stimuli=shown.stimuli, bin_width=50)
        rows = table.rows.set_index(["network", "against"])
        assert rows["significant"].to_dict() == {
            (n, a): int(tests["significant"].sel(network=n, against=a).sum()) for n, a in rows.index
        }
        assert rows.loc["whisper_tiny", "untrained"]["significant"] == 2
        assert rows.loc["deepspeech2", "spectrogram"]["tested"] == 7
        assert rows.loc["whisper_tiny", "spectrogram"]["other"] == "cochleagram"
        best = rows.loc["whisper_tiny", "untrained"]
        assert best["best_layer"] in (1, 2)
        there = tests.sel(network="whisper_tiny", against="untrained", layer=best["best_layer"])
        for name in ("difference", "low", "high", "effect", "p", "smallest_p", "p_adjusted"):
            assert best[name] == pytest.approx(float(there[name]))
        assert np.isfinite(best[["low", "high"]].astype(float)).all()


def test_tables__take_the_layer_that_training_folds_choose():
    ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1]}, sessions=8, channels=20)
    ds["cv_score"] = ds.cv_score.where(ds.layer != 4, 1.0).where(ds.r.notnull())
    shown, _ = plotted_units(ds, delta=0.5)
    rows, tests = best_layer_table(shown), layer_test_table(shown)
    assert (rows["by"].unique().tolist(), tests.by) == (["cv_score"], "cv_score")
    assert rows.set_index(["network", "weights"]).loc["whisper_tiny"]["best_layer"].tolist() == [4, 4]
    assert tests.rows["best_layer"].unique().tolist() == [4]
    median = shown.ds.rho.sel(network="whisper_tiny", weights="trained", layer=4).median("unit")
    assert rows.set_index(["network", "weights"]).loc["whisper_tiny", "trained"]["median"] == pytest.approx(
        float(median)
    )
    assert best_layer_table(shown, "rho").set_index("weights").loc["trained", "best_layer"] == 1
    assert layer_test_table(shown, "rho").rows["best_layer"].unique().tolist() == [1]


def test_layer_test_table__takes_other_controls_where_nothing_was_reset():
    ds = simulate_results(["whisper_tiny"], spectrograms=[], weights=["trained", "permuted"], sessions=4, channels=5)
    shown, _ = plotted_units(ds, delta=0.5)
    table = layer_test_table(shown)
    assert set(table.rows["other"]) == {"permuted"}
    assert table.tests.attrs["left_out"] == "no spectrogram 'cochleagram' in these results"


def test_layer_test_table__without_trained_weights_says_so():
    ds = small_results().drop_sel(weights="trained")
    (shown,) = plotted_units(ds, delta=0.5)
    with pytest.raises(DataError, match="no network with trained weights"):
        layer_test_table(shown)

"""``dtrf results`` of studies and of folders, on a terminal and as tables."""

from __future__ import annotations

import pandas as pd
import pytest

from distributed_trf import open_results, select_units, simulate_results, to_dataframe
from tests.figures.stored_results import store_results
from tests.small_results import write_small_study


@pytest.fixture
def folder(tmp_path):
    return write_small_study(tmp_path / "study")


def in_one_line(shown):
    return " ".join(shown.stdout.split())


def test_results__of_a_folder_without_a_study_file(folder, dtrf):
    shown = dtrf("results", str(folder))
    assert shown.exit_code == 0
    assert "timit, 50 ms bins, 2 to 3 units" in shown.stdout
    assert (
        "figures and reports show 3 units; no unit is highly tuned to timit (δ = 0.5): all units are shown, by test "
        "correlation r"
    ) in in_one_line(shown)


def test_results__say_how_r_was_tested_what_removed_units_and_how_many_beat_chance(tmp_path, dtrf):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=20, stimuli=["timit"])
    folder = store_results(ds, tmp_path / "study", {"study": {"name": "a", "test": {"folds": 5}}})
    shown = dtrf("results", str(folder))
    assert shown.exit_code == 0
    assert "r is of all stimuli in 5 outer folds, each by a fit on the others" in shown.stdout
    n = select_units(ds, delta=0.5).sizes["unit"]
    assert (
        f"figures and reports show {n} highly tuned units (δ = 0.5) (60 units: {60 - n} not highly tuned (delta 0.5); "
        f"{n} left)"
    ) in in_one_line(shown)
    assert "better than chance" not in shown.stdout  # which was not tested
    ds["r_p"] = ds.r * 0 + 0.001
    shown = dtrf("results", str(store_results(ds, tmp_path / "tested", {})))
    assert "cochleagram fixed, layer 0 (best by median cv_score): 60 of 60 units predicted better than" in in_one_line(
        shown
    )
    assert "r is of" not in shown.stdout  # which is not known


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_save__writes_every_fit_of_every_unit(folder, tmp_path, dtrf, ending):
    file = tmp_path / f"tables/all.{ending}"
    shown = dtrf("results", str(folder), "--save", str(file))
    assert shown.exit_code == 0
    expected = to_dataframe(open_results(folder))
    assert f"({len(expected)} rows)" in shown.stdout
    text = {"channel": str}
    found = pd.read_parquet(file) if ending == "parquet" else pd.read_csv(file, dtype=text, engine="python")
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_save__under_another_ending_writes_nothing(folder, tmp_path, dtrf):
    shown = dtrf("results", str(folder), "--save", str(tmp_path / "all.xlsx"))
    assert shown.exit_code == 2
    assert "ends with .csv, .csv.gz, .parquet" in " ".join(shown.stderr.split())
    assert not (tmp_path / "all.xlsx").exists()

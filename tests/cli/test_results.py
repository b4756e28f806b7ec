"""``dtrf results`` of studies and of folders, on a terminal and as tables."""

from __future__ import annotations

import pandas as pd
import pytest

from distributed_trf import open_results, to_dataframe
from tests.small_results import write_small_study


@pytest.fixture
def folder(tmp_path):
    return write_small_study(tmp_path / "study")


def test_results__of_a_folder_without_a_study_file(folder, dtrf):
    shown = dtrf("results", str(folder))
    assert shown.exit_code == 0
    assert "timit, 50 ms bins, 2 to 3 units" in shown.stdout


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

"""Tables of fits and of analyses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from distributed_trf import open_partition
from tests.figures.whole_study import write_whole_study


def test_results__write_a_table_of_an_analysis(dtrf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_whole_study(tmp_path / "study")
    assert "(1400 rows)" in dtrf("results", "study", "--save", "parts.csv", "--of", "partition").stdout
    table, ds = pd.read_csv("parts.csv"), open_partition(folder)
    assert table.subset.unique().tolist() == ds.subset.values.tolist()
    found = table[table.subset == "mel"]["unique"]
    np.testing.assert_allclose(found, ds["unique"].sel(subset="mel").values.ravel(), rtol=1e-12)
    wrong = dtrf("results", "study", "--save", "parts.csv", "--of", "parts")
    assert wrong.exit_code == 2
    assert "'parts' is not one of fits, together" in " ".join(wrong.stderr.split())
    assert "name a file with --save" in " ".join(dtrf("results", "study", "--of", "partition").stderr.split())

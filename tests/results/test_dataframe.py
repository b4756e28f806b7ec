"""Tables hold every number of a dataset with its labels, and come back from files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from distributed_trf import compare_areas, layer_tests, peak_layer, simulate_results, to_dataframe
from distributed_trf.errors import DataError
from tests.small_results import FITS, RELIABILITY, small_results


def test_to_dataframe__one_row_per_fit_and_unit_that_has_a_number():
    table = to_dataframe(small_results())
    expected = {
        (*place, unit): value
        for place, values in FITS.items()
        for unit, value in zip(("s1-1", "s1-2", "s2-1"), values, strict=True)
        if not np.isnan(value)
    }
    unit = table["session"] + "-" + table["channel"]
    labels = table[["stimuli", "network", "weights", "layer", "bin_width"]]
    found = dict(zip(zip(*(labels[name] for name in labels), unit, strict=True), table["r"], strict=True))
    assert found == expected
    first = table[(table["session"] == "s2") & (table["network"] == "mel")].iloc[0]
    assert (first["area"], first["subject"], first["r"], first["layer_type"]) == ("core", "B", 0.4, "spectrogram")
    at_50 = table[(table["bin_width"] == 50) & (table["session"] == "s1") & (table["channel"] == "1")]
    assert set(at_50["normaliser"]) == {RELIABILITY["normaliser"][0]}
    assert "unit" not in table
    above = table[table["normaliser"] > 0]
    np.testing.assert_allclose(above["rho"], above["r"] / np.sqrt(above["normaliser"]))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables__come_back_from_files(tmp_path, suffix):
    table = to_dataframe(simulate_results(["whisper_tiny"], sessions=2, channels=3))
    if suffix == "csv":
        table.to_csv(tmp_path / "t.csv", index=False)
        back = pd.read_csv(tmp_path / "t.csv", dtype={"session": str}, engine="python")  # which reads floats exactly
    else:
        table.to_parquet(tmp_path / "t.parquet")
        back = pd.read_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(back, table, check_exact=True)
    assert len(table) == 2 * 6 * (6 * 2 + 1)  # stimulus sets, units, fits


def test_selected_datasets__and_what_queries_return_become_tables():
    ds = simulate_results(["whisper_tiny"], sessions=4, channels=3)
    one = to_dataframe(ds.sel(network="whisper_tiny", weights="trained", layer=2, stimuli="timit"))
    assert len(one) == 12
    assert set(one["network"]) == {"whisper_tiny"}
    peaks = peak_layer(ds)
    assert len(to_dataframe(peaks)) == 2 * 12 * 3
    tests = to_dataframe(layer_tests(simulate_results(["whisper_tiny", "wav2vec2"], sessions=2, channels=3), draws=5))
    assert len(tests) == 2 * (6 + 21) * 2  # layers that are not there have no rows
    assert {"p", "p_adjusted", "family", "against", "effect", "low", "high", "n"} <= set(tests)
    areas = to_dataframe(compare_areas(peaks, draws=5).sel(weights="trained", stimuli="timit", bin_width=50.0))
    assert len(areas) == 1
    assert areas["n_a"].item() == 6
    with pytest.raises(DataError, match="no variable"):
        to_dataframe(ds[[]])


def test_one_variable__is_a_table_of_it():
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=2)
    pd.testing.assert_frame_equal(to_dataframe(ds.r), to_dataframe(ds[["r"]]))
    assert "value" in to_dataframe(ds.r.rename(None))
    with pytest.raises(DataError, match="expected results as xarray has them, found ndarray"):
        to_dataframe(ds.r.values)

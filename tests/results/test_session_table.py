"""One session as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from distributed_trf import open_results, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.tables import session_table
from tests.small_results import small_results


def test_session_table__has_the_best_fit_of_each_unit():
    table = session_table(small_results(), "s1", by="r")
    assert table.columns.tolist() == [
        *("stimuli", "bin_width", "unit", "silent_repeats", "normaliser", "null_mean", "null_std", "tuned_p"),
        *("ceiling_signal_power", "ceiling_ccmax", "ceiling_split_half"),
        *("network", "weights", "layer", "by", "r", "rho"),
    ]
    first, second, third, fourth = table.to_dict("records")
    assert (first["bin_width"], first["unit"], first["network"], first["layer"]) == (20.0, "1", "net", 2)
    assert (third["bin_width"], third["unit"], third["network"], third["weights"]) == (50.0, "1", "net", "trained")
    assert (third["layer"], third["r"], third["rho"]) == (2, 0.6, pytest.approx(0.6 / 0.5))
    assert (third["silent_repeats"], third["normaliser"], third["tuned_p"]) == (0.5, 0.25, 0.001)
    assert (fourth["network"], fourth["weights"], fourth["layer"], fourth["r"]) == ("mel", "fixed", 0, 0.2)
    assert np.isnan(fourth["rho"])  # its normaliser is below zero
    assert second["r"] == 0.6
    with pytest.raises(DataError, match="no fit in these results has a cv_score"):
        session_table(small_results(), "s1")


def test_session_table__leaves_empty_what_was_not_fitted():
    ds = small_results()
    table = session_table(ds.assign(r=ds.r * np.nan, rho=ds.rho * np.nan), "s2")
    assert table["bin_width"].tolist() == [50.0]  # where reliability was measured
    (row,) = table.to_dict("records")
    assert row["normaliser"] == 1.0
    assert row["network"] is None
    assert pd.isna(row["layer"])
    assert np.isnan(row["r"])


def test_session_table__of_a_selection_and_of_nothing():
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=3)
    session = str(ds.session.values[0])
    table = session_table(ds.sel(stimuli="mvocs", bin_width=50.0), session)
    assert table["stimuli"].tolist() == ["mvocs"] * 3
    fits = ds[["r", "cv_score"]].sel(stimuli="mvocs", bin_width=50.0).isel(unit=slice(3))
    fits = fits.stack(fit=["network", "weights", "layer"], create_index=False).fillna(-np.inf)
    np.testing.assert_array_equal(table["r"], fits.r.isel(fit=fits.cv_score.argmax("fit")))
    assert "ceiling_ccmax" not in table  # which simulated results do not have
    nothing = session_table(ds.assign({name: ds[name] * np.nan for name in ds.data_vars}), session)
    assert nothing.empty
    assert nothing.columns.tolist() == table.columns.tolist()


def test_session_table__of_a_session_that_is_not_there():
    with pytest.raises(DataError, match="session: 's9' is not in these results; there are s1, s2"):
        session_table(small_results(), "s9")


def test_session_table__of_a_study(saved_study):
    ds = open_results(saved_study)
    session = str(ds.session.values[-1])
    table = session_table(ds, session)
    of = ds.isel(unit=np.flatnonzero(ds.session == session)).sel(stimuli="timit", bin_width=50.0).load()
    assert table["unit"].tolist() == of.channel.values.tolist()
    for name in ("silent_repeats", "normaliser", "tuned_p", "ceiling_ccmax"):
        np.testing.assert_array_equal(table[name], of[name])
    assert set(table["network"]) <= {"mel_librosa", "mel_whisper"}
    assert set(table["by"]) == {"cv_score"}
    best = of.cv_score.where(of.r.notnull()).stack(fit=("network", "weights", "layer")).idxmax("fit")
    chosen = [
        of.r.isel(unit=k).sel(dict(zip(("network", "weights", "layer"), fit, strict=True)))
        for k, fit in enumerate(best.values)
    ]
    np.testing.assert_array_equal(table["r"], chosen)
    highest = session_table(ds, session, by="r")
    np.testing.assert_array_equal(highest["r"], of.r.max(["network", "weights", "layer"]))

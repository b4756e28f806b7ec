"""Medians with intervals over sessions."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.results.statistics.compare import draw_sessions, median_intervals
from tests.small_results import small_results


def test_median_intervals__are_percentiles_over_drawn_sessions():
    ds = small_results()
    found = median_intervals(ds, "r", draws=400, seed=3)
    place = {"stimuli": "timit", "network": "net", "weights": "trained", "layer": 0, "bin_width": 50.0}
    values = {"s1": [0.3, 0.1], "s2": [0.2]}
    drawn = [
        np.median(np.repeat(values["s1"], first).tolist() + values["s2"] * int(second))
        for first, second in draw_sessions(2, 400, 3)
    ]
    of = found.sel(place)
    assert float(of["median"]) == pytest.approx(0.2)
    np.testing.assert_allclose([of.low, of.high], np.quantile(drawn, [0.025, 0.975]))
    assert int(of.n) == 3


def test_median_intervals__leave_units_without_a_number_out_and_are_nan_where_nothing_was_fitted():
    found = median_intervals(small_results(), "r")
    of = found.sel(stimuli="timit", network="net", layer=2, bin_width=50.0)
    assert (float(of["median"].sel(weights="trained")), int(of.n.sel(weights="trained"))) == (pytest.approx(0.4), 2)
    for name in ("median", "low", "high"):
        assert np.isnan(of[name].sel(weights="reset"))
    assert int(of.n.sel(weights="reset")) == 0
    assert "x" not in found.coords

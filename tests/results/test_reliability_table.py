from __future__ import annotations

import numpy as np

from distributed_trf.results.tables import reliability_table
from tests.small_results import small_results


def test_reliability_table__counts_by_hand():
    ds = small_results()
    at = {"stimuli": "timit", "bin_width": 50.0}
    ds["null_mean"].loc[at] = [0.0, 0.0, 0.9]
    ds["null_std"].loc[at] = [0.2, 0.2, 0.3]
    ds["tuned_p_published"].loc[at] = [0.001, 0.03, np.nan]
    (row,) = reliability_table(ds).to_dict("records")  # 20 ms has no unit
    assert row == {
        "stimuli": "timit",
        "bin_width": 50.0,
        "n": 3,
        "silent_repeats": 0.25,
        "normaliser": 0.25,
        "tuned": 2,  # 0.001, 0.4, 0.02
        "tuned_holm": 2,  # 0.003, 0.4, 0.04
        "tuned_bh": 2,  # 0.003, 0.4, 0.03
        "tuned_published": 2,  # 0.002, 0.03
        "highly_tuned": 1,  # 0.25 > 0.1, 1.0 < 1.05
    }
    assert reliability_table(ds, alpha=0.01).to_dict("records")[0]["tuned"] == 1
    assert reliability_table(ds, delta=0.1).to_dict("records")[0]["highly_tuned"] == 2
    ds["normaliser"].loc[at] = [np.nan, -0.01, 1.0]
    assert reliability_table(ds).to_dict("records")[0]["silent_repeats"] == 0.125  # of the units that were measured


def test_reliability_table__is_empty_without_reliability():
    assert reliability_table(small_results().drop_sel(bin_width=50.0)).empty

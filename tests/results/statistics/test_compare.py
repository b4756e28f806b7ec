"""Paired comparisons equal those of scipy, and one done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from distributed_trf import compare, simulate_results
from distributed_trf.errors import DataError

HAND = {"a": [0.9, 0.5, 0.3, 0.8, 0.2, 0.7], "b": [0.4, 0.6, 0.1, 0.5, 0.2, np.nan]}
"""Differences 0.5, -0.1, 0.2, 0.3, 0 and none: ranks of sizes 4, 1, 2, 3, so W+ = 9 of 10."""


def by_hand():
    coords = {"session": ("unit", list("xxxyyy")), "channel": ("unit", list("123123"))}
    return (xr.Dataset({"rho": ("unit", HAND[name])}, coords) for name in "ab")


def test_compare__a_case_done_by_hand():
    found = compare(*by_hand())
    assert (found.n, found.n_sessions, found.statistic) == (5, 2, 9)
    # Of the 16 signs of four ranks, those of sums 9 and 10 are as great or greater: two.
    np.testing.assert_allclose([found.p, found.effect], [2 / 16, 0.8])
    np.testing.assert_allclose([found.median_a, found.median_b, found.median_difference], [0.5, 0.4, 0.2])
    # Draws of two sessions: x twice (median 0.2 of 0.5, -0.1, 0.2), y twice (0.15 of 0.3, 0), or both (0.2).
    np.testing.assert_allclose([found.low, found.high], [0.15, 0.2])
    assert compare(*reversed(list(by_hand())), alternative="less").p == found.p


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("channels", [3, 12])  # 18 and 72 units: exact and approximate p
def test_compare__is_scipys_wilcoxon_in_every_cell(alternative, channels):
    ds = simulate_results(["whisper_tiny"], sessions=6, channels=channels, better={"whisper_tiny": [2]})
    ds["rho"][..., 1] = np.nan
    found = compare(ds.sel(weights="trained"), ds.sel(weights="reset"), alternative=alternative)
    for layer in range(6):
        place = {"stimuli": "mvocs", "network": "whisper_tiny", "layer": layer, "bin_width": 50.0}
        a, b = (ds.rho.sel({**place, "weights": w}).dropna("unit").values for w in ("trained", "reset"))
        expected = scipy.stats.wilcoxon(a, b, alternative=alternative)
        cell = found.sel(place)
        np.testing.assert_allclose(cell.p, expected.pvalue, rtol=1e-12)
        upper = scipy.stats.wilcoxon(a, b, alternative="greater").statistic
        np.testing.assert_allclose(cell.statistic, upper, rtol=1e-12)
        np.testing.assert_allclose(cell.effect, 4 * upper / (a.size * (a.size + 1)) - 1, rtol=1e-12)
        assert (cell.n, cell.n_sessions) == (6 * channels - 1, 6)
        assert cell.low <= cell.median_difference <= cell.high
    assert found.attrs["alternative"] == alternative
    assert found.sel(network="whisper_tiny", layer=2).layer_type == "transformer"


def test_compare__pairs_by_label_and_not_by_row():
    ds = simulate_results(["whisper_tiny"], sessions=5, channels=6, better={"whisper_tiny": [1]})
    a, b = ds.sel(weights="trained"), ds.sel(weights="reset")
    order = np.random.default_rng(1).permutation(30)
    xr.testing.assert_allclose(compare(a, b), compare(a, b.isel(unit=order)))
    fewer = compare(a, b.isel(unit=order[:20]))
    assert (fewer.n.sel(network="whisper_tiny", layer=0) == 20).all()


def test_compare__with_one_fit_of_many_layers_and_with_labels_in_another_order():
    ds = simulate_results(["whisper_tiny", "deepspeech2"], sessions=5, channels=6)
    trained = ds.sel(weights="trained", network=["whisper_tiny", "deepspeech2"])
    mel = ds.sel(network="cochleagram", weights="fixed", layer=0)
    found = compare(trained, mel)
    assert found.p.dims == ("stimuli", "network", "layer", "bin_width")
    one = compare(trained.sel(network="deepspeech2", layer=4, stimuli="timit"), mel.sel(stimuli="timit"))
    np.testing.assert_array_equal(one.p, found.p.sel(network="deepspeech2", layer=4, stimuli="timit"))
    turned = ds.isel(stimuli=[1, 0], layer=slice(None, None, -1)).sel(weights="reset")
    xr.testing.assert_equal(compare(trained, turned), compare(trained, ds.sel(weights="reset")))


def test_compare__without_a_difference_or_without_numbers():
    a, b = by_hand()
    same = compare(a, a)
    assert (same.p, same.effect, same.median_difference, same.n) == (1, 0, 0, 6)
    none = compare(a, b * np.nan)
    assert np.isnan([none.n, none.p, none.effect, none.low, none.median_a]).all()
    with pytest.raises(DataError, match="no unit is in both"):
        compare(a, b.assign_coords(session=("unit", list("uuuvvv"))))

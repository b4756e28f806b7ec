"""Paired comparisons equal those of scipy, and one done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import compare, simulate_results
from distributed_trf.errors import DataError
from tests.results.statistics import slow_groups

HAND = {"a": [0.9, 0.5, 0.3, 0.8, 0.2, 0.7], "b": [0.4, 0.6, 0.1, 0.5, 0.2, np.nan]}
"""Differences 0.5, -0.1, 0.2, 0.3, 0 and none: ranks of sizes 4, 1, 2, 3, so W+ = 9 of 10."""


def by_hand():
    coords = {"session": ("unit", list("xxxyyy")), "channel": ("unit", list("123123"))}
    return (xr.Dataset({"rho": ("unit", HAND[name])}, coords) for name in "ab")


def test_compare__of_units_by_hand():
    found = compare(*by_hand(), level="unit")
    assert (found.n, found.n_sessions, found.statistic) == (5, 2, 9)
    # Of the 16 signs of four ranks, those of sums 9 and 10 are as great or greater: two.
    np.testing.assert_allclose([found.p, found.effect], [2 / 16, 0.8])
    np.testing.assert_allclose([found.median_a, found.median_b, found.median_difference], [0.5, 0.4, 0.2])
    # The mean of five differences, and by leaving out one at a time its error; t with four degrees of freedom.
    differences = np.array([0.5, -0.1, 0.2, 0.3, 0])
    half = 2.7764451 * differences.std(ddof=1) / np.sqrt(4)
    np.testing.assert_allclose([found.difference, found.high], [0.18, 0.18 + half], rtol=1e-7)
    assert found.smallest_p == 1 / 32
    assert compare(*reversed(list(by_hand())), alternative="less", level="unit").p == found.p


def test_compare__of_sessions_by_hand():
    found = compare(*by_hand())
    # Means 0.2 and 0.15 of three and two units; of the four patterns of signs, one sum is as great.
    assert (found.p, found.smallest_p, found.n, found.n_sessions) == (1 / 4, 1 / 4, 5, 2)
    # Within: (0.18 + 0.045) / 3; about zero, 0.04 - 0.025 and 0.0225 - 0.0375 cancel, so units are independent.
    np.testing.assert_allclose(found.statistic, 3 * 0.2 + 2 * 0.15)
    np.testing.assert_allclose([found.difference, found.icc], [0.18, 0], atol=1e-15)
    assert np.isnan([found.low, found.high, found.n_subjects]).all()
    assert found.attrs["note"] == "no interval: it takes 4 sessions"
    assert (found.attrs["draws"], found.attrs["level"]) == ("exact", "session")
    assert compare(*by_hand(), alternative="two-sided").p == 1 / 2
    assert compare(*by_hand(), alternative="less").p == 1
    assert compare(*reversed(list(by_hand())), alternative="less").p == 1 / 4
    np.testing.assert_allclose(compare(*by_hand(), summary="median").difference, (3 * 0.2 + 2 * 0.15) / 5)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("channels", [3, 12])  # 18 and 72 units: exact and approximate p
def test_compare__of_units_is_scipys_wilcoxon_in_every_cell(alternative, channels):
    ds = simulate_results(["whisper_tiny"], sessions=6, channels=channels, better={"whisper_tiny": [2]})
    ds["rho"][..., 1] = np.nan
    found = compare(ds.sel(weights="trained"), ds.sel(weights="reset"), alternative=alternative, level="unit")
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
        d = a - b
        half = scipy.stats.t.ppf(0.975, d.size - 1) * d.std(ddof=1) / np.sqrt(d.size - 1)
        np.testing.assert_allclose([cell.low, cell.high], [d.mean() - half, d.mean() + half], rtol=1e-9)
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


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("level", ["session", "subject"])
def test_compare__of_groups_is_all_signs_written_out_in_every_cell(alternative, level):
    ds = simulate_results(["whisper_tiny"], sessions=9, channels=5, better={"whisper_tiny": [2]})
    ds["rho"][..., 1] = np.nan
    ds["rho"].loc[{"layer": 3, "weights": "reset"}][..., 20:] = np.nan
    found = compare(ds.sel(weights="trained"), ds.sel(weights="reset"), level=level, alternative=alternative)
    group = np.unique(ds[level].values, return_inverse=True)[1]
    for layer in range(6):
        place = {"stimuli": "mvocs", "network": "whisper_tiny", "layer": layer, "bin_width": 50.0}
        d = (ds.rho.sel({**place, "weights": "trained"}) - ds.rho.sel({**place, "weights": "reset"})).values
        groups, cell = slow_groups.by_group(d, group), found.sel(place)
        expected = slow_groups.sign_flip(groups, alternative)
        np.testing.assert_allclose([cell.p, cell.statistic], expected, rtol=1e-9)
        icc = slow_groups.anova_icc(groups)
        m, w = np.array([g.mean() for g in groups]), slow_groups.weights([g.size for g in groups], icc)
        np.testing.assert_allclose([cell.icc, cell.difference], [icc, (w * m).sum() / w.sum()], atol=1e-9)
        ends = slow_groups.interval(m, w) if len(groups) >= 4 else (np.nan, np.nan)
        np.testing.assert_allclose([cell.low, cell.high], ends, atol=1e-9)
        assert (cell.n, cell[f"n_{level}s"]) == (np.count_nonzero(~np.isnan(d)), len(groups))


@pytest.mark.parametrize("level", ["session", "subject", "unit"])
def test_compare__of_nothing_or_of_one_is_nan_and_says_why(level):
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=3)
    a, b = ds.sel(weights="trained"), ds.sel(weights="reset")
    nobody = compare(a.isel(unit=[]), b.isel(unit=[]), level=level)
    assert nobody.attrs["note"] == "nothing is compared: there are no units"
    assert np.isnan(nobody.to_array()).all()
    one = compare(a.isel(unit=[0]), b, level=level).sel(network="whisper_tiny", stimuli="timit").isel(layer=0)
    assert one.p in (0.5, 1)
    assert np.isnan([one.low, one.high, one.icc]).all()
    assert (one.smallest_p, one.n, one.n_sessions) == (0.5, 1, 1)
    assert one.attrs["note"] == (
        f"left out: 0 units of the first and 5 of the second, in one alone; no interval: it takes 4 {level}s"
    )


def test_layer_without_numbers__is_not_compared_and_said():
    ds = simulate_results(["whisper_tiny"], sessions=5, channels=3)
    a, b = ds.sel(weights="trained"), ds.sel(weights="reset")
    b["rho"] = b.rho.where(b.layer != 2)
    found = compare(a, b)
    assert found.attrs["note"] == "2 of 12 are not compared: no unit has a number in both"
    assert found.p.isel(layer=2).isnull().all()
    mel = ds.sel(network="cochleagram", weights="fixed", layer=0)
    assert compare(a, mel).attrs["note"] == ""  # networks have as many layers as they have


def test_compare__without_a_difference_or_without_numbers():
    a, b = by_hand()
    same = compare(a, a)
    assert (same.p, same.effect, same.median_difference, same.n) == (1, 0, 0, 6)
    none = compare(a, b * np.nan)
    assert np.isnan([none.n, none.p, none.effect, none.low, none.median_a]).all()
    with pytest.raises(DataError, match="no unit is in both"):
        compare(a, b.assign_coords(session=("unit", list("uuuvvv"))))


def two_layers(n=70):
    """Two layers of units in nine sessions, of which the first lacks some, rounded so that there are ties."""
    rng = np.random.default_rng(4)
    session = np.sort(rng.integers(0, 9, n)).astype(str)
    coords = {"session": ("unit", session), "channel": ("unit", np.arange(n).astype(str))}
    b = rng.normal(0.4, 0.1, (2, n)).round(3)
    a = (b + rng.normal([[0.0], [0.02]], 0.05, (2, n))).round(3)
    a[0, :40] = np.nan
    return [xr.Dataset({"rho": (("layer", "unit"), v)}, coords) for v in (a, b)]


@pytest.mark.parametrize(
    ("alternative", "p"),
    [
        ("greater", [0.12195799760604964, 3.177882040394568e-06]),
        ("two-sided", [0.24391599521209928, 6.355764080789136e-06]),
    ],
)
def test_level_unit__is_the_published_test_to_the_last_digit(alternative, p):
    found = compare(*two_layers(), level="unit", alternative=alternative)
    np.testing.assert_allclose(found.p, p, rtol=1e-12)
    np.testing.assert_allclose(found.statistic, [237.5, 1962.5], rtol=1e-12)
    np.testing.assert_allclose(found.effect, [0.2566137566137566, 0.6252587991718427], rtol=1e-12)
    np.testing.assert_allclose(found.median_difference, [0.0055, 0.0285], rtol=1e-12)
    assert (found.n.values.tolist(), found.n_sessions.values.tolist()) == ([30, 70], [4, 9])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["session", "subject", "unit"]), st.sampled_from(["mean", "median"]))
def test_any_units__give_numbers_that_are_possible_or_nan_and_why(seed, level, summary):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 20)
    session = rng.integers(0, rng.integers(1, 9), n)
    subject = np.array(["A", "B", "C", "unknown"])[session % rng.integers(1, 5)]
    coords = {"session": ("unit", session), "subject": ("unit", subject), "channel": ("unit", np.arange(n))}
    scale = rng.choice([0.0, 0.1, 1e9])
    a, b = (xr.Dataset({"rho": (("layer", "unit"), rng.integers(-1, 2, (3, n)) * scale)}, coords) for _ in "ab")
    a["rho"] = a.rho.where(rng.random((3, n)) < rng.choice([0.0, 0.5, 1.0]))
    found = compare(a, b, alternative="two-sided", level=level, summary=summary, draws=40)
    flipped = compare(b, a, alternative="two-sided", level=level, summary=summary, draws=40)
    np.testing.assert_allclose(flipped.difference, -found.difference, atol=1e-9 * (1 + scale))
    np.testing.assert_allclose(flipped.p, found.p, atol=1e-12)
    for layer in range(3):
        cell = {name: float(of.isel(layer=layer)) for name, of in found.items()}
        if np.isnan(cell["p"]):
            assert found.attrs["note"]
            continue
        assert cell["smallest_p"] - 1e-12 <= cell["p"] <= 1 or level == "unit"
        assert not cell["low"] > cell["difference"]
        assert not cell["high"] < cell["difference"]
        assert -1 <= cell["effect"] <= 1
        assert cell["n"] >= cell["n_sessions"] > 0

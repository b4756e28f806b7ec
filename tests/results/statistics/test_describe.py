"""Sentences on tests, against sentences written by hand and the rules of the APA."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from distributed_trf import compare, compare_areas, describe, peak_layer, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.statistics.apa import below_one, decimals, interval_in_words, p_in_words

ATTRS = {
    "test": "sign flips of session means",
    "level": "session",
    "alternative": "greater",
    "variable": "rho",
    "summary": "mean",
    "interval": "95 %, leaving out one session at a time",
    "draws": "exact",
    "note": "",
}
ONE = {
    "p": 1 / 64,
    "smallest_p": 1 / 64,
    "statistic": 12.345,
    "difference": 0.0312,
    "low": 0.0121,
    "high": 0.05,
    "effect": 0.621,
    "median_difference": 0.029,
    "n": 477,
    "n_sessions": 6,
    "n_subjects": 2,
}
HOW = (
    "Test: sign flips of session means, one-sided, exact; intervals: 95 %, leaving out one session at a time; "
    "r: matched-pairs rank-biserial correlation over units."
)


def paired(coords=None, attrs=None, **numbers):
    """What ``compare`` gives of one cell."""
    return xr.Dataset({**ONE, **numbers}, coords, ATTRS | (attrs or {}))


def of_layers(attrs=None, **numbers):
    """What ``layer_tests`` gives of one network."""
    along = {name: np.resize(np.asarray(value, dtype=float), 4) for name, value in {**ONE, **numbers}.items()}
    tests = xr.Dataset(
        {name: ("layer", values) for name, values in along.items()},
        {"layer": [0, 1, 2, 3], "network": "wav2vec2", "stimuli": "timit", "bin_width": 50.0, "against": "untrained"},
        ATTRS | {"alpha": 0.01, "correction": "bh", "untrained": "reset", "baseline": "mel"} | (attrs or {}),
    )
    tests["p_adjusted"] = tests.p * 2 if "p_adjusted" not in numbers else tests.p_adjusted
    tests["significant"] = tests.p_adjusted < tests.attrs["alpha"]
    return tests.assign(family=8)


def test_describe__of_one_pair_is_a_sentence_with_all_that_a_paper_needs():
    assert describe(paired(), a="trained weights", b="reset weights").split("\n") == [
        "The mean difference in rho (trained weights minus reset weights) was 0.031, 95% CI [0.012, 0.050], "
        "T = 12.35, p = .016 (the smallest that 6 sessions allow), r = .62 (477 units in 6 sessions).",
        HOW,
    ]


def test_describe__names_network_layer_stimuli_and_bins_where_they_are_known():
    at = {"network": "whisper_tiny", "layer": 2, "stimuli": "timit", "bin_width": 50.0, "weights": "trained"}
    assert describe(paired(at, p=0.2)).startswith(
        "For layer 2 of whisper_tiny (timit, 50 ms bins), the mean difference in rho (a minus b) was 0.031,"
    )
    assert describe(paired({"network": "mine"}, p=0.2)).startswith("For mine, the mean difference")
    assert describe(paired({"stimuli": "timit"}, p=0.2)).startswith("For timit, the mean difference")


def test_describe__has_a_sentence_for_each_cell_and_skips_those_without_units():
    cells = [paired(p=p, n=n) for p, n in ((0.2, 10), (0.5, 0), (0.0002, 1718))]
    tests = xr.concat(cells, xr.DataArray([0, 1, 2], dims="layer", name="layer"))
    first, last, how = describe(tests).split("\n")
    assert first.startswith("For layer 0, ")
    assert "p = .200, r" in first
    assert last.startswith("For layer 2, ")
    assert "p < .001, r = .62 (1,718 units in 6 sessions)." in last
    assert how == HOW


def test_describe__of_subjects_counts_them():
    text = describe(paired(attrs={"level": "subject"}, smallest_p=0.25, p=0.25))
    assert "no confidence interval" not in text
    assert "p = .250 (the smallest that 2 subjects allow)" in text
    assert "(477 units in 2 subjects)" in text


def test_describe__of_units_has_the_published_test():
    text = describe(paired(attrs={"level": "unit", "test": "Wilcoxon signed-rank", "draws": "none"}, statistic=56789.5))
    assert text.split("\n") == [
        "The mean difference in rho (a minus b) was 0.031, 95% CI [0.012, 0.050], W = 56,789.5, p = .016, r = .62 (477 "
        "units in 6 sessions).",
        HOW.replace("sign flips of session means", "Wilcoxon signed-rank").replace(", exact", ""),
    ]


def test_describe__of_one_session_or_medians_says_so():
    one = describe(paired(n_sessions=1, low=np.nan, high=np.nan, p=0.5, smallest_p=0.5))
    assert "no confidence interval for 1 session, T = 12.35, p = .500 (the smallest that 1 session allows), r" in one
    text = describe(paired(attrs={"summary": "median"}))
    assert text.startswith("The mean over sessions of the median difference in rho (a minus b) was 0.031,")
    assert describe(paired(attrs={"summary": "median", "level": "unit"})).startswith("The mean difference in rho")


def test_describe__says_why_there_is_no_interval_or_no_test():
    few = {"n_sessions": 3, "low": np.nan, "high": np.nan, "smallest_p": 0.125, "p": 0.25}
    text = describe(paired(attrs={"note": "fewer than four sessions: no interval"}, **few))
    assert (
        "was 0.031, no confidence interval for 3 sessions, T = 12.35, p = .250 (none below .125 is possible with"
        in text
    )
    assert text.endswith("\nFewer than four sessions: no interval.")
    lone = {"n_sessions": 1, "low": np.nan, "high": np.nan, "p": np.nan, "smallest_p": np.nan}
    assert "was 0.031, no confidence interval for 1 session, not tested (477 units in 1 session)." in describe(
        paired(**lone)
    )
    assert describe(paired(n=0)).startswith("No test could be made: no unit has the numbers that it takes.\n")


def test_describe__of_layers_counts_those_that_are_better():
    tests = of_layers(p=[0.0001, 0.004, 0.3, 0.0002], difference=[0.02, 0.055, -0.01, 0.03], smallest_p=2.0**-12)
    assert describe(tests).split("\n")[:2] == [
        "Of the 4 layers of wav2vec2 (timit, 50 ms bins), 3 had significantly higher rho with trained weights than "
        "with reset weights at adjusted p < .01: layers 0, 1, and 3, mean difference between 0.020 and 0.055, largest "
        "adjusted p = .008, r = .62 (477 units in 6 sessions).",
        HOW.replace("exact;", "exact, p adjusted by Benjamini-Hochberg over the 8 tests of a network;"),
    ]


def test_describe__of_layers_none_of_which_is_better():
    text = describe(of_layers(p=[0.1, 0.2, 0.3, 0.4], smallest_p=2.0**-12, attrs={"left_out": "no spectrogram"}))
    assert text.startswith(
        "None of the 4 layers of wav2vec2 (timit, 50 ms bins) had significantly higher rho with trained weights than "
        "with reset weights at adjusted p < .01; the smallest was adjusted p = .200 (477 units in 6 sessions).\n"
    )
    assert text.endswith("\nNo spectrogram.")


def test_describe__of_layers_that_none_could_be_shown_of_does_not_call_them_equal():
    assert describe(of_layers()).startswith(
        "None of the 4 layers of wav2vec2 (timit, 50 ms bins) could be shown to have higher rho with trained weights "
        "than with reset weights at adjusted p < .01, as no p below .016 is possible (477 units in 6 sessions).\n"
    )


def test_describe__of_one_layer_against_a_spectrogram_has_the_adjusted_p():
    one = of_layers(p=0.02, smallest_p=2.0**-12).isel(layer=2).assign_coords(against="spectrogram")
    assert describe(one).startswith(
        "For layer 2 of wav2vec2 (timit, 50 ms bins), the mean difference in rho (trained weights minus the mel) was "
        "0.031, 95% CI [0.012, 0.050], T = 12.35, p = .020, adjusted p = .040, r = .62 (477 units in 6 sessions).\n"
    )


def test_describe__of_areas_has_the_sizes_of_both():
    sizes = {
        "n_a": 754,
        "n_b": 681,
        "n_units_a": 377,
        "n_units_b": 341,
        "n_sessions_a": 20,
        "n_sessions_b": 1,
        "n_subjects_a": 3,
        "n_subjects_b": 2,
    }
    numbers = {name: ONE[name] for name in ("p", "smallest_p", "statistic", "difference", "low", "high", "effect")}
    attrs = {"area_a": "core", "area_b": "belt", "pooled": "network", "variable": "position", "alternative": "less"}
    attrs |= {"test": "relabelling of sessions", "draws": 20000}
    tests = xr.Dataset({**numbers, **sizes, "difference": 0.12, "p": 0.003}, {"stimuli": "timit"}, ATTRS | attrs)
    assert describe(tests).split("\n") == [
        "For timit, the mean difference in position (belt minus core) was 0.120, 95% CI [0.012, 0.050], t = 12.35, "
        "p = .003, r = .62 (377 units in 20 sessions of core, 341 units in 1 session of belt).",
        "Test: relabelling of sessions, one-sided, 20,000 draws, pooled over network; intervals: 95 %, leaving out one "
        "session at a time; r: rank-biserial correlation over units.",
    ]


def of_cutoffs(p, smallest_p):
    """What ``cutoff_tests`` gives of one fit with four cut-offs, the second the best."""
    along = {name: np.full(4, float(value)) for name, value in ONE.items()} | {
        "p": np.array(p),
        "median": np.full(4, 0.5),
    }
    tests = xr.Dataset(
        {name: ("lowpass_bin", values) for name, values in along.items()},
        {"lowpass_bin": [20, 40, 100, 400], "network": "deepspeech2"},
        ATTRS | {"alternative": "two-sided", "alpha": 0.01, "by": "cv_score"},
    )
    tests = tests.assign(smallest_p=tests.p * 0 + smallest_p, is_best=tests.lowpass_bin == 40)
    tests["as_good"] = (tests.p > 0.01) & ~tests.is_best
    return tests.assign_coords(cutoff=500 / tests.lowpass_bin)


def test_describe__of_cutoffs_tells_those_that_differ_from_the_best():
    assert describe(of_cutoffs([0.3, np.nan, 0.004, 0.0001], 2.0**-11)).startswith(
        "For deepspeech2, the best of 4 cut-offs by median cv_score was 12.5 Hz, with a median rho of 0.500; 25 Hz did "
        "not differ significantly from it at p < .01 (p = .300); 5 and 1.25 Hz did (largest p = .004) (477 units in 6 "
        "sessions).\n"
    )


def test_describe__of_cutoffs_that_so_few_sessions_cannot_tell_apart():
    assert describe(of_cutoffs([0.03125, np.nan, 0.03125, 0.03125], 2 / 64)).startswith(
        "For deepspeech2, the best of 4 cut-offs by median cv_score was 12.5 Hz, with a median rho of 0.500; none of "
        "the others could be told from it, as no p below .031 is possible (477 units in 6 sessions).\n"
    )


def test_describe__of_something_else_is_an_error():
    with pytest.raises(DataError, match="'p' is not in this dataset; take one that compare, layer_tests"):
        describe(paired().drop_vars("p"))
    with pytest.raises(DataError, match="'level' is not in this dataset"):
        describe(paired().drop_attrs())


@pytest.mark.parametrize("seed", range(40))
def test_describe__keeps_the_rules_of_the_apa_whatever_the_numbers(seed):
    rng = np.random.default_rng(seed)
    numbers = {
        "p": float(rng.choice([0.0, 1e-7, 0.000999, 0.001, 0.0495, 0.9996, 1.0, rng.uniform()])),
        "effect": float(rng.choice([-1.0, -0.004, 0.0, 0.996, 1.0, rng.uniform(-1, 1)])),
        "difference": float(rng.normal(0, 0.1) * rng.choice([0.001, 1, 20])),
        "statistic": float(rng.normal(0, 100)),
        "n": int(rng.integers(1, 5000)),
    }
    text = describe(paired(**numbers)).split("\n")[0]
    assert not re.search(r"p [=<>] 0", text)  # no zero before the point of what cannot exceed 1
    assert not re.search(r"p = (\.000|1)", text)
    assert re.search(r"\bp (= \.\d{3}|< \.001|> \.999)\b", text)
    assert re.search(r"\br = (-?\.\d\d|-?1\.00)\b", text)
    assert re.search(r"was -?\d+\.\d{3}, 95% CI \[-?\d+\.\d{3}, -?\d+\.\d{3}\],", text)  # and one before others'
    assert not re.search(r"(?<![ \d\[(.-])[=<>]|[=<>](?! )", text)  # operators stand between spaces
    assert not re.search(r"-0?\.0+\b", text)  # nothing is minus zero
    assert not re.search(r"\d{4}(?!\d* ?(=|\]))", re.sub(r"\d+\.\d+", "", text))  # thousands have a comma


@pytest.mark.parametrize("p", [0.0, 0.0009999, 0.001, 0.00149, 0.5, 0.9995, 0.9996, 1.0])
def test_p_in_words__is_never_zero_or_one(p):
    text = p_in_words(p)
    assert re.fullmatch(r"p (= \.\d{3}|< \.001|> \.999)", text)
    if text.startswith("p ="):
        assert abs(float(text.removeprefix("p = ")) - p) <= 0.0005 + 1e-12


def test_numbers__have_no_minus_before_zero():
    assert (below_one(-0.001), decimals(-0.0004)) == (".00", "0.000")
    assert interval_in_words(-np.inf, np.inf) == "95% CI [-∞, ∞]"


def test_weights__are_named_where_each_kind_was_tested():
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=8, channels=4)
    of_areas = [line for line in describe(compare_areas(peak_layer(ds))).split("\n") if line.startswith("For")]
    assert [line.split(" (")[0] for line in of_areas] == ["For trained weights", "For reset weights"]
    pairs = describe(compare(ds.sel(layer=1, network="whisper_tiny"), ds.sel(layer=0, network="whisper_tiny")))
    assert "For layer 1 of whisper_tiny trained weights (" in pairs
    assert "For layer 1 of whisper_tiny reset weights (" in pairs
    of_two = describe(
        compare(*(ds.sel(weights=kind, layer=0, network="whisper_tiny") for kind in ("trained", "reset")))
    )
    assert "For layer 0 of whisper_tiny (timit" in of_two


def test_areas_that_no_group_separates__have_no_difference_instead_of_nan():
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=12, channels=4)
    first = ds.session.values[ds.area.values == "core"][0]
    few = select_units(ds, session=[first, *np.unique(ds.session.values[ds.area.values != "core"])])
    text = describe(compare_areas(peak_layer(few), level="subject"))
    assert "was not known, no confidence interval for 1 subject, not tested" in text
    assert "nan" not in text

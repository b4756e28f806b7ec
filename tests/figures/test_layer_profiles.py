"""Figs 3, S4, S7 and S8 show the medians, tests and intervals that the results give."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from distributed_trf import layer_profile, layer_tests, select_units, simulate_results
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.layer_profiles import figure_3, figure_s4, figure_s7
from distributed_trf.figures.printed_page import INCHES
from distributed_trf.figures.style import NETWORK_STYLE, notes_of
from distributed_trf.results.statistics.intervals import median_intervals
from tests.figures.drawn import (
    architecture,
    band,
    exceptions,
    headings,
    intervals,
    labels,
    legend_texts,
    line,
    stars,
    titled,
)

SETS = ("timit", "mvocs")
BETTER = {"whisper_tiny": [1, 2], "deepspeech2": [0, 3]}


@cache
def results():
    return simulate_results(list(BETTER), sessions=18, channels=30, better=BETTER, gain=0.06, seed=1)


def tuned(ds, stimuli, delta=0.5):
    """The units that a figure shows."""
    return select_units(ds.sel(stimuli=stimuli, bin_width=50.0), delta=delta)


@pytest.fixture(scope="module")
def drawn():
    return figure_3(results())


def test_figure_3__draws_medians_and_quartiles_of_trained_and_untrained_weights(drawn):
    for k, stimuli in enumerate(SETS):
        of = layer_profile(tuned(results(), stimuli))
        for network in BETTER:
            axis = titled(drawn, network)[k]
            for weights in ("trained", "reset"):
                expected = of.sel(network=network, weights=weights).dropna("layer", subset=["median"])
                np.testing.assert_allclose(
                    line(axis, weights).get_xydata(), np.stack([expected.layer, expected["median"]], axis=1)
                )
                places, low, high = band(axis, weights)
                np.testing.assert_array_equal(places, expected.layer)
                np.testing.assert_allclose([low, high], [expected.q25, expected.q75])
            colour, marker = NETWORK_STYLE[network]
            assert (line(axis, "trained").get_color(), line(axis, "trained").get_marker()) == (colour, marker)
            assert line(axis, "reset").get_color() == "#000000"


def test_figure_3__draws_features_of_ones_own_in_their_colour():
    """They have the weights ``fixed`` alone, and no layer that could be trained."""
    ds = simulate_results(["whisper_tiny", "deepspeech2"], stimuli=["timit"], sessions=6, channels=20)
    own = ds.network == "deepspeech2"
    for name in ("r", "rho"):
        moved = ds[name].where(ds.weights == "fixed", np.nan)
        moved.loc[{"weights": "fixed"}] = ds[name].sel(weights="trained")
        ds[name] = ds[name].where(~own, moved)
    figure = figure_3(ds)
    (axis,) = titled(figure, "deepspeech2")
    expected = layer_profile(tuned(ds, "timit")).sel(network="deepspeech2", weights="fixed").dropna("layer", how="all")
    np.testing.assert_allclose(line(axis, "fixed").get_ydata(), expected["median"])
    assert line(axis, "fixed").get_color() == NETWORK_STYLE["deepspeech2"][0]
    assert "fixed, in the network's colour" in legend_texts(figure)
    bars = next(a for a in figure.axes if "best layer" in a.get_title())
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["cochleagram", "whisper_tiny", "deepspeech2"]
    alone = figure_3(ds, networks=["deepspeech2"])
    assert not {"reset", "trained, in the network's colour"} & set(legend_texts(alone))


def test_figure_3__draws_the_spectrogram_as_a_dashed_line_and_the_kinds_of_layers_above(drawn):
    for k, stimuli in enumerate(SETS):
        median = float(tuned(results(), stimuli).rho.sel(network="cochleagram", weights="fixed", layer=0).median())
        axis = titled(drawn, "whisper_tiny")[k]
        np.testing.assert_allclose(line(axis, "cochleagram").get_ydata(), [median, median])
        assert line(axis, "cochleagram").get_linestyle() == "--"
        assert architecture(axis) == [("conv", -0.5, 1.5), ("transformer", 1.5, 5.5)]
        assert architecture(titled(drawn, "deepspeech2")[k]) == [("conv", -0.5, 1.5), ("rnn", 1.5, 6.5)]
    shown = legend_texts(drawn)
    assert {"cochleagram", "reset", "convolution", "recurrent", "transformer"} < set(shown)


def test_figure_3__stars_exactly_the_significant_layers(drawn):
    seen = 0
    for k, stimuli in enumerate(SETS):
        tests = layer_tests(tuned(results(), stimuli)).significant
        for network in BETTER:
            for against in ("untrained", "spectrogram"):
                of = tests.sel(network=network, against=against)
                expected = of.layer.values[of.values].tolist()
                assert stars(titled(drawn, network)[k], against) == expected
                seen += len(expected)
            assert set(stars(titled(drawn, network)[k], "untrained")) == set(BETTER[network])
    assert seen > 8


@pytest.mark.parametrize(
    ("tests", "by", "words"), [("default", "cv_score", "cross-validated R²"), ("published", "rho", "ρ")]
)
def test_figure_3__bars_are_best_layers_with_intervals_over_sessions_and_their_numbers_at_the_foot(tests, by, words):
    figure = figure_3(results(), tests=tests)
    for stimuli in SETS:
        (axis,) = titled(figure, f"{stimuli}: best layer (number at its foot) by {words}")
        units = tuned(results(), stimuli)
        scores, found = layer_profile(units, by)["median"], median_intervals(units)
        places = [("cochleagram", "fixed"), *((n, w) for n in BETTER for w in ("reset", "trained"))]
        at = [{"network": n, "weights": w} for n, w in places]
        layers = [int(scores.layer[int(scores.sel(p).argmax("layer"))]) for p in at]
        there = [found.sel({**p, "layer": k}) for p, k in zip(at, layers, strict=True)]
        np.testing.assert_allclose([bar.get_height() for bar in axis.patches], [of["median"] for of in there])
        np.testing.assert_allclose(intervals(axis), [[of.low, of.high] for of in there])
        assert [text.get_text() for text in axis.texts] == [str(k) for k in layers[1:]]
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["cochleagram", *BETTER]
        pale = [bar.get_alpha() for bar in axis.patches]
        assert pale == [None, 0.4, None, 0.4, None]
    assert [f"best layers: by {words}" in text for text in notes_of(figure)].count(True) == 1


def test_figure_3__published_has_the_stars_of_tests_over_units():
    ds = simulate_results(list(BETTER), sessions=12, channels=40, better=BETTER, within_session=0.5, seed=1)
    figure = figure_3(ds, tests="published")
    differ = []
    for k, stimuli in enumerate(SETS):
        of_units, of_sessions = (layer_tests(tuned(ds, stimuli), level=of) for of in ("unit", "session"))
        for network in BETTER:
            for against in ("untrained", "spectrogram"):
                expected, other = (
                    of.layer.values[of.significant.sel(network=network, against=against).values].tolist()
                    for of in (of_units, of_sessions)
                )
                assert stars(titled(figure, network)[k], against) == expected
                differ.append(expected != other)
    assert any(differ)  # else the test could not tell them apart
    assert any("stars: Wilcoxon" in text for text in notes_of(figure))


def test_figure_3__says_how_stars_were_tested_and_of_how_many(drawn):
    n = {stimuli: tuned(results(), stimuli).sizes["unit"] for stimuli in SETS}
    assert notes_of(drawn) == [
        "lines and bands: medians and quartiles over units",
        "bars: medians over units",
        "stars: sign flips of session means, paired by (session, channel), one-sided, 50,000 draws, p adjusted by "
        "Benjamini-Hochberg over the 12 to 14 tests of a network",
        f"timit: {n['timit']} units in 18 sessions, no p below .000020 is possible",
        "tests of a network: all its layers against untrained weights and against the spectrogram, each stimulus set "
        "alone",
        "best layers: by cross-validated R², in which test sounds have no part",
        f"mvocs: {n['mvocs']} units in 18 sessions, no p below .000020 is possible",
        "whiskers of bars: 95% intervals of these medians, over sessions",
    ]
    assert "trained > untrained (p < 0.01)" in legend_texts(drawn)


@pytest.mark.parametrize(("sessions", "least"), [(3, ".125"), (6, ".016")])
def test_figure_3__of_few_sessions_has_no_legend_of_stars_and_says_why(sessions, least):
    ds = simulate_results(
        ["whisper_tiny"],
        stimuli=["timit"],
        sessions=sessions,
        channels=40,
        better={"whisper_tiny": BETTER["whisper_tiny"]},
    )
    figure = figure_3(ds)
    n = tuned(ds, "timit").sizes["unit"]
    assert exceptions(figure)[0] == (
        f"timit: no stars, as no p below {least} is possible ({n} units in {sessions} sessions)"
    )
    assert not [text for text in legend_texts(figure) if "trained >" in text]
    assert [text for text in legend_texts(figure_3(ds, tests="published")) if "trained >" in text]
    bars = next(axis for axis in figure.axes if "best layer" in axis.get_title())
    assert len(intervals(bars)) == (0 if sessions == 3 else 3)
    assert ("no whisker of a median over 3 sessions: it takes four" in notes_of(figure)) == (sessions == 3)


def test_figure_3__without_cross_validated_scores_chooses_by_what_is_shown_and_says_so():
    ds = results().sel(stimuli=["timit"])
    figure = figure_3(ds.assign(cv_score=ds.cv_score * np.nan))
    (axis,) = titled(figure, "timit: best layer (number at its foot) by ρ")
    best = layer_profile(tuned(ds, "timit"))["median"].max("layer")
    expected = [best.sel(network=n, weights=w) for n in BETTER for w in ("reset", "trained")]
    np.testing.assert_allclose([bar.get_height() for bar in axis.patches[1:]], expected)
    said = "no cv_score in these results: the rho that is shown chose the layers, and is too high"
    assert exceptions(figure) == [said]


def test_figure_3__of_a_study_by_folds_says_that_they_hold_sounds_that_other_splits_test():
    ds = results().sel(stimuli=["timit"])
    chosen = [text for text in notes_of(figure_3(ds)) if text.startswith("best layers")]
    assert chosen == ["best layers: by cross-validated R², in which test sounds have no part"]
    by_folds = ds.assign_attrs(study=json.dumps({"test": {"folds": 5}}))
    chosen = [text for text in notes_of(figure_3(by_folds)) if text.startswith("best layers")]
    said = "best layers: by cross-validated R² of training folds, which hold sounds that other splits test"
    assert chosen == [said]


def test_figure_3__says_how_many_units_and_is_as_wide_as_a_page(drawn):
    counts = [tuned(results(), stimuli).sizes["unit"] for stimuli in SETS]
    assert headings(drawn) == [
        f"{s}, 50 ms bins: {n} highly tuned units (δ = 0.5)" for s, n in zip(SETS, counts, strict=True)
    ]
    assert drawn.get_figwidth() == INCHES["double"]
    assert exceptions(drawn) == []
    stricter = figure_3(results(), delta=1.0, stimuli="timit")
    assert headings(stricter) == [
        f"timit, 50 ms bins: {tuned(results(), 'timit', 1.0).sizes['unit']} highly tuned units (δ = 1)"
    ]


def test_figure_3__of_untrained_weights_alone_has_panels_without_stars_and_says_so():
    ds = results().sel(weights=["reset", "fixed"])
    figure = figure_3(ds)
    for axis in titled(figure, "whisper_tiny"):
        assert labels(axis) == ["reset", "cochleagram"]
    assert exceptions(figure) == [
        "no stars: these results have no network with trained weights, so no layer can be tested"
    ]
    assert "trained, in the network's colour" not in legend_texts(figure)


def test_figure_3__without_reliability_shows_all_units_by_r_and_says_so():
    ds = results().drop_vars(["rho", "normaliser", "null_mean", "null_std"])
    figure = figure_3(ds, stimuli="timit")
    expected = layer_profile(ds.sel(stimuli="timit", bin_width=50.0), "r")["median"]
    (axis,) = titled(figure, "deepspeech2")
    np.testing.assert_allclose(
        line(axis, "trained").get_ydata(), expected.sel(network="deepspeech2", weights="trained").dropna("layer")
    )
    assert axis.get_ylabel() != "r"  # named at the left only
    assert titled(figure, "whisper_tiny")[0].get_ylabel() == "r"
    assert headings(figure) == ["timit, 50 ms bins: 540 units"]
    assert exceptions(figure) == ["no reliability was measured for timit: all units are shown, by test correlation r"]


def test_figure_3__where_no_unit_is_highly_tuned_shows_all_and_says_so():
    figure = figure_3(results(), delta=100.0, stimuli="mvocs")
    assert exceptions(figure) == [
        "no unit is highly tuned to mvocs (δ = 100): all units are shown, by test correlation r"
    ]
    assert headings(figure) == ["mvocs, 50 ms bins: 540 units"]


def test_figure_3__leaves_out_a_network_that_one_stimulus_set_lacks():
    ds = results()
    there = (ds.stimuli != "mvocs") | (ds.network != "deepspeech2")
    figure = figure_3(ds.assign({name: ds[name].where(there) for name in ("r", "rho")}))
    assert len(titled(figure, "deepspeech2")) == 1
    assert len(titled(figure, "whisper_tiny")) == 2


def test_figure_3__compares_with_the_weights_and_the_spectrogram_that_are_asked_for():
    ds = simulate_results(
        ["whisper_tiny"],
        spectrograms=("cochleagram", "mel_whisper"),
        weights=("trained", "permuted"),
        stimuli=("timit",),
        sessions=9,
        channels=20,
    )
    figure = figure_3(ds, untrained="permuted", baseline="mel_whisper")
    assert labels(titled(figure, "whisper_tiny")[0]) == ["permuted", "trained", "mel_whisper"]
    assert exceptions(figure) == []
    lacking = figure_3(ds, baseline="wavelet")
    assert labels(titled(lacking, "whisper_tiny")[0]) == ["trained"]
    assert any("no spectrogram 'wavelet' in these results" in text for text in notes_of(lacking))
    assert any("no weights 'reset' in these results" in text for text in notes_of(lacking))


@pytest.mark.parametrize(
    ("keep", "asked", "said"),
    [
        ({"network": ["cochleagram"]}, {}, "no layer of a network is in these results"),
        ({}, {"networks": ["wav2vec2"]}, "no layer of wav2vec2 is in these results"),
        ({}, {"stimuli": "songs"}, "no fit of songs is in these results that has a number"),
        ({}, {"bin_width": 20.0}, "no fit of timit, mvocs at 20 ms is in these results"),
    ],
)
def test_figure_3__of_what_is_not_there_is_an_error(keep, asked, said):
    with pytest.raises(NothingToDrawError, match=said):
        figure_3(results().sel(keep), **asked)


def test_figure_3__of_tests_of_another_name_is_an_error():
    with pytest.raises(DataError, match="tests: 'units' is not known; take 'default' or 'published'"):
        figure_3(results(), tests="units")


def test_figure_s4__draws_both_trainings_of_one_architecture():
    networks = ["wav2vec2", "whisper_tiny", "w2v2_audioset"]
    ds = simulate_results(networks, stimuli=("timit",), sessions=4, channels=10)
    figure = figure_s4(ds)
    assert [a.get_title() for a in figure.axes[:2]] == ["wav2vec2", "w2v2_audioset"]
    assert not titled(figure, "whisper_tiny")
    with pytest.raises(NothingToDrawError, match="no layer of w2v2_audioset is in these results"):
        figure_s4(ds.sel(network=["wav2vec2", "cochleagram"]))


def test_figure_s7__tests_against_reset_and_permuted_without_correction():
    ds = simulate_results(
        ["cochresnet50"],
        weights=("trained", "reset", "permuted"),
        stimuli=("timit",),
        sessions=18,
        channels=30,
        better={"cochresnet50": [2, 4]},
        gain=0.02,
    )
    figure = figure_s7(ds)
    assert not any("tests of a network" in text for text in notes_of(figure))  # p is adjusted for none
    units = tuned(ds, "timit")
    differ = []
    for kind in ("reset", "permuted"):
        (axis,) = titled(figure, f"cochresnet50, {kind}")
        plain, corrected = (layer_tests(units, untrained=kind, correction=c).significant for c in (None, "bh"))
        for against in ("untrained", "spectrogram"):
            expected, other = (of.sel(network="cochresnet50", against=against).values for of in (plain, corrected))
            assert stars(axis, against) == plain.layer.values[expected].tolist()
            differ.append((expected != other).any())
        expected = layer_profile(units)["median"].sel(network="cochresnet50", weights=kind).dropna("layer")
        np.testing.assert_allclose(line(axis, kind).get_ydata(), expected)
    assert any(differ)  # else the test could not tell them apart
    one = figure_s7(ds.sel(weights=["trained", "reset", "fixed"]))
    assert exceptions(one) == ["no permuted weights of cochresnet50 or cochcnn9 in these results"]
    with pytest.raises(NothingToDrawError, match="none of cochresnet50, cochcnn9 is in these results with trained"):
        figure_s7(ds.sel(weights=["trained", "fixed"]))

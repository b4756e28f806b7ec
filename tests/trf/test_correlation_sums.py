"""Correlations from sums against explicitly duplicated time series."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf import correlation_sums
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.correlation_sums import CorrelationSums, bootstrap_r
from distributed_trf.trf.resampling import draw_tests
from tests.oracle import correlation


def responses(rng, lengths, n_repeats, n_units, *, offset=0.0, scale=1.0):
    """Counts with silent repeats and constant units, and predictions of them."""
    recorded = [rng.poisson(0.8, size=(n_repeats, t, n_units)).astype(float) for t in lengths]
    predicted = [scale * (y.mean(axis=0) + rng.normal(size=y.shape[1:])) + offset for y in recorded]
    for y_true, y_pred in zip(recorded, predicted, strict=True):
        y_true[0, :, 0] = 0  # silent in one repeat
        y_true[:, :, 1] = 3  # never varies
        y_pred[:, 2] = offset + scale  # predicted to never vary
    recorded[0][:, :, 3] = 0  # silent in one stimulus
    return recorded, predicted


def duplicated(recorded, predicted, stimulus_counts):
    """The drawn stimuli one after another: recorded (R, T, U), predicted (T, U)."""
    drawn = np.repeat(np.arange(len(recorded)), stimulus_counts)
    return np.concatenate([recorded[i] for i in drawn], axis=1), np.concatenate([predicted[i] for i in drawn])


def slow_r(recorded, predicted, stimulus_counts, repeat_counts):
    """Mean over drawn repeats, each listed as often as drawn, of numpy's correlation coefficient, 0 in silent ones."""
    y_true, y_pred = duplicated(recorded, predicted, stimulus_counts)
    y_true = np.repeat(y_true, repeat_counts, axis=0)
    responds = np.ptp(np.concatenate(recorded, axis=1), axis=1).any(axis=0)
    found = []
    for u in range(y_true.shape[2]):
        r = [0.0 if np.ptp(repeat[:, u]) == 0 else correlation(repeat[:, u], y_pred[:, u]) for repeat in y_true]
        found.append(np.mean(r) if responds[u] and np.ptp(y_pred[:, u]) > 0 else np.nan)
    return np.array(found)


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    n_repeats=st.integers(1, 4),
    offset=st.sampled_from([0.0, 1e3, -30.0]),
)
def test_r__equals_explicit_duplication_of_trials(seed, lengths, n_repeats, offset):
    """Stimuli may be one bin long or not drawn, repeats silent or not drawn."""
    rng = np.random.default_rng(seed)
    recorded, predicted = responses(rng, lengths, n_repeats, 6, offset=offset)
    stimuli = rng.integers(4, size=(7, len(lengths)))
    repeats = rng.integers(3, size=(7, n_repeats))
    stimuli[:, rng.integers(len(lengths))] += 1
    repeats[:, rng.integers(n_repeats)] += 1
    sums = CorrelationSums.of(recorded, predicted)
    together = sums.r_of_draws(stimuli, repeats)
    for k in range(7):
        expected = slow_r(recorded, predicted, stimuli[k], repeats[k])
        np.testing.assert_allclose(together[k], expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(sums.r(stimuli[k], repeats[k]), expected, rtol=0, atol=1e-9)
        peer = mean_over_repeats(*duplicated(recorded, predicted, stimuli[k]))
        found = sums.r(stimuli[k])
        there = ~np.isnan(peer)
        np.testing.assert_allclose(found[there], peer[there], rtol=0, atol=1e-9)
        assert (np.isnan(found[~there]) | (found[~there] == 0)).all()  # 0 if silent in what is drawn alone


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (0.0, 2.0**-50), (0.0, 2.0**-200), (1e3, 1.0)])
def test_r__without_a_draw_is_mean_over_repeats(offset, scale):
    rng = np.random.default_rng(0)
    recorded, predicted = responses(rng, rng.integers(20, 70, size=10), 11, 9, offset=offset, scale=scale)
    peer = mean_over_repeats(np.concatenate(recorded, axis=1), np.concatenate(predicted))
    found = CorrelationSums.of(recorded, predicted).r()
    np.testing.assert_allclose(found, peer, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, *[False] * 6])


@pytest.mark.parametrize(("of_recorded", "of_predicted"), [(1.0, 1e-15), (1.0, 1e-120), (1e-100, 1e-100)])
def test_r__does_not_depend_on_scales(of_recorded, of_predicted):
    """Neither do squares of weights shrunk by a huge penalty underflow, nor the products of two small powers."""
    rng = np.random.default_rng(1)
    recorded, predicted = responses(rng, [9, 14, 6], 3, 5)
    whole = CorrelationSums.of(recorded, predicted).r([2, 0, 1], [1, 3, 0])
    small = CorrelationSums.of([of_recorded * y for y in recorded], [of_predicted * y for y in predicted])
    np.testing.assert_allclose(small.r([2, 0, 1], [1, 3, 0]), whole, rtol=0, atol=1e-12)
    assert np.isfinite(whole[3:]).all()


def test_r__of_a_draw_does_not_suffer_from_means_of_stimuli_beside_it():
    """A level that jumps by 1e6 between stimuli costs no digits of the draw that holds a single stimulus."""
    rng = np.random.default_rng(2)
    lengths = [30, 40, 50]
    recorded = [rng.normal(size=(2, t, 3)) + level for t, level in zip(lengths, (-1e6, 0, 1e6), strict=True)]
    predicted = [rng.normal(size=(t, 3)) + level for t, level in zip(lengths, (1e6, 1e6, -1e6), strict=True)]
    sums = CorrelationSums.of(recorded, predicted)
    for s in range(3):
        counts = [2 * (s == i) for i in range(3)]
        alone = CorrelationSums.of(recorded[s : s + 1], predicted[s : s + 1]).r()
        np.testing.assert_allclose(sums.r(counts), alone, rtol=0, atol=1e-14)
        np.testing.assert_allclose(alone, slow_r(recorded, predicted, counts, [1, 1]), rtol=0, atol=1e-9)


def test_unit__silent_in_what_is_drawn_has_a_correlation_of_zero_there():
    rng = np.random.default_rng(3)
    recorded, predicted = responses(rng, [20, 30, 25], 4, 5)
    sums = CorrelationSums.of(recorded, predicted)
    assert sums.r([3, 0, 0])[3] == 0  # silent in the only stimulus that is drawn
    assert sums.r(None, [2, 0, 0, 0])[0] == 0  # silent in the only repeat that is drawn
    np.testing.assert_allclose(sums.r(None, [5, 1, 0, 2])[0], sums.r(None, [0, 1, 0, 2])[0] * 3 / 8, rtol=1e-12)
    # so that the mean over draws is what all repeats give
    np.testing.assert_allclose(sums.r_of_draws(None, np.eye(4)).mean(axis=0), sums.r(), rtol=1e-12)
    assert np.isnan(sums.r_of_draws([[1, 0, 0], [0, 1, 2]], [[1, 0, 0, 0]])[:, 1:3]).all()  # flat, or predicted to be


def test_unit__that_varies_between_stimuli_alone_is_not_silent():
    recorded = [np.full((2, 5, 1), level) for level in (0.0, 1.0)]
    sums = CorrelationSums.of(recorded, [np.zeros((5, 1)), np.ones((5, 1))])
    np.testing.assert_allclose(sums.r(), [1.0], rtol=1e-12)
    assert np.isnan(CorrelationSums.of([recorded[0]] * 2, [np.zeros((5, 1)), np.ones((5, 1))]).r()).all()


@pytest.mark.parametrize("level", [0.1, 1 / 3, 3.7, 1e9 / 7])
def test_unit__that_never_varies_is_nan_however_long_it_was_recorded(level):
    rng = np.random.default_rng(4)
    recorded = [np.full((2, t, 3), level) for t in (5000, 311, 1)]  # of several units numpy's mean rounds visibly
    sums = CorrelationSums.of(recorded, [rng.normal(size=y.shape[1:]) for y in recorded])
    np.testing.assert_array_equal(sums.r_of_draws([[1, 1, 1], [3, 1, 0], [0, 7, 2]]), np.full((3, 3), np.nan))


def test_r_of_draws__blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    recorded, predicted = responses(rng, [7, 9, 4, 12], 3, 5)
    sums = CorrelationSums.of(recorded, predicted)
    stimuli, repeats = draw_tests([7, 9, 4, 12], 3, percent_duration=80, n_repeats=2, draws=11, seed=0)
    whole = sums.r_of_draws(stimuli, repeats)
    for values in (1, 3 * 5 * 4, 3 * 5 * 10):
        monkeypatch.setattr(correlation_sums, "BLOCK_VALUES", values)
        np.testing.assert_allclose(sums.r_of_draws(stimuli, repeats), whole, rtol=0, atol=1e-14)


def test_r_of_draws__one_row_serves_all_draws():
    rng = np.random.default_rng(6)
    sums = CorrelationSums.of(*responses(rng, [7, 9, 4], 3, 5))
    stimuli, repeats = [[1, 0, 2], [0, 3, 1]], [[0, 2, 1], [1, 1, 4]]
    np.testing.assert_array_equal(sums.r_of_draws(stimuli), sums.r_of_draws(stimuli, [[1, 1, 1]]))
    np.testing.assert_array_equal(sums.r_of_draws(None, repeats), sums.r_of_draws([[1, 1, 1]] * 2, repeats))
    np.testing.assert_array_equal(sums.r_of_draws()[0], sums.r())


@pytest.mark.parametrize(("percent_duration", "n_repeats"), [(40, 3), (100, None), (None, 6), (None, None)])
def test_bootstrap_r__equals_corrcoef_on_duplicated_trials(percent_duration, n_repeats):
    rng = np.random.default_rng(7)
    lengths = [11, 8, 20, 5, 14]
    recorded, predicted = responses(rng, lengths, 4, 6)
    wanted = {"percent_duration": percent_duration, "n_repeats": n_repeats, "draws": 8, "seed": 9}
    found = bootstrap_r(CorrelationSums.of(recorded, predicted), lengths, **wanted)
    stimuli, repeats = draw_tests(lengths, 4, **wanted)
    expected = [slow_r(recorded, predicted, s, r) for s, r in zip(stimuli, repeats, strict=True)]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-9)
    again = bootstrap_r(CorrelationSums.of(recorded, predicted), lengths, **wanted)
    np.testing.assert_array_equal(found, again)


def test_bootstrap_r__scatters_less_the_more_is_drawn():
    """Draws of few stimuli and repeats scatter more around the same correlation."""
    rng = np.random.default_rng(8)
    recorded, predicted = responses(rng, [60] * 10, 11, 8)
    sums = CorrelationSums.of(recorded, predicted)
    wanted = {"draws": 200, "seed": 0}
    few = bootstrap_r(sums, [60] * 10, percent_duration=20, n_repeats=1, **wanted)[:, 4:]
    many = bootstrap_r(sums, [60] * 10, percent_duration=100, n_repeats=11, **wanted)[:, 4:]
    assert (few.std(axis=0) > 2 * many.std(axis=0)).all()
    np.testing.assert_allclose(many.mean(axis=0), sums.r()[4:], atol=0.03)


def test_backend__follows_the_data_and_never_leaves_its_device():
    """Arrays of array-api-strict on a device that is not the host refuse numpy, as cupy arrays do."""
    rng = np.random.default_rng(9)
    lengths = [6, 9, 1, 12]
    recorded, predicted = responses(rng, lengths, 3, 5)
    device = strict.Device("device1")
    sums = CorrelationSums.of(*([strict.asarray(y, device=device) for y in arrays] for arrays in (recorded, predicted)))
    here = CorrelationSums.of(recorded, predicted)
    wanted = {"percent_duration": 70, "n_repeats": 4, "draws": 6, "seed": 1}
    for there, expected in (
        (sums.r(), here.r()),
        (sums.r([1, 0, 2, 1], [0, 2, 1]), here.r([1, 0, 2, 1], [0, 2, 1])),
        (bootstrap_r(sums, lengths, **wanted), bootstrap_r(here, lengths, **wanted)),
    ):
        assert there.device == device
        back = np.asarray(there.to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.int64])
def test_sums__are_taken_in_double_precision(kind):
    rng = np.random.default_rng(10)
    recorded, predicted = responses(rng, [60, 90], 3, 5)
    small = CorrelationSums.of([y.astype(kind) for y in recorded], [y.astype(np.float32) for y in predicted])
    exact = CorrelationSums.of(recorded, [y.astype(np.float32).astype(np.float64) for y in predicted])
    np.testing.assert_array_equal(small.r([2, 1]), exact.r([2, 1]))


GOOD = [np.ones((2, 5, 3)), np.ones((2, 4, 3))], [np.ones((5, 3)), np.ones((4, 3))]


@pytest.mark.parametrize(
    ("recorded", "predicted", "message"),
    [
        ([], [], "0 recorded and 0 predicted"),
        (GOOD[0], GOOD[1][:1], "2 recorded and 1 predicted"),
        (
            [np.ones((5, 3)), GOOD[0][1]],
            GOOD[1],
            r"recorded\[0\] has shape \(5, 3\); expected \(repeats, bins, units\)",
        ),
        ([GOOD[0][0], np.ones((3, 4, 3))], GOOD[1], r"recorded\[1\] has shape \(3, 4, 3\)"),
        ([GOOD[0][0], np.ones((2, 4, 2))], GOOD[1], r"recorded\[1\] has shape \(2, 4, 2\)"),
        (
            [GOOD[0][0], np.ones((2, 0, 3))],
            GOOD[1],
            r"recorded\[1\] has shape \(2, 0, 3\); .* at least one repeat and one bin",
        ),
        (GOOD[0], [GOOD[1][0], np.ones((5, 3))], r"predicted\[1\] has shape \(5, 3\); expected \(4, 3\)"),
        ([GOOD[0][0], np.full((2, 4, 3), np.nan)], GOOD[1], r"recorded\[1\] holds NaN or Inf"),
        (GOOD[0], [GOOD[1][0], np.full((4, 3), np.inf)], r"predicted\[1\] holds NaN or Inf"),
        ([strict.asarray(y) for y in GOOD[0]], GOOD[1], "arrays of one library"),
    ],
)
def test_bad_responses__are_named(recorded, predicted, message):
    with pytest.raises(DataError, match=message):
        CorrelationSums.of(recorded, predicted)


@pytest.mark.parametrize(
    ("stimulus_counts", "repeat_counts", "message"),
    [
        ([1, 1, 1], None, r"stimulus_counts have shape \(1, 3\); expected \(draws, 2\)"),
        (None, [1], r"repeat_counts have shape \(1, 1\); expected \(draws, 2\)"),
        ([0, 0], None, r"stimulus_counts of draw 0 are \[0.0, 0.0\]; expected 0 or more, not all of them 0"),
        ([2, -1], None, r"stimulus_counts of draw 0 are \[2.0, -1.0\]"),
        (None, [np.nan, 1], r"repeat_counts of draw 0 are \[nan, 1.0\]"),
    ],
)
def test_bad_counts__are_named(stimulus_counts, repeat_counts, message):
    with pytest.raises(DataError, match=message):
        CorrelationSums.of(*GOOD).r(stimulus_counts, repeat_counts)


def test_bad_draws__are_named():
    sums = CorrelationSums.of(*GOOD)
    with pytest.raises(DataError, match="2 draws of stimuli do not fit 3 draws of repeats"):
        sums.r_of_draws([[1, 1]] * 2, [[1, 1]] * 3)
    with pytest.raises(DataError, match=r"stimulus_counts of draw 1 are \[0.0, 0.0\]"):
        sums.r_of_draws([[1, 1], [0, 0]])
    with pytest.raises(DataError, match="there are 3 durations for 2 test stimuli"):
        bootstrap_r(sums, [1, 2, 3], percent_duration=50, n_repeats=1, draws=1, seed=0)
    with pytest.raises(ConfigError, match="percent_duration=120"):
        bootstrap_r(sums, [5, 4], percent_duration=120, n_repeats=1, draws=1, seed=0)

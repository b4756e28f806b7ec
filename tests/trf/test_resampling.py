"""Draws against the slow rule, and their independence of order, subset and analysis."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.resampling import draw_generator, draw_repeats, draw_stimuli, draw_tests

DURATIONS = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(durations=DURATIONS, percent=st.integers(1, 100), seed=st.integers(0, 2**32))
def test_draw_stimuli__stops_at_the_first_that_reaches_the_duration(durations, percent, seed):
    drawn, rng = [], draw_generator(seed, "x")
    while 100 * sum(durations[i] for i in drawn) < percent * sum(durations):
        drawn.append(int(rng.integers(len(durations))))
    counts = draw_stimuli(durations, percent, draw_generator(seed, "x"))
    np.testing.assert_array_equal(counts, [drawn.count(i) for i in range(len(durations))])


@example(durations=[1] * 10, percent=100, unit=0.1)  # ten times 0.1 added one by one is less than 1
@given(durations=DURATIONS, percent=st.integers(1, 100), unit=st.sampled_from([0.1, 0.05, 1e-3]))
def test_draw_stimuli__rounding_of_seconds_draws_no_further_stimulus(durations, percent, unit):
    seconds = [d * unit for d in durations]
    np.testing.assert_array_equal(
        draw_stimuli(seconds, percent, draw_generator(0)), draw_stimuli(durations, percent, draw_generator(0))
    )


def test_draw_stimuli__all_of_the_duration_is_a_draw_too():
    draws = [draw_stimuli([5.0] * 10, 100, draw_generator(0, k)) for k in range(50)]
    assert {int(counts.sum()) for counts in draws} == {10}
    assert max(counts.max() for counts in draws) > 2


def test_draw_stimuli__every_stimulus_is_as_likely_however_long():
    draws = np.stack([draw_stimuli([1.0, 2.0, 30.0, 3.0], 60, draw_generator(0, k)) for k in range(4000)])
    first = np.stack([draw_stimuli([1.0, 2.0, 30.0, 3.0], 0.1, draw_generator(0, k)) for k in range(4000)])
    assert set(first.sum(axis=1).tolist()) == {1}
    np.testing.assert_allclose(first.mean(axis=0), 0.25, atol=0.03)
    assert (draws @ [1.0, 2.0, 30.0, 3.0] >= 0.6 * 36).all()


def test_draw_repeats__every_repeat_is_as_likely_and_more_than_recorded_may_be_drawn():
    draws = np.stack([draw_repeats(5, 12, draw_generator(1, k)) for k in range(2000)])
    assert draws.shape == (2000, 5)
    np.testing.assert_array_equal(draws.sum(axis=1), 12)
    np.testing.assert_allclose(draws.mean(axis=0), 12 / 5, atol=0.15)


def test_draw_tests__a_draw_does_not_depend_on_how_many_are_made():
    def drawn(n, **changes):
        wanted = {"percent_duration": 60, "n_repeats": 4, "seed": 3, **changes}
        return draw_tests([3.0, 2.0, 4.0, 1.0, 2.0, 5.0], 7, draws=n, **wanted)

    many = drawn(40)
    for few, all_of_them in zip(drawn(5), many, strict=True):
        np.testing.assert_array_equal(few, all_of_them[:5])
    for changes in ({"seed": 4}, {"percent_duration": 61}, {"n_repeats": 5}):
        assert not np.array_equal(drawn(40, **changes)[0], many[0]), changes


def test_draw_tests__none_takes_everything_once():
    stimuli, repeats = draw_tests([3.0, 2.0], 4, percent_duration=None, n_repeats=3, draws=6, seed=0)
    np.testing.assert_array_equal(stimuli, np.ones((6, 2)))
    np.testing.assert_array_equal(repeats.sum(axis=1), 3)
    stimuli, repeats = draw_tests([3.0, 2.0], 4, percent_duration=50, n_repeats=None, draws=6, seed=0)
    np.testing.assert_array_equal(repeats, np.ones((6, 4)))
    assert (stimuli @ [3.0, 2.0] >= 2.5).all()


def test_draw_tests__recorded_seeds_give_what_they_always_gave():
    stimuli, repeats = draw_tests([2, 1, 3, 2], 3, percent_duration=50, n_repeats=4, draws=3, seed=7)
    assert stimuli.tolist() == [[0, 0, 0, 2], [1, 0, 1, 0], [0, 1, 1, 0]]
    assert repeats.tolist() == [[1, 2, 1], [3, 1, 0], [1, 2, 1]]


def test_draw_generator__keys_give_independent_streams():
    keys = [(a, p, k) for a in ("training", "test") for p in (10, 20.5, None) for k in range(20)]
    keys += [(1, 23), (12, 3), (123,), ("123",), (), (2**32 + 1,), (1, 1)]
    streams = np.stack([draw_generator(0, *key).normal(size=1000) for key in keys])
    between = np.corrcoef(streams)[np.triu_indices(len(keys), k=1)]
    assert np.abs(between).max() < 0.2  # 6 standard deviations of what chance gives; equal streams give 1


def test_draw_generator__whole_numbers_are_one_key_however_written():
    same = [draw_generator(5, "a", k).random() for k in (40, 40.0, np.int64(40), np.float64(40))]
    assert len(set(same)) == 1


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        *((outside, "above 0 and at most 100") for outside in (0, -1, 100.1)),
        *((none, "a finite number, in per cent") for none in (float("nan"), float("inf"), "50", None, 1j)),
    ],
)
def test_percent__outside_its_range_is_named(percent, expected):
    with pytest.raises(ConfigError, match=re.escape(f"percent_duration={percent!r} must be {expected}")):
        draw_stimuli([1.0], percent, draw_generator(0))


@pytest.mark.parametrize("n_repeats", [0, -2, 2.5, "3"])
def test_n_repeats__less_than_one_is_named(n_repeats):
    with pytest.raises(ConfigError, match=f"n_repeats={n_repeats!r} must be a whole number, 1 or more"):
        draw_repeats(3, n_repeats, draw_generator(0))


@pytest.mark.parametrize(
    ("durations", "message"),
    [
        ([], r"shape \(0,\); expected one for each of at least one stimulus"),
        ([[1.0, 2.0]], r"shape \(1, 2\)"),
        ([1.0, 0.0], r"durations\[1\] is 0; every stimulus must last"),
        ([1.0, 2.0, -3.0], r"durations\[2\] is -3"),
        ([float("nan")], r"durations\[0\] is nan"),
        ([1.0, float("inf")], r"durations\[1\] is inf"),
    ],
)
def test_durations__that_cannot_be_drawn_are_named(durations, message):
    with pytest.raises(DataError, match=message):
        draw_stimuli(durations, 50, draw_generator(0))


def test_other_bad_input__is_named():
    with pytest.raises(DataError, match="there are 0 repeats to draw from"):
        draw_repeats(0, 3, draw_generator(0))
    with pytest.raises(ConfigError, match="draws=0 must be 1 or more"):
        draw_tests([1.0], 1, percent_duration=50, n_repeats=1, draws=0, seed=0)
    for seed in (-1, 0.5, "0"):
        with pytest.raises(ConfigError, match=f"seed={seed!r} must be a whole number, 0 or more"):
            draw_generator(seed)

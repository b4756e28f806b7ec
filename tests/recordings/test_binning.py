from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.recording_set import SpikeTrials, Stimulus, n_bins

CLOCK = 20_000


def stimuli(*durations: float, n_test: int = 1) -> tuple[Stimulus, ...]:
    """Stimuli a, b, c, ...; the last ``n_test`` are for testing."""
    first_test = len(durations) - n_test
    return tuple(Stimulus("abcdefgh"[k], d, is_test=k >= first_test) for k, d in enumerate(durations))


def one_unit(stimulus: str, *spikes: tuple[int, float]) -> SpikeTrials:
    """Trials named by the letters of ``stimulus`` and the (trial, time) of the spikes of one unit."""
    return SpikeTrials(
        tuple(stimulus),
        10.0 * np.arange(len(stimulus)),
        (np.array([t for _, t in spikes]),),
        (np.array([k for k, _ in spikes], dtype=np.int64),),
    )


@pytest.mark.parametrize(
    ("duration", "bin_width", "expected"),
    [
        (1.369625, 50, 27),
        (0.35, 50, 7),
        (0.35, 20, 18),
        (0.074, 50, 1),
        (0.075, 50, 2),
        (0.0749995, 50, 2),
        (2, 50, 40),
    ],
)
def test_n_bins__half_a_last_bin_counts(duration: float, bin_width: float, expected: int) -> None:
    assert n_bins(duration, bin_width) == expected


@st.composite
def recordings(draw: st.DrawFn) -> tuple[int, list[int], list[int], list[list[tuple[int, int]]], int]:
    """Everything in ticks of the clock: bin width, durations, order of trials, spikes per unit, onset of trial 0."""
    width = draw(st.integers(100, 3000))
    durations = draw(st.lists(st.integers(width, 8 * width), min_size=2, max_size=4))
    last = len(durations) - 1
    order = draw(st.permutations(list(range(last + 1)) + draw(st.lists(st.integers(0, last), max_size=6))))
    border = st.integers(-2, 9).map(lambda k: k * width)
    spike = st.tuples(st.integers(0, len(order) - 1), border | st.integers(-2 * width, 9 * width))
    units = draw(st.lists(st.lists(spike, max_size=30), min_size=1, max_size=3))
    return width, durations, order, units, draw(st.integers(0, 5000 * CLOCK))


@given(recordings())
def test_bin_spikes__equals_counting_ticks_one_by_one(recording: tuple[int, list[int], list[int], list, int]) -> None:
    width, durations, order, units, onset = recording
    spikes = SpikeTrials(
        tuple("abcdefgh"[i] for i in order),
        10.0 * np.arange(len(order)),
        # differences of clock readings, so that borders are hit up to rounding as in the recordings
        tuple(np.array([(onset + tick) / CLOCK - onset / CLOCK for _, tick in unit]) for unit in units),
        tuple(np.array([trial for trial, _ in unit], dtype=np.int64) for unit in units),
    )
    counts = bin_spikes(spikes, stimuli(*(d / CLOCK for d in durations)), 1000 * width / CLOCK, session="s")

    rows = [(2 * d + width) // (2 * width) for d in durations]
    slow = [np.zeros((rows[i], len(units)), dtype=int) for i in order]
    for u, unit in enumerate(units):
        for trial, tick in unit:
            for k in range(rows[order[trial]]):
                slow[trial][k, u] += k * width <= tick < (k + 1) * width
    last = len(durations) - 1
    np.testing.assert_array_equal(counts.train, np.concatenate([slow[order.index(i)] for i in range(last)]))
    np.testing.assert_array_equal(counts.repeated, np.stack([slow[k] for k, i in enumerate(order) if i == last]))


@given(
    width=st.floats(1, 400),
    places=st.lists(st.tuples(st.integers(-3, 12), st.floats(0.01, 0.99)), max_size=40),
)
def test_bin_spikes__any_bin_width(width: float, places: list[tuple[int, float]]) -> None:
    spikes = one_unit("ab", *((1, (k + part) * width / 1000) for k, part in places))
    counts = bin_spikes(spikes, stimuli(width / 1000, 10 * width / 1000), width, session="s")
    expected = [sum(k == place for place, _ in places) for k in range(10)]
    assert counts.repeated[0, :, 0].tolist() == expected


def test_bin_spikes__bins_are_left_closed() -> None:
    width = 0.05
    times = [0.0, 3 * width, 4 * width - 0.9e-6, 5 * width - 2e-6, 6 * width, -50e-6]
    counts = bin_spikes(one_unit("ab", *((1, t) for t in times)), stimuli(0.05, 0.3), 50, session="s")
    assert counts.repeated[0, :, 0].tolist() == [1, 0, 0, 1, 2, 0]


def test_bin_spikes__a_training_stimulus_keeps_its_first_presentation() -> None:
    spikes = one_unit("bcaba", (2, 0.01), (4, 0.01), (4, 0.02), (3, 0.01))
    counts = bin_spikes(spikes, stimuli(0.05, 0.05, 0.05), 50, session="s")
    assert counts.train_ids == ("a", "b")
    assert counts.train[:, 0].tolist() == [1, 0]


def test_bin_spikes__a_training_stimulus_never_heard_is_left_out() -> None:
    counts = bin_spikes(one_unit("ac", (0, 0.01)), stimuli(0.05, 0.1, 0.05), 50, session="s")
    assert counts.train_ids == ("a",)
    assert counts.train.shape == (1, 1)
    assert counts.bins["b"] == 2  # known all the same


def test_counts__all_presentations_are_kept_and_as_many_as_all_have_are_the_repeats() -> None:
    spikes = one_unit("abcbbc", (1, 0.06), (3, 0.01), (4, 0.02), (2, 0.03), (5, 0.01), (5, 0.02))
    counts = bin_spikes(spikes, stimuli(0.05, 0.1, 0.05, n_test=2), 50, session="s")
    assert counts.repeated[:, :, 0].tolist() == [[0, 1, 1], [1, 0, 2]]
    assert counts.repeats == (3, 2)
    assert counts.test_trials["b"].tolist() == [[[0], [1]], [[1], [0]], [[1], [0]]]
    assert counts.test_trials["c"].tolist() == [[[1]], [[2]]]


def test_bin_spikes__trials_of_other_stimuli_are_ignored() -> None:
    counts = bin_spikes(one_unit("axb", (1, 0.01), (2, 0.01)), stimuli(0.05, 0.05), 50, session="s")
    assert (counts.train.sum(), counts.repeated.sum()) == (0, 1)


def test_bin_spikes__trials_come_apart_at_the_borders_of_stimuli() -> None:
    spikes = one_unit("abc", (0, 0.06), (1, 0.01))
    trials = bin_spikes(spikes, stimuli(0.1, 0.05, 0.05), 50, session="s").train_trials
    assert {name: trial[:, 0].tolist() for name, trial in trials.items()} == {"a": [0, 1], "b": [1]}


def test_bin_spikes__a_session_without_some_test_stimulus_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"session 180413: test stimuli c were never.*all of b, c.*bad_sessions"):
        bin_spikes(one_unit("ab"), stimuli(0.05, 0.05, 0.05, n_test=2), 50, session="180413")


def test_bin_spikes__needs_a_training_stimulus() -> None:
    with pytest.raises(RecordingError, match="no training stimulus"):
        bin_spikes(one_unit("b"), stimuli(0.05, 0.05), 50, session="s")


def test_bin_spikes__of_a_set_without_test_stimuli_has_trials_of_all() -> None:
    counts = bin_spikes(one_unit("aba", (1, 0.01), (2, 0.01)), stimuli(0.05, 0.05, n_test=0), 50, session="s")
    assert (counts.train_ids, counts.test_ids, counts.test.shape) == (("a", "b"), (), (0, 1))
    assert {i: counts.trials(i).ravel().tolist() for i in "ab"} == {"a": [0, 1], "b": [1]}


def test_bin_spikes__the_window_is_closed_at_its_onset_and_open_at_its_end() -> None:
    """A trial of two bins: a spike at the end is in no bin, one the rounding of clocks before it neither."""
    for delay in (0.0, 0.1, -0.02):
        times = [delay - 2e-6, delay, delay + 0.1 - 2e-6, delay + 0.1 - 0.5e-6, delay + 0.1, delay + 0.12]
        spikes = one_unit("ab", *((1, t) for t in times))
        counts = bin_spikes(spikes, stimuli(0.1, 0.1), 50, session="s", delay=delay)
        assert counts.repeated[0, :, 0].tolist() == [1, 1]


@pytest.mark.parametrize("delay", [0.0, 0.03, -0.03])
def test_bin_spikes__a_whole_stimulus_is_one_bin_that_begins_later_by_the_delay(delay: float) -> None:
    """Bins of 1000 ms hold each stimulus from ``delay`` after its onset to ``delay`` after its end."""
    times = [delay - 2e-6, delay, delay + 0.13 - 2e-6, delay + 0.13 - 0.5e-6, delay + 0.13]
    spikes = one_unit("ab", (0, delay + 0.2), *((1, t) for t in times))
    counts = bin_spikes(spikes, stimuli(0.3, 0.13), 1000, session="s", delay=delay)
    assert counts.repeated[0, :, 0].tolist() == [2]
    assert counts.train[:, 0].tolist() == [1]

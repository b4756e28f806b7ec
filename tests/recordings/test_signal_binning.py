from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import RecordingError
from distributed_trf.recordings import signal_binning
from distributed_trf.recordings.continuous import SignalTrials, ValueTrials
from distributed_trf.recordings.recording_set import Stimulus, n_bins
from distributed_trf.recordings.signal_binning import bin_signal, bin_values
from tests.recordings.signal_oracle import one_bin

UNITS = ("c1", "c2", "c3")


def stimuli(*durations: float, n_test: int = 1) -> tuple[Stimulus, ...]:
    """Stimuli a, b, c, ...; the last ``n_test`` are for testing."""
    return tuple(Stimulus("abcdefgh"[k], d, is_test=k >= len(durations) - n_test) for k, d in enumerate(durations))


def signal(
    x: np.ndarray, rate: float, stimulus: str, onset: Sequence[float], start: float = 0.0, **how: Any
) -> SignalTrials:
    def stretches(spans):
        for first, last in spans:
            assert 0 <= first < last <= len(x)
            yield x[first:last]

    return SignalTrials(tuple(stimulus), np.array(onset, dtype=float), rate, start, len(x), stretches, **how)


def binned(trials: SignalTrials, sounds: tuple[Stimulus, ...], bin_width: float, delay: float = 0.0):
    units = UNITS[: next(trials.stretches([(0, 1)])).shape[1]]
    return bin_signal(trials, sounds, bin_width, units=units, session="s", delay=delay)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_bins__are_the_weighted_means_of_the_definition(data: st.DataObject) -> None:
    rate, step = data.draw(st.sampled_from([64.0, 100.0, 997.3])), data.draw(st.floats(1.0, 5.5))
    width, delay = step / rate, data.draw(st.sampled_from([0.0, 0.03]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scale = np.array([1e3, 1e-5])
    x = scale * (rng.normal(size=(700, 2)) + [1, 0])
    sounds = stimuli(*(data.draw(st.floats(1, 40)) * width for _ in range(2)))
    start = data.draw(st.floats(-5, 5))
    onset = [start + data.draw(st.floats(0.05, 0.4)) * 700 / rate for _ in range(3)]
    found = binned(signal(x, rate, "aba", onset, start), sounds, 1000 * width, delay).responses
    for stimulus, presentations in (("a", (0, 2)), ("b", (1,))):
        for trial, k in zip(found.trials(stimulus), presentations, strict=True):
            begin = onset[k] + delay - start
            sample = round(begin * rate) / rate
            begin = sample if abs(sample - begin) <= 1e-6 else begin
            expected = [one_bin(x, rate, begin + (b + 0.5) * width, width) for b in range(len(trial))]
            np.testing.assert_allclose(trial / scale, expected / scale, rtol=1e-9, atol=1e-9)
            assert len(trial) == n_bins(sounds["ab".index(stimulus)].duration, 1000 * width)


def test_bins__as_long_as_samples_are_the_samples() -> None:
    """To the digit, though onsets are floating-point numbers; neighbours that are NaN do not matter."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    x[[9, 15]] = np.nan
    found = binned(signal(x, 64.0, "ab", [10 / 64 + 1e-9, 1.7 + 0.1 * 3 - 0.125]), stimuli(5 / 64, 7 / 64), 15.625)
    np.testing.assert_array_equal(found.responses.train, x[10:15])
    np.testing.assert_array_equal(found.responses.test, x[120:127])
    assert found.notes == found.doubts == ()


@pytest.mark.parametrize(("frequency", "passed"), [(3.0, 1.0), (7.9, 1.0), (12.1, 0.0), (23.0, 0.0), (147.0, 0.0)])
@pytest.mark.parametrize("rate", [500.0, 512.0])
def test_tones__pass_below_and_vanish_above_half_the_rate_of_the_bins(
    rate: float, frequency: float, passed: float
) -> None:
    """Bins of 50 ms hold up to 10 Hz; a tone above that would otherwise be there as a slower one."""
    time = (np.arange(round(8 * rate)) + 0.5) / rate
    tone = np.sin(2 * np.pi * frequency * time)[:, np.newaxis]
    y = binned(signal(tone, rate, "ab", [1.0, 4.0]), stimuli(2.0, 2.0), 50).responses.train[:, 0]
    centres = 1 + (np.arange(40) + 0.5) * 0.05
    np.testing.assert_allclose(y, passed * np.sin(2 * np.pi * frequency * centres), atol=1.5e-3)


def test_signal__that_is_constant_stays_so_at_the_ends_of_the_recording() -> None:
    x = np.full((100, 1), 3.0)
    found = binned(signal(x, 100.0, "ab", [0.0, 0.5]), stimuli(0.5, 0.5), 31)
    np.testing.assert_allclose(found.responses.train, 3.0, rtol=1e-13)
    np.testing.assert_allclose(found.responses.test, 3.0, rtol=1e-13)
    assert found.doubts == ("unit c1 has the same value in all trials; their r is NaN",)


def test_whole_stimulus__is_the_mean_from_onset_to_offset() -> None:
    x = np.random.default_rng(1).normal(size=(100, 2))
    found = binned(signal(x, 10.0, "ab", [1.0, 3.04]), stimuli(0.7, 2.0), 1000, delay=0.2)
    np.testing.assert_allclose(found.responses.train, x[12:19].mean(axis=0, keepdims=True))
    np.testing.assert_allclose(found.responses.test, x[32:52].mean(axis=0, keepdims=True))


def test_reading_in_pieces__changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(2).normal(size=(3000, 2))
    sounds, trials = stimuli(11.0, 5.0), signal(x, 100.0, "aba", [1.0, 13.503, 18.2])
    whole = binned(trials, sounds, 33).responses
    monkeypatch.setattr(signal_binning, "READ_VALUES", 1)
    pieces = binned(trials, sounds, 33).responses
    for part in ("train", "test", "further"):
        np.testing.assert_allclose(getattr(pieces, part), getattr(whole, part), rtol=1e-12, atol=1e-14)


def test_trials_outside_the_signal__are_left_out_and_said() -> None:
    x = np.random.default_rng(0).normal(size=(200, 1))
    found = binned(signal(x, 100.0, "aabbb", [9.5, 10.1, 10.6, 11.2, 11.6], start=10.0), stimuli(0.5, 0.5), 50)
    assert found.responses.presentations == (1,)
    assert found.responses.repeats == (2,)
    (doubt,) = found.doubts
    assert doubt.startswith("2 of 5 trials left out, which are not within the signal (from 10 to 12 s)")
    with pytest.raises(RecordingError, match="session s: 2 of 2 trials left out.*starts at 0 s"):
        binned(signal(x, 100.0, "ab", [1e3, 2e3]), stimuli(0.5, 0.5), 50)


def test_gaps__leave_out_trials_that_need_them_or_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(600, 3))
    x[110, 1], x[:, 2] = np.nan, np.inf
    onset = [1.0, 2.5, 3.5, 4.5]
    found = binned(signal(x, 100.0, "aabb", onset), stimuli(0.5, 0.5), 20)
    assert found.responses.presentations == (1,)
    assert found.responses.repeats == (2,)
    assert np.isfinite(found.responses.train).all()
    assert not found.responses.train[:, 2].any()
    assert found.notes == ("1 of 4 trials left out, for unit c2 has NaN or Inf in them",)
    assert found.doubts == ("unit c3 has no number throughout in any trial; taken as 0, so that r is NaN",)
    with pytest.raises(RecordingError, match=r"session s: units c2, c3 have NaN or Inf in 4 of 4 trials.*gaps: mask"):
        binned(signal(x, 100.0, "aabb", onset, gaps="refuse"), stimuli(0.5, 0.5), 20)
    with pytest.raises(RecordingError, match="no trial is left"):
        binned(signal(x * np.nan, 100.0, "aabb", onset), stimuli(0.5, 0.5), 20)


def test_zscore__is_over_all_bins_of_all_trials() -> None:
    x = np.random.default_rng(0).normal(5, 2, size=(600, 2))
    x[:, 1] = 7.0
    how = {"rate": 100.0, "stimulus": "aabb", "onset": [1.0, 2.5, 3.5, 4.5]}
    plain, scaled = (binned(signal(x, **how, zscore=z), stimuli(0.5, 0.5), 20).responses for z in (False, True))
    rows = [np.concatenate([y.train, y.test, y.further]) for y in (plain, scaled)]
    expected = (rows[0][:, 0] - rows[0][:, 0].mean()) / rows[0][:, 0].std()
    np.testing.assert_allclose(rows[1][:, 0], expected, rtol=1e-12)
    assert not rows[1][:, 1].any()


def test_bins__finer_than_the_samples_are_refused() -> None:
    with pytest.raises(RecordingError, match=r"bins of 10 ms are shorter.*64 Hz; expected bin_widths of 15\.625 ms"):
        binned(signal(np.zeros((9, 1)), 64.0, "ab", [0, 1]), stimuli(0.5, 0.5), 10)


def test_values__are_one_bin_of_each_presentation() -> None:
    y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, np.nan], [9.0, 1.0]])
    trials = ValueTrials(tuple("abxba"), np.full(5, np.nan), y)
    found = bin_values(trials, stimuli(0.5, 2.0, n_test=0), 1000, units=UNITS[:2], session="s")
    assert found.responses.test_ids == ()
    assert found.responses.response == "values"
    assert found.responses.trials("a").tolist() == [[[1, 2]], [[9, 1]]]
    assert found.responses.trials("b").tolist() == [[[3, 4]]]
    assert found.notes == ("1 of 4 trials left out, for unit c2 has NaN or Inf in them",)
    with pytest.raises(RecordingError, match=r"no bins of 50 ms; expected bin_widths: \[1000\]"):
        bin_values(trials, stimuli(0.5, 2.0), 50, units=UNITS[:2], session="s")

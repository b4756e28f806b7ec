"""Spikes and trials that do not fit together, by the limits that are written down, at both sides of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from distributed_trf.recordings import plausibility as limits
from distributed_trf.recordings.inventory import inventory
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.plausibility import with_doubts
from distributed_trf.recordings.recording_set import Extent, Session, SpikeTrials, Stimulus, spikes_in_trials
from distributed_trf.recordings.simulation.simulate import simulate
from tests.recordings.generic_files import write_csv_session, write_nwb_session, write_sounds

ONSET = 10 + 2.0 * np.arange(30)
"""Of sounds of one second; the recording lasts from 0 to 75 s."""
STIMULI = (Stimulus("a", 1.0, is_test=False), Stimulus("b", 1.0, is_test=True))


def even(n: int, first: float = 0.0, last: float = 75.0) -> np.ndarray:
    """Spikes at equal distances; not at whole seconds."""
    return np.linspace(first + 0.0317, last, n)


def doubts(units: Sequence[np.ndarray], onset: np.ndarray = ONSET, *, window: float = 1.5, gone: bool = False):
    """What is told of spikes that are cut into trials; ``gone`` where a format tells of trials only."""
    end = np.minimum(onset + window, np.append(onset[1:], np.inf) - 2e-6)
    cut = [spikes_in_trials(times, onset, end) for times in units]
    stimulus = tuple("ab"[k % 2] for k in range(onset.size))
    extent = None if gone else Extent.of(units)
    spikes = SpikeTrials(stimulus, onset, *map(tuple, zip(*cut, strict=True)), ("a note",), extent=extent)
    names = tuple(f"u{k}" for k in range(len(units)))
    found = with_doubts(spikes, STIMULI, Session("s", "A1", "m", 0.0, 0.0, names))
    assert found.notes == ("a note", *found.doubts)
    assert with_doubts(found, STIMULI, Session("s", "A1", "m", 0.0, 0.0, names)) == found
    return "; ".join(found.doubts)


@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize(
    ("unit", "scale"),
    [("milliseconds", 1e3), ("samples", 24_414.0625), ("samples", 30_000), ("samples", 48_000), ("microseconds", 1e6)],
)
def test_unit__of_spikes_or_of_onsets_is_recognised(n: int, unit: str, scale: float) -> None:
    assert f"spike times look like {unit}" in doubts([scale * even(n), scale * even(2 * n)])
    assert f"onsets look like {unit}" in doubts([even(n), even(2 * n)], scale * ONSET)
    assert f"spike times look like {unit}" in doubts([scale * even(n)], ONSET - 10)  # trials begin with the recording
    assert f"spike times look like {unit}" in doubts([scale * even(n, 0, 200)])  # the recording went on after them


def test_unit__is_recognised_where_all_trials_lie_within_the_span_and_some_spikes_in_sounds() -> None:
    early = 1000 * np.concatenate([[0.005, 0.0102], even(600, 10, 69)])
    assert doubts([early]).startswith("1 of 602 spikes lie in a trial, and 100% of the trials begin while")
    assert "spike times look like milliseconds" in doubts([early])


def test_unit__is_told_with_both_spans() -> None:
    assert doubts([1000 * even(600, 10, 69)]) == (
        "none of the 600 spikes lies in a trial, and 0% of the trials begin while there are spikes: spikes are from "
        "10031.7 to 69000, trials from 10 to 69 s; spike times look like milliseconds (expected seconds on one clock)"
    )
    assert "spike times look like samples at 3.05e+04 Hz or less" in doubts([24_000 * even(600)])


@pytest.mark.parametrize("n", [20, 1000])
@pytest.mark.parametrize(("offset", "how"), [(1000.0, "1000"), (1.7e9, "1.7e+09"), (-3600.0, "3600")])
def test_clock__that_starts_elsewhere_is_told_with_the_difference(n: int, offset: float, how: str) -> None:
    spikes = [even(n, 10, 69) + offset, even(2 * n, 10, 69) + offset]
    way = "later" if offset > 0 else "earlier"
    assert f"another clock: spikes start {how}" in doubts(spikes).replace(".03", "").replace("3599.97", "3600")
    assert f"s {way} than trials" in doubts(spikes)


def test_clock__of_few_spikes_is_not_stretched_over_the_trials() -> None:
    """Of 20 spikes in 59 s, that begin when the last trial ends: 20 intervals between them would reach to the first."""
    assert ", and 0% of the trials begin while there are spikes" in doubts([even(20, 84, 143)])
    assert "another clock: spikes start 74.0317 s later" in doubts([even(20, 84, 143)])


def test_trials__in_part_outside_the_recording_are_told_from_the_limit_on() -> None:
    def outside(k: int) -> str:
        """K of 40 trials begin after the last spike."""
        return doubts([even(2000, 0, 10 + 2.0 * (40 - k) - 1.5)], 10 + 2.0 * np.arange(40))

    most = round(40 * (1 - limits.FEWEST_ONSETS))
    assert outside(most) == ""
    assert f"{(40 - most - 1) / 40:.0%} of the trials begin while there are spikes" in outside(most + 1)
    assert "another clock, or recorded in part: spikes start 9.9683 s earlier than trials" in outside(20)


def test_clock__of_one_unit_is_told_by_its_name() -> None:
    fine = even(300)
    for odd, cause in (
        (1000 * even(300), "spike times look like milliseconds"),
        (30_000 * even(300), "spike times look like samples"),
        (even(300) + 500, "another clock: spikes start"),
    ):
        told_of = doubts([fine, odd, fine])
        assert told_of.startswith("unit u1 has spikes on another clock than the others: ")
        assert cause in told_of
    assert doubts([fine, 1000 * fine, 1000 * fine]).startswith("units u1, u2 have spikes on another clock")


def test_whole_numbers__are_no_seconds() -> None:
    assert "; whole numbers, as samples and milliseconds are (" in doubts([np.arange(1.0, 75.0)])
    assert doubts([np.append(np.arange(1.0, 75.0), 0.5)]) == ""


@pytest.mark.parametrize(
    ("units", "onset"),
    [
        ([even(75)], ONSET),
        ([even(75, -100, 75)], ONSET),
        ([even(30_000)], ONSET),
        ([even(300), even(150, 0, 35), even(3, 1, 2), np.empty(0)], ONSET),  # a unit that was lost, and silent ones
        ([even(20_000, 0, 10_800)], 100 + ONSET),  # a block of trials in three hours
        ([even(100_000, 0, 80_000)], ONSET),  # and in a day
        ([even(20, 15, 64)], ONSET),  # few spikes
        ([even(19, 1000, 1010), even(300)], ONSET),  # one fewer than tell anything
        ([even(4, 15, 16)], ONSET),
    ],
)
def test_recordings__that_are_merely_unusual_are_told_nothing_of(units: list[np.ndarray], onset: np.ndarray) -> None:
    assert doubts(units, onset) == ""


def test_spikes__that_are_none_or_few_and_elsewhere() -> None:
    assert doubts([np.empty(0), np.empty(0)]) == "no unit has a spike; expected some in trials"
    assert doubts([np.array([500.5])]).startswith("none of the 1 spikes lies in a trial")
    twenty = even(20, 1000, 1010)
    assert "unit u0 has spikes on another clock than the others" in doubts([twenty, even(300)])
    blanked = np.concatenate([ONSET + 1.2 + 0.01 * k for k in range(20)])
    assert doubts([blanked]).startswith("none of the 600 spikes lies in a trial, and 100% of the trials begin while")


def test_rates__are_told_beyond_the_limits() -> None:
    n = int(limits.HIGHEST_RATE * 75)
    assert doubts([even(300), even(n - 100)]) == ""
    assert doubts([even(300), even(n + 100)]).startswith("unit u1 has more than 500 spikes per second (up to 501.")
    long = 10 + 500.0 * np.arange(20)  # 9501 s from the first onset to the end of the last sound
    n = int(limits.LOWEST_RATE * 9501)
    assert doubts([even(n + 1, 0, 9600)], long) == ""
    assert doubts([even(n, 0, 9600)], long) != ""
    twice = np.concatenate([long + 0.2, long + 0.4])
    assert "units have 0.0042 spikes per second on average; expected at least 0.01" in doubts([twice], long)


def test_spikes__written_twice_are_told() -> None:
    fine = even(100)
    assert doubts([fine, np.append(fine, fine)]).startswith("unit u1 has most spikes twice")
    twins = round(limits.MOST_TWINS * 200)
    assert doubts([np.append(fine, fine[:60])]) == ""  # 60 of 160
    assert doubts([np.append(fine, fine[:70])]) != ""  # 70 of 170
    assert twins == 80


def in_trials(latency: np.ndarray, sounds: float = 1.0) -> str:
    """What is told of spikes that a format puts into trials itself, the same in each."""
    trial = np.repeat(np.arange(ONSET.size), latency.size)
    stimulus = tuple("ab"[k % 2] for k in range(ONSET.size))
    spikes = SpikeTrials(stimulus, ONSET, (np.tile(latency, ONSET.size),), (trial,))
    stimuli = tuple(Stimulus(i, sounds, is_test=i == "b") for i in "ab")
    return "; ".join(with_doubts(spikes, stimuli, Session("s", "A1", "m", 0.0, 0.0, ("u0",))).doubts)


def test_spikes__of_trials_come_before_the_next_trial() -> None:
    fine = np.linspace(-0.2, 1.9, 20)
    assert in_trials(fine) == ""
    assert in_trials(np.append(fine, [2.5, 2.6])) == ""  # 2 of 22
    assert "87 of 690 spikes of trials come after the next trial began" in in_trials(np.append(fine, [2.5, 2.6, 2.7]))
    assert "their times look like milliseconds" in in_trials(1000 * fine)
    assert "their times look like samples" in in_trials(24_414 * fine)


def test_sounds__that_last_into_the_next_trial_are_told() -> None:
    fine = np.linspace(0, 1.9, 20)
    assert in_trials(fine, sounds=2.0) == ""
    assert "29 of 29 sounds last into the next trial" in in_trials(fine, sounds=2.1)
    assert "the sounds' sampling rate or the onsets' unit is wrong" in in_trials(fine, sounds=10.0)


@pytest.mark.parametrize("write", [write_csv_session, write_nwb_session])
def test_generic__tells_of_each_session_alone(tmp_path, write) -> None:
    write_sounds(tmp_path)
    trials = [("words", ("s1", "s2", "s3", "t1", "s10")[k % 5], 10 + 2.0 * k) for k in range(20)]
    spikes = [("u", t) for t in even(300, 5, 55).tolist()]
    write(tmp_path, "a", trials, spikes)
    write(tmp_path, "b", trials, [(unit, 1000 * t) for unit, t in spikes])
    recordings = open_recordings("generic", tmp_path)
    notes = [recordings.spikes(s, "words").notes for s in recordings.sessions]
    assert notes[0] == ()
    assert "spike times look like milliseconds" in notes[1][0]
    ds = inventory(recordings).sel(stimuli="words")
    assert ds["problem"].values.tolist() == ["", notes[1][0]]
    assert ds["in_sounds"].values.tolist()[1] == 0
    np.testing.assert_allclose(ds["spike_last"], [55, 55_000])


@pytest.mark.parametrize("layout", ["ucsf", "ucdavis"])
def test_simulated_recordings__are_told_nothing_of(simulated, tmp_path, layout: str) -> None:
    if layout == "ucdavis":
        simulated = tmp_path / layout
        simulate(simulated, format=layout, sessions=1, channels=2, sentences=12, seed=2)
    ds = inventory(open_recordings(layout, simulated)).sel(stimuli="timit")
    assert set(ds["problem"].values.tolist()) == {""}
    assert (ds["in_sounds"] > 0.2).all()
    assert (ds["further"] == 0).all()

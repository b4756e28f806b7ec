from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.ucsf.reader import UCSFRecordings
from distributed_trf.recordings.ucsf.trial_table import TrialTable
from distributed_trf.recordings.ucsf.vocalisations import Vocalisations
from tests.recordings import handmade_ucsf as handmade

IDS = tuple(handmade.TEST_ID if code == handmade.TEST else str(k) for k, code in enumerate(handmade.ORDER))
FIRST_TRIAL = handmade.N_BEFORE + 1
"""Number of the trial of presentation 0."""


@pytest.fixture
def ucsf(tmp_path: Path) -> UCSFRecordings:
    return UCSFRecordings(handmade.write_recordings(tmp_path / "ucsf"))


@pytest.fixture
def channel(ucsf: UCSFRecordings) -> Callable[..., Path]:
    """Write one of the two channels of the first session anew."""

    def write(number: int, spikes: list[tuple[int, float]], trial: dict[str, Any] | None = None) -> Path:
        path = ucsf.session_files(ucsf.sessions[0])[number - 1]
        handmade.write_channel(path, spikes, trial)
        return path

    return write


def order_of(codes: np.ndarray) -> Vocalisations:
    vocalisations = Vocalisations(Path("codes.mat"), Path("sounds.wav"))
    vocalisations.__dict__["_presentations"] = codes, np.zeros(codes.size)
    return vocalisations


@given(data=st.data(), n_before=st.integers(0, 5), n_after=st.integers(0, 5))
def test_vocalisation_trials__the_block_is_found_whatever_trials_are_missing(
    data: st.DataObject, n_before: int, n_after: int
) -> None:
    order = np.array(data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=25)))
    missing = data.draw(st.lists(st.booleans(), min_size=order.size, max_size=order.size))
    codes = np.concatenate([np.zeros(n_before, int), np.where(missing, 0, order), np.zeros(n_after, int)])
    table = TrialTable(Path("Ch1.mat"), codes, np.arange(codes.size) / 4)
    trials = table.vocalisation_trials(order_of(order))

    assert trials.onset.tolist() == [row / 4 for row in range(codes.size) if codes[row]]
    starts = [  # the earliest place where the block fits, by a slow loop
        start
        for start in range(codes.size - order.size + 1)
        if all(
            not code or (0 <= row - start < order.size and order[row - start] == code) for row, code in enumerate(codes)
        )
    ]
    assert n_before in starts
    presented = [row - starts[0] for row in range(codes.size) if codes[row]]
    assert trials.stimulus == tuple(order_of(order).stimulus_ids[k] for k in presented)


@pytest.mark.parametrize(("first", "last"), [(3, 21), (0, 17)])
def test_vocalisation_trials__a_recording_may_begin_late_or_end_early(first: int, last: int) -> None:
    codes = handmade.ORDER[first:last]
    table = TrialTable(Path("Ch1.mat"), codes, np.arange(codes.size))
    assert table.vocalisation_trials(order_of(handmade.ORDER)).stimulus == IDS[first:last]


def test_trials__are_named_by_presentation_and_the_test_ones_by_their_first(ucsf: UCSFRecordings) -> None:
    trials = ucsf.trials(ucsf.sessions[0], "mvocs")
    assert trials.stimulus == IDS
    assert trials.stimulus.count(handmade.TEST_ID) == 15
    np.testing.assert_array_equal(trials.onset, 20.0 + 3.0 * np.arange(4, 25))


@pytest.mark.parametrize("missing", [[0], [20], [0, 1, 2], [5, 6, 19, 20], list(range(1, 21))])
def test_trials__missing_ones_are_absent(
    ucsf: UCSFRecordings, channel: Callable[..., Path], missing: list[int]
) -> None:
    codes = handmade.ORDER.copy()
    codes[missing] = 0
    channel(1, [], handmade.trial_table(codes))
    kept = [k for k in range(21) if k not in missing]
    trials = ucsf.trials(ucsf.sessions[0], "mvocs")
    assert trials.stimulus == tuple(IDS[k] for k in kept)
    assert trials.onset.tolist() == [32.0 + 3 * k for k in kept]


def test_trials__none_at_all(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    channel(1, [], handmade.trial_table(np.zeros(21)))
    trials = ucsf.trials(ucsf.sessions[0], "mvocs")
    assert trials.stimulus == ()
    assert trials.onset.shape == (0,)


def test_trials__one_in_the_whole_table(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    channel(1, [(1, 0.1)], {"stimon": 5.0, "mVocStimcode": 5, "timitStimcode": 0})
    channel(2, [(1, 0.2)], {"stimon": 5.0, "mVocStimcode": 5, "timitStimcode": 0})
    spikes = ucsf.spikes(ucsf.sessions[0], "mvocs")
    assert (spikes.stimulus, spikes.onset.tolist()) == (("20",), [5.0])
    assert [t.tolist() for t in spikes.times] == [[0.1], [0.2]]


def with_codes(**changes: int) -> dict[str, Any]:
    """Codes in the trial table by trial number, such as ``t7=3``."""
    table = handmade.trial_table()
    for trial, code in changes.items():
        table["mVocStimcode"][int(trial[1:]) - 1] = code
    return table


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (with_codes(t9=3), r"holds 3 in trial 9; expected code 12 there.*from trial 5 on, with 1 of 21 trials"),
        (with_codes(t2=9), r"holds 9 in trial 2; expected no vocalisation there.*from trial 5 on, with 1 of 22"),
        (with_codes(t28=9, t10=0), r"holds 9 in trial 28; expected no vocalisation there"),
        (with_codes(t5=300), r"holds 300 in trial 5; expected code 3 there"),
    ],
)
def test_trials__a_code_out_of_order_names_the_trial(
    ucsf: UCSFRecordings, channel: Callable[..., Path], table: dict[str, Any], match: str
) -> None:
    channel(1, [], table)
    with pytest.raises(RecordingError, match=rf"Ch1_MUspk\.mat: field mVocStimcode of trial {match}.*bad_sessions"):
        ucsf.trials(ucsf.sessions[0], "mvocs")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.update(stimon=t["stimon"][:-1]), "28 values in field mVocStimcode but 27 in field stimon"),
        (lambda t: t["stimon"].__setitem__(8, np.nan), "field stimon of trial holds nan s in trial 9; expected finite"),
        (lambda t: t["stimon"].__setitem__(8, 0.0), "field stimon of trial holds 0 s in trial 9; .*never decrease"),
        (lambda t: t.pop("mVocStimcode"), "field mVocStimcode is missing"),
    ],
)
def test_trials__damaged_table_names_file_field_and_value(
    ucsf: UCSFRecordings, channel: Callable[..., Path], change: Callable[[dict[str, Any]], None], match: str
) -> None:
    table = handmade.trial_table()
    change(table)
    channel(1, [], table)
    with pytest.raises(RecordingError, match=rf"Ch1_MUspk\.mat: .*{match}"):
        ucsf.trials(ucsf.sessions[0], "mvocs")


def test_trials__onsets_of_other_classes_may_be_anything(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    table = handmade.trial_table()
    table["stimon"][[0, -1]] = np.nan
    channel(1, [], table)
    assert ucsf.trials(ucsf.sessions[0], "mvocs").stimulus == IDS


def test_spikes__belong_to_their_trials_in_any_order(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    found = [(9, 0.03), (2, 0.5), (FIRST_TRIAL, -0.2), (25, 0.04), (9, 0.01), (26, 0.1), (7, 0.02)]
    channel(2, found)
    spikes = ucsf.spikes(ucsf.sessions[0], "mvocs")
    pairs = sorted(zip(spikes.trial[1].tolist(), spikes.times[1].tolist(), strict=True))
    assert pairs == [(0, -0.2), (2, 0.02), (4, 0.01), (4, 0.03), (20, 0.04)]
    assert spikes.notes == ()

    counts = bin_spikes(spikes, ucsf.stimuli("mvocs"), 50, session="180413")
    assert {i: rows[:, 1].tolist() for i, rows in counts.train_trials.items() if rows[:, 1].any()} == {
        "2": [1, 0],
        "4": [2, 0],
        "20": [1, 0, 0, 0],
    }


def test_spikes__of_a_missing_trial_are_left_out(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    codes = handmade.ORDER.copy()
    codes[[0, 3]] = 0
    for number in (1, 2):
        channel(number, [(5, 0.1), (6, 0.2), (8, 0.3), (9, 0.4)], handmade.trial_table(codes))
    spikes = ucsf.spikes(ucsf.sessions[0], "mvocs")
    assert spikes.stimulus[:3] == ("1", "2", "4")
    assert spikes.times[0].tolist() == [0.2, 0.4]
    assert spikes.trial[0].tolist() == [0, 2]


@pytest.mark.parametrize("stimulus_set", ["timit", "mvocs"])
def test_spikes__before_the_first_trial_are_noted(
    ucsf: UCSFRecordings, channel: Callable[..., Path], stimulus_set: str
) -> None:
    channel(1, [(0, 3.0), (0, np.nan), (5, 0.1)])
    channel(2, [(6, 0.1), (0, 4.0)])
    spikes = ucsf.spikes(ucsf.sessions[0], stimulus_set)
    assert spikes.notes == ("3 spikes before the first trial",)
    assert [t.size for t in spikes.times] == ([1, 1] if stimulus_set == "mvocs" else [0, 0])


@pytest.mark.parametrize(
    ("spikes", "match"),
    [
        ([(5, 0.1), (29, 0.1)], "field trial of spike holds 29; .* to 28, the number of trials"),
        ([(5, 0.1), (6, np.inf)], "field stimlock of spike holds 1 times that are not finite"),
    ],
)
def test_spikes__unusable_ones_are_named(
    ucsf: UCSFRecordings, channel: Callable[..., Path], spikes: list[tuple[int, float]], match: str
) -> None:
    channel(2, spikes)
    with pytest.raises(RecordingError, match=rf"Ch2_MUspk\.mat: {match}"):
        ucsf.spikes(ucsf.sessions[0], "mvocs")


def test_spikes__channels_share_their_vocalisations(ucsf: UCSFRecordings, channel: Callable[..., Path]) -> None:
    codes = handmade.ORDER.copy()
    codes[-1] = 0
    channel(2, [], handmade.trial_table(codes))
    with pytest.raises(RecordingError, match=r"Ch2_MUspk\.mat: field mVocStimcode .*Ch1_MUspk\.mat of the same"):
        ucsf.spikes(ucsf.sessions[0], "mvocs")


def test_heard__vocalisations_were_not_played_in_two_sessions(ucsf: UCSFRecordings) -> None:
    assert [s.name for s in ucsf.heard("timit")] == ["180413", "190726"]
    assert [s.name for s in ucsf.heard("mvocs")] == ["180413"]


def test_stimulus_sets__are_those_whose_files_are_all_there(ucsf: UCSFRecordings) -> None:
    assert ucsf.stimulus_sets == ("mvocs",)
    (ucsf.path / "stimuli/out_sentence_details_timit_all_loudness.mat").touch()
    assert ucsf.stimulus_sets == ("timit", "mvocs")
    codes, wav = ucsf.sound_files("mvocs")
    wav.rename(codes.with_name("other.wav"))
    assert ucsf.stimulus_sets == ("timit",)
    with pytest.raises(RecordingError, match=r"MonkVocs_15Blocks\.wav: there is no such file"):
        ucsf.stimuli("mvocs")


def test_notes__a_pickle_is_ignored_and_said_to_be(ucsf: UCSFRecordings) -> None:
    missing = "no timit: stimuli/out_sentence_details_timit_all_loudness.mat not there"
    assert ucsf.notes == (missing,)
    before = ucsf.stimuli("mvocs")
    (ucsf.path / "stimuli/mVoc_stim_details.pkl").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    again = UCSFRecordings(ucsf.path)
    note, last = again.notes
    assert last == missing
    assert "mVoc_stim_details.pkl ignored: pickles are never read" in note
    assert again.stimuli("mvocs") == before

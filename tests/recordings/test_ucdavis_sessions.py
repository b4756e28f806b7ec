from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import Session
from distributed_trf.recordings.ucdavis import session_file
from distributed_trf.recordings.ucdavis.reader import UCDavisRecordings
from distributed_trf.recordings.ucdavis.session_file import read_session_file
from tests.recordings import handmade_ucdavis as handmade
from tests.recordings.handmade_ucdavis import ONE, TWO, A, B, C, D, experiment, struct_array, tetrodes, write_session

UNITS = ("101", "1001", "201", "4001", "4002")


@pytest.fixture
def ucdavis(tmp_path: Path) -> UCDavisRecordings:
    return UCDavisRecordings(handmade.write_recordings(tmp_path / "ucdavis"))


def test_sessions__units_are_codes_tetrode_by_tetrode(ucdavis: UCDavisRecordings) -> None:
    sessions = ucdavis.sessions
    assert [s.name for s in sessions] == [ONE, TWO]
    assert all((s.area, s.subject, s.channels) == ("unknown", "relayz", UNITS) for s in sessions)
    assert np.isnan([[s.x, s.y] for s in sessions]).all()
    assert ucdavis.notes == ()
    assert ucdavis.session_files(sessions[1]) == (ucdavis.path / "Data" / f"{TWO}.mat",)


def test_heard__is_what_the_experiments_say(ucdavis: UCDavisRecordings) -> None:
    assert [s.name for s in ucdavis.heard("timit")] == [ONE, TWO]
    assert [s.name for s in ucdavis.heard("mvocs")] == [ONE]


def test_sessions__every_file_is_read_once_and_not_before(
    ucdavis: UCDavisRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(
        session_file, "read_session_file", lambda path: read.append(path.stem) or read_session_file(path)
    )
    again = UCDavisRecordings(ucdavis.path)
    assert again.stimuli("timit")
    assert read == []
    assert again.sessions == again.heard("timit")
    assert again.notes == ()
    assert read == [ONE, TWO]
    assert UCDavisRecordings(ucdavis.path).sessions == again.sessions
    assert read == [ONE, TWO]
    (ucdavis.path / "Data" / f"{TWO}.mat").touch()
    assert UCDavisRecordings(ucdavis.path).sessions == again.sessions
    assert read == [ONE, TWO, TWO]


def test_sessions__hidden_and_foreign_files_are_none(ucdavis: UCDavisRecordings) -> None:
    (ucdavis.path / "Data" / f"._{ONE}.mat").write_bytes(b"a Mac was here")
    (ucdavis.path / "Data" / "notes.txt").write_bytes(b"")
    again = UCDavisRecordings(ucdavis.path)
    assert len(again.sessions) == 2
    assert again.notes == ()


def test_sessions__one_that_cannot_be_read_is_left_out_and_noted(ucdavis: UCDavisRecordings) -> None:
    file = ucdavis.path / "Data" / f"{ONE}.mat"
    file.write_bytes(file.read_bytes()[:2000])
    assert [s.name for s in ucdavis.sessions] == [TWO]
    (note,) = ucdavis.notes
    assert note.startswith(f"session {ONE} left out: {file}: ")
    assert "Copy it again" in note or "copy it again" in note
    with pytest.raises(RecordingError, match=rf"{ONE}\.mat: "):
        ucdavis.spikes(Session(ONE, "unknown", "relayz", 0.0, 0.0, UNITS), "timit")


def test_sessions__none_that_can_be_read(ucdavis: UCDavisRecordings) -> None:
    for name in (ONE, TWO):
        (ucdavis.path / "Data" / f"{name}.mat").write_bytes(b"nothing")
    with pytest.raises(RecordingError, match=rf"none of its 2 sessions can be read. The first says: .*{ONE}\.mat"):
        assert ucdavis.sessions
    assert len(ucdavis.notes) == 2


def without(struct: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in struct.items() if name not in names}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (tetrodes({101: [1.0], 5: [2.0]}, {5: [3.0], 101: [1.0]}), "codes of WM_2 holds 5, 101, which an earlier"),
        (tetrodes({0: [1.0, 2.0]}, {-3: [3.0]}), "no code above 0 in field codes of WM_1, WM_2, WM_3, WM_4"),
        ({"WM_2": {"codes": [1, 2], "times": [1.0]}}, "WM_2 has 2 values in field codes but 1 in field times"),
        ({"WM_2": {"codes": [1.5, 2], "times": [1.0, 2.0]}}, r"field codes of WM_2 holds 1\.5; expected whole"),
        ({"WM_2": {"codes": [np.inf], "times": [1.0]}}, "field codes of WM_2 holds inf; expected whole"),
        ({"WM_2": {"codes": [201]}}, "field times is missing; found codes"),
        ({"WM_2": None}, "variable WM_2 is missing"),
        ({"TrialStimData": None}, "variable TrialStimData is missing"),
        ({"TrialStimData": without(experiment("BMT3", [(A, 1.0)]), "StimulusType")}, "field StimulusType is missing"),
        (
            {"TrialStimData": struct_array([experiment("BMT3", [(A, 1.0)]), experiment("BMT3", [(A, 9.0)])])},
            "holds BMT3 in two structs",
        ),
        (
            {"TrialStimData": experiment("BMT3", [(A, 1.0)] * 2) | {"StimulusType": handmade.cell(["BMT3", "AM"])}},
            "field StimulusType of TrialStimData mixes AM, BMT3",
        ),
    ],
)
def test_sessions__what_leaves_the_units_or_experiments_unclear_is_named(
    ucdavis: UCDavisRecordings, changes: dict[str, Any], match: str
) -> None:
    file = write_session(ucdavis.path, **changes)
    with pytest.raises(RecordingError, match=rf"{ONE}\.mat: .*{match}"):
        read_session_file(file)
    assert [s.name for s in ucdavis.sessions] == [TWO]
    assert f"session {ONE} left out" in ucdavis.notes[0]


def test_sessions__a_tetrode_without_spikes_may_be_empty(ucdavis: UCDavisRecordings) -> None:
    file = write_session(ucdavis.path, WM_3=np.empty((0, 0)))
    assert tuple(map(str, read_session_file(file).spikes)) == UNITS


def test_trials__are_those_of_the_experiment_with_its_type(ucdavis: UCDavisRecordings) -> None:
    trials = ucdavis.trials(ucdavis.sessions[0], "timit")
    assert list(zip(trials.stimulus, trials.onset, strict=True)) == handmade.TIMIT_TRIALS
    trials = ucdavis.trials(ucdavis.sessions[0], "mvocs")
    assert list(zip(trials.stimulus, trials.onset, strict=True)) == handmade.MVOCS_TRIALS


def test_trials__other_experiments_are_ignored(ucdavis: UCDavisRecordings) -> None:
    structs = [experiment("AM", [("x", 1.0)]), experiment("BMT3", []), experiment("BMT12", [(A, 1.0)])]
    write_session(ucdavis.path, TrialStimData=struct_array(structs))
    assert ucdavis.trials(ucdavis.sessions[0], "timit").onset.tolist() == [1.0]
    with pytest.raises(
        RecordingError,
        match=rf"{ONE}\.mat: .* type BMM<repeats>.*mvocs was not presented in this session; it has timit",
    ):
        ucdavis.trials(ucdavis.sessions[0], "mvocs")


def test_trials__are_sorted_by_onset_and_keep_their_sounds(ucdavis: UCDavisRecordings) -> None:
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", handmade.TIMIT_TRIALS[::-1]))
    trials = ucdavis.trials(ucdavis.sessions[0], "timit")
    assert list(zip(trials.stimulus, trials.onset, strict=True)) == handmade.TIMIT_TRIALS


def test_trials__of_sounds_outside_the_set_are_left_out_and_noted(ucdavis: UCDavisRecordings) -> None:
    played = [("009-unused", 10.5), (A, 10.0), ("nothing", np.nan), (D, 12.0)]
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", played))
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    assert (spikes.stimulus, spikes.onset.tolist()) == ((A, D), [10.0, 12.0])
    assert spikes.notes == ("2 trials of sounds outside the stimulus set",)


def test_trials__none_of_the_set(ucdavis: UCDavisRecordings) -> None:
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", [("x", 1.0), ("y", 2.0)]))
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    assert (spikes.stimulus, spikes.onset.shape) == ((), (0,))
    assert [t.shape for t in spikes.times] == [(0,)] * 5


def test_trials__may_follow_each_other_at_once(ucdavis: UCDavisRecordings) -> None:
    end = 10.0 + handmade.N_SAMPLES[A] / 48_000
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", [(A, 10.0), (B, end - 1e-7)]))
    assert len(ucdavis.trials(ucdavis.sessions[0], "timit").onset) == 2


def test_trials__that_overlap_are_refused(ucdavis: UCDavisRecordings) -> None:
    played = [(C, 30.0), (A, 10.0), (D, 20.05), (B, 20.0), (B, 30.01)]
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", played))
    with pytest.raises(
        RecordingError,
        match=rf"{ONE}\.mat: field StimulusTimeOn holds 20\.050000 s in trial 3 \({D}\), but {B} before it lasted "
        r"until 20\.120000 s",
    ):
        ucdavis.spikes(ucdavis.sessions[0], "timit")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"StimulusTimeOn": [1.0]}, "2 values in field StimulusName but 1 in field StimulusTimeOn"),
        ({"StimulusTimeOn": [1.0, np.nan]}, "field StimulusTimeOn holds nan in trial 2; expected seconds"),
        ({"StimulusName": handmade.cell([A, 3.0])}, r"field StimulusName holds 3\.0 in trial 2; expected the path"),
    ],
)
def test_trials__damaged_content_is_named(ucdavis: UCDavisRecordings, changes: dict[str, Any], match: str) -> None:
    write_session(ucdavis.path, TrialStimData=experiment("BMT3", [(A, 10.0), (B, 11.0)]) | changes)
    with pytest.raises(RecordingError, match=rf"{ONE}\.mat: .*{match}"):
        ucdavis.trials(ucdavis.sessions[0], "timit")


def test_spikes__are_those_within_the_sounds(ucdavis: UCDavisRecordings) -> None:
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    found = {
        unit: [(k, round(t, 6)) for k, t in zip(trial.tolist(), times.tolist(), strict=True)]
        for unit, times, trial in zip(UNITS, spikes.times, spikes.trial, strict=True)
    }
    assert found == {
        "101": [(4, 0.02)],
        "1001": [(0, 0.05)],
        "201": [(2, 0.0)],  # a sound's window includes its onset
        "4001": [(6, 0.0), (6, 0.01)],
        "4002": [],
    }
    assert spikes.notes == ()
    calls = ucdavis.spikes(ucdavis.sessions[0], "mvocs")
    assert [t.tolist() for t in calls.trial] == [[], [], [0, 1], [], []]


@given(st.lists(st.tuples(st.sampled_from([101, 102, 1001]), st.integers(9_000, 18_000)), min_size=1, max_size=40))
def test_spikes__equal_a_slow_loop_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, fired: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_order"
    if not path.exists():
        handmade.write_recordings(path)
    wm = {"times": np.array([ms / 1000 for _, ms in fired]), "codes": np.array([code for code, _ in fired])}
    write_session(path, **tetrodes() | {"WM_2": wm})
    recordings = UCDavisRecordings(path)
    spikes = recordings.spikes(recordings.sessions[0], "timit")
    for unit, times, trial in zip(sorted({code for code, _ in fired}), spikes.times, spikes.trial, strict=True):
        expected = [
            (k, ms - round(1000 * onset))
            for k, (name, onset) in enumerate(handmade.TIMIT_TRIALS)
            for code, ms in fired
            if code == unit and 0 <= ms - round(1000 * onset) <= handmade.N_SAMPLES[name] / 48
        ]
        assert sorted(zip(trial.tolist(), np.round(1000 * times).tolist(), strict=True)) == sorted(expected)


def test_spikes__one_unit_one_spike_one_trial(ucdavis: UCDavisRecordings) -> None:
    write_session(ucdavis.path, **tetrodes({}, {}, {3001: [5.25]}), TrialStimData=experiment("BMT1", [(A, 5.0)]))
    assert ucdavis.sessions[0].channels == ("3001",)
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    assert spikes.stimulus == (A,)
    assert [t.tolist() for t in spikes.times] == [[]]  # the sound lasts 0.11 s
    write_session(ucdavis.path, **tetrodes({}, {}, {3001: [5.0625]}), TrialStimData=experiment("BMT1", [(A, 5.0)]))
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    assert [t.tolist() for t in spikes.times] == [[0.0625]]
    assert [t.tolist() for t in spikes.trial] == [[0]]


def test_spikes__are_binned_like_those_of_any_recording_set(ucdavis: UCDavisRecordings) -> None:
    spikes = ucdavis.spikes(ucdavis.sessions[0], "timit")
    counts = bin_spikes(spikes, ucdavis.stimuli("timit"), 50, session=ONE)
    assert counts.repeats == (3, 3)
    assert np.argwhere(counts.test_trials[A]).tolist() == [[0, 1, 1], [1, 0, 0], [2, 0, 3]]
    assert counts.test_trials[A][2, 0, 3] == 2


def test_spikes__left_out_are_noted(ucdavis: UCDavisRecordings) -> None:
    write_session(ucdavis.path, **tetrodes({101: [-0.5, 10.01, -2.0], 0: [10.0] * 3}, {201: [1e9], -1: [1.0]}))
    session = ucdavis.sessions[0]
    assert session.channels == ("101", "201")
    spikes = ucdavis.spikes(session, "timit")
    assert spikes.notes == ("2 spikes before the recording began", "4 spikes of no unit, with codes of 0 or less")
    assert [t.size for t in spikes.times] == [1, 0]


def test_spikes__times_that_are_not_finite_are_named(ucdavis: UCDavisRecordings) -> None:
    write_session(ucdavis.path, **tetrodes({101: [10.01], 102: [np.nan, 1.0, np.inf]}))
    assert ucdavis.sessions[0].channels == ("101", "102")  # known all the same
    with pytest.raises(RecordingError, match=rf"{ONE}\.mat: field times holds 2 times of unit 102 that are not finite"):
        ucdavis.spikes(ucdavis.sessions[0], "timit")


def test_spikes__other_stimulus_sets_are_refused(ucdavis: UCDavisRecordings) -> None:
    for read in (ucdavis.trials, ucdavis.spikes):
        with pytest.raises(ConfigError, match="'speech' is unknown; expected one of timit, mvocs"):
            read(ucdavis.sessions[0], "speech")


def test_spikes__version_7_3_is_said_to_be_hdf5(ucdavis: UCDavisRecordings) -> None:
    file = ucdavis.path / "Data" / f"{ONE}.mat"
    content = bytearray(file.read_bytes())
    content[124:128] = b"\x00\x02IM"
    file.write_bytes(content)
    assert [s.name for s in ucdavis.sessions] == [TWO]
    assert "HDF5" in ucdavis.notes[0]


@pytest.mark.parametrize("inner", ["Data", "TIMIT_48000", "NIMH_Mvoc_WFM"])
def test_reader__folder_within_the_recordings_says_which_is_meant(ucdavis: UCDavisRecordings, inner: str) -> None:
    with pytest.raises(RecordingError, match=rf"{inner}: expected a folder Data.*Give {ucdavis.path} instead"):
        UCDavisRecordings(ucdavis.path / inner)


def test_reader__folder_above_the_recordings_says_which_is_meant(ucdavis: UCDavisRecordings) -> None:
    with pytest.raises(RecordingError, match=rf"expected a folder Data.*Give {ucdavis.path} instead"):
        UCDavisRecordings(ucdavis.path.parent)


def test_reader__missing_or_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere: there is no such folder"):
        UCDavisRecordings(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="expected a folder Data.*Copy the recordings again"):
        UCDavisRecordings(tmp_path)
    (tmp_path / "Data").mkdir()
    with pytest.raises(RecordingError, match=r"Data: no file \*\.mat; expected one per session"):
        UCDavisRecordings(tmp_path)


def test_open_recordings__finds_the_reader_by_name(ucdavis: UCDavisRecordings) -> None:
    assert isinstance(open_recordings("ucdavis", ucdavis.path), UCDavisRecordings)

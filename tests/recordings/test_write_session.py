"""Sessions written from arrays are read as what they were; what could not be read is not written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import write_session
from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.reader import GenericRecordings
from tests.recordings.generic_files import write_sounds

STIMULI, ONSET = ["s1", "t1", "s3", "s10", "s2", "t1"], [1.0, 2.5, 3.25, 5.0, 6.0, 7.125]
ROWS = pd.DataFrame({"unit": ["a", "b", "c"], "x": [0.5, None, -2], "region": ["HG", None, "STG"], "more": [1, 2, 3]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_sounds(tmp_path)
    return tmp_path


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_signals__are_read_at_their_times_with_the_places_of_their_units(root: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    write_session(root, "one", STIMULI, ONSET, signals=signal, rate=100, units=ROWS, subject="p1", area="STG")
    recordings = GenericRecordings(root)
    (session,) = recordings.sessions
    assert (session.channels, session.subject, session.area) == (("a", "b", "c"), "p1", "STG")
    np.testing.assert_array_equal(session.unit_coords["x"], [0.5, np.nan, -2])
    assert session.unit_coords["region"] == ("HG", "", "STG")
    found = recordings.signals(session, "words")
    assert (found.stimulus, found.onset.tolist(), found.rate) == (tuple(STIMULI), ONSET, 100)
    (samples,) = found.stretches([(50, 700)])
    np.testing.assert_array_equal(samples, signal[50:700])


@settings(max_examples=10)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_values__are_those_of_their_stimuli_whatever_the_order(tmp_path_factory, n_units, seed) -> None:
    rng = np.random.default_rng(seed)
    root = tmp_path_factory.mktemp("values")
    write_sounds(root)
    stimulus = rng.permutation(["s1", "s2", "s10", "t1", "s3"] * 2).tolist()
    values = rng.normal(size=(len(stimulus), n_units))
    write_session(root, "one", stimulus, values=values)
    recordings = GenericRecordings(root)
    (session,) = recordings.sessions
    assert session.channels == tuple(map(str, range(n_units)))
    found = recordings.values(session, "words")
    of_each = {name: sorted(map(tuple, values[np.array(stimulus) == name])) for name in set(stimulus)}
    assert {
        name: sorted(map(tuple, found.values[np.array(found.stimulus) == name])) for name in set(found.stimulus)
    } == of_each


def test_spikes__are_read_with_the_units_that_have_none(root: Path) -> None:
    write_session(root, "one", STIMULI, ONSET, spikes={"u2": [1.1, 2.6], "silent": [], "u1": [7.2]})
    recordings = GenericRecordings(root)
    (session,) = recordings.sessions
    assert session.channels == ("u2", "silent", "u1")
    found = recordings.spikes(session, "words")
    assert [np.round(times, 6).tolist() for times in found.times] == [[0.1, 0.1], [], [0.075]]


def test_a_session_that_is_there__is_replaced_and_others_stay(root: Path) -> None:
    for name, subject in (("one", "p1"), ("two", "p2")):
        write_session(root, name, STIMULI, values=np.ones((6, 2)), subject=subject)
    kept = files(root / "sessions/two")
    write_session(root, "one", STIMULI, ONSET, spikes={"u1": [1.1]}, area="A1")
    assert files(root / "sessions/two") == kept
    assert sorted(path.name for path in (root / "sessions/one").iterdir()) == ["spikes.csv", "trials.csv", "units.csv"]
    assert [(s.name, s.subject, s.area) for s in GenericRecordings(root).sessions] == [
        ("one", "p1", "A1"),
        ("two", "p2", "unknown"),
    ]


def test_a_table_of_sessions__keeps_what_else_it_says(root: Path) -> None:
    (root / "sessions.csv").write_text("session,use,depth\n007,no,0.50\n")
    write_session(root, "one", STIMULI, values=np.ones((6, 2)), subject="p1")
    assert (root / "sessions.csv").read_text() == "session,use,depth,subject\n007,no,0.50,\none,,,p1\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": None}, "session one: nothing given as its responses; expected signals, values or spikes"),
        ({"signals": np.ones((900, 2)), "rate": 100}, "signals and values given"),
        ({"rate": 100}, "rate is that of signals, which are not given"),
        ({"values": None, "signals": np.ones((900, 2)), "onset": ONSET}, "session.yaml: rate is missing"),
        ({"values": None, "signals": "gone.npy", "rate": 100, "onset": ONSET}, "gone.npy: there is no such file"),
        ({"session": "a/b"}, "session 'a/b': is no name of a folder"),
        ({"values": np.ones((5, 2))}, "sessions/one/values.npy: has 5 rows, but trials.csv has 6"),
        ({"values": np.ones(6)}, r"values.npy: an array of shape \(6,\)"),
        ({"units": ["a", "b", "c"]}, "units.csv has 3 labels, but values.npy has 2 channels"),
        ({"units": pd.DataFrame({"label": ["a", "b"]})}, "units.csv: column unit is missing"),
        ({"stimulus_set": ["words"]}, "6 of stimulus, 1 of stimulus_set; expected one of each"),
        ({"values": None, "spikes": {"u": [1.0]}}, "onset is missing; expected the second at which each of the sounds"),
        ({"values": None, "spikes": {"u": [np.nan]}, "onset": ONSET}, "spikes.csv: .*row 2"),
        ({"values": None, "signals": np.ones((2, 900)), "rate": 100, "onset": ONSET}, "Transpose it"),
        ({"values": None, "signals": np.ones((900, 2)), "rate": -1, "onset": ONSET}, "session.yaml.*rate"),
    ],
)
def test_what_could_not_be_read__is_refused_and_nothing_changes(root: Path, changes, message) -> None:
    write_session(root, "one", STIMULI, values=np.zeros((6, 2)), subject="p1")
    before = files(root)
    given = {"session": "one", "stimulus": STIMULI, "values": np.ones((6, 2)), "subject": "other"} | changes
    with pytest.raises(RecordingError, match=message) as error:
        write_session(root, **given)
    assert "partial" not in str(error.value)
    assert files(root) == before


def test_signals_in_a_file__are_linked_to(root: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(900, 3))
    np.save(root / "mine.npy", signal)
    folder = write_session(root, "one", STIMULI, ONSET, signals=root / "mine.npy", rate=100)
    assert (folder / "signals.npy").is_symlink()
    recordings = GenericRecordings(root)
    (samples,) = recordings.signals(recordings.sessions[0], "words").stretches([(0, 900)])
    np.testing.assert_array_equal(samples, signal)


def test_signals_of_more_channels_than_samples__are_read_where_all_sounds_began_within_them(root: Path) -> None:
    write_session(root, "one", ["s1"], [2.0], signals=np.zeros((8, 50)), rate=0.5)
    assert len(GenericRecordings(root).sessions[0].channels) == 50

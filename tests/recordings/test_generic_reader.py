from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.generic.reader import GenericRecordings
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import Session, Stimulus, n_bins
from tests.recordings.generic_files import DURATIONS, TEST, TRAIN, TRIALS, write_csv_session, write_sounds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two sessions in CSV tables."""
    path = tmp_path / "mine"
    write_sounds(path)
    write_csv_session(path, "a")
    write_csv_session(path, "b", suffix=".csv.gz")
    return path


def table(path: Path, name: str, session: str = "a") -> Path:
    return path / "sessions" / session / f"{name}.csv"


def reason(path: Path) -> str:
    """Why session ``a`` is left out; the other one is there."""
    recordings = GenericRecordings(path)
    assert [s.name for s in recordings.sessions] == ["b"]
    (note,) = recordings.notes
    assert note.startswith("session a: left out: ")
    return note


def test_generic__is_a_format_by_name(path: Path) -> None:
    assert isinstance(open_recordings("generic", path), GenericRecordings)


def test_generic__sessions_are_described_by_the_optional_table(path: Path) -> None:
    (path / "sessions.csv").write_text("session,subject,area,x,y,use\nb,m2,A1,0.5,-1,yes\na, ,,,,\n")
    first, second = GenericRecordings(path).sessions
    assert second == Session("b", "A1", "m2", 0.5, -1.0, ("u2", "u10"))
    assert (first.name, first.area, first.subject) == ("a", "unknown", "unknown")
    assert np.isnan([first.x, first.y]).all()


def test_generic__bad_and_absent_sessions_are_noted(path: Path) -> None:
    (path / "sessions.csv").write_text("session,use\na,No\nb,\nc,yes\n")
    recordings = GenericRecordings(path)
    assert [s.name for s in recordings.sessions] == ["b"]
    assert recordings.notes == ("bad sessions left out: a", "sessions.csv names sessions without files: c")


def test_generic__files_are_those_that_are_read(path: Path) -> None:
    (path / "sessions/a/units.csv").write_text("unit\nu10\nu2\n")
    recordings = GenericRecordings(path)
    first, second = recordings.sessions
    assert recordings.session_files(first) == tuple(table(path, name) for name in ("trials", "spikes", "units"))
    assert [f.name for f in recordings.session_files(second)] == ["trials.csv.gz", "spikes.csv.gz"]
    assert [f.relative_to(path / "stimuli/words").as_posix() for f in recordings.sound_files("words")] == [
        "train/s1.wav",
        "train/s2.wav",
        "test/s3.wav",
        "train/s10.wav",
        "test/t1.wav",
    ]


def test_generic__only_sessions_that_heard_a_set_are_named_for_it(path: Path) -> None:
    write_sounds(path, "calls", {"x": 0.2}, {"y": 0.2})
    write_csv_session(path, "c", [("calls", "x", 1.0), ("words", "s1", 2.0)])
    recordings = GenericRecordings(path)
    assert recordings.stimulus_sets == ("calls", "words")
    assert [s.name for s in recordings.heard("calls")] == ["c"]
    assert [s.name for s in recordings.heard("words")] == ["a", "b", "c"]
    assert recordings.trials(recordings.sessions[2], "calls").stimulus == ("x",)
    assert recordings.trials(recordings.sessions[2], "words").onset.tolist() == [2.0]


@pytest.mark.parametrize("ask", ["stimuli", "sounds", "sound_files", "heard"])
def test_generic__other_stimulus_sets_are_refused(path: Path, ask: str) -> None:
    recordings = GenericRecordings(path)
    with pytest.raises(ConfigError, match="'timit' is unknown; this recording set offers words"):
        getattr(recordings, ask)("timit")
    with pytest.raises(ConfigError, match="'timit' is unknown"):
        recordings.trials(recordings.sessions[0], "timit")


def test_generic__trials_are_in_order_of_onset_and_need_no_spike_times(path: Path) -> None:
    pd.DataFrame(TRIALS[::-1], columns=["stimulus_set", "stimulus", "onset"]).to_csv(table(path, "trials"), index=False)
    table(path, "spikes").write_text("unit,time\nu2,never\n")
    recordings = GenericRecordings(path)
    trials = recordings.trials(recordings.sessions[0], "words")
    assert list(zip(trials.stimulus, trials.onset, strict=True)) == [(i, onset) for _, i, onset in TRIALS]


def test_generic__sessions_open_no_sound(path: Path) -> None:
    for file in path.rglob("*.wav"):
        file.write_bytes(b"not read")
    assert len(GenericRecordings(path).sessions) == 2


def test_generic__units_are_in_natural_order_and_keep_their_text(path: Path) -> None:
    table(path, "spikes").write_text("unit,time\n10,1\n2,1\n02,1\nNA,1\n")
    assert GenericRecordings(path).sessions[0].channels == ("02", "2", "10", "NA")


def test_generic__units_without_spikes_are_declared(path: Path) -> None:
    table(path, "units").write_text("unit\nsilent\nu10\nu2\n")
    recordings = GenericRecordings(path)
    session = recordings.sessions[0]
    assert session.channels == ("silent", "u10", "u2")
    assert [times.size for times in recordings.spikes(session, "words").times] == [0, 3, 2]


def test_generic__listed_units_spare_the_spikes(path: Path) -> None:
    table(path, "units").write_text("unit\nu10\n")
    table(path, "spikes").write_bytes(b"\0")
    assert GenericRecordings(path).sessions[0].channels == ("u10",)


def test_generic__a_spike_of_an_unlisted_unit_is_an_error(path: Path) -> None:
    table(path, "units").write_text("unit\nu2\n")
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=r"spikes\.csv: row 2 is of unit u10, which units\.csv does not list"):
        recordings.spikes(recordings.sessions[0], "words")


def test_generic__a_changed_table_is_read_again(path: Path) -> None:
    assert GenericRecordings(path).sessions[0].channels == ("u2", "u10")
    table(path, "spikes").write_text("unit,time\nother,1.0\n")
    assert GenericRecordings(path).sessions[0].channels == ("other",)


def test_generic__an_unchanged_table_is_read_once_in_a_process(path: Path) -> None:
    file = table(path, "units")
    file.write_text("unit\nu10\n")
    stat = file.stat()
    assert GenericRecordings(path).sessions[0].channels == ("u10",)
    file.write_text("unit\nu11\n")  # same length, same time: nothing tells them apart
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert GenericRecordings(path).sessions[0].channels == ("u10",)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert GenericRecordings(path).sessions[0].channels == ("u11",)


def test_generic__windows_end_half_a_second_after_the_sound_or_before_the_next(path: Path) -> None:
    write_sounds(path, "calls", {"x": 0.2}, {"y": 0.2})
    trials = [("words", "s1", 1.0), ("words", "t1", 3.0), ("calls", "nowhere", 3.6), ("words", "s2", 5.0)]
    spikes = [("u", t) for t in (0.99, 1.0, 1.499, 1.999, 2.001, 3.0, 3.5, 3.599, 3.6, 3.7, 5.0)]
    write_csv_session(path, "c", trials, spikes)
    recordings = GenericRecordings(path)
    found = recordings.spikes(recordings.sessions[2], "words")
    assert found.stimulus == ("s1", "t1", "s2")
    assert found.trial[0].tolist() == [0, 0, 0, 1, 1, 1, 2]
    np.testing.assert_allclose(found.times[0], [0, 0.499, 0.999, 0, 0.5, 0.599, 0], atol=1e-12)


def test_generic__a_spike_at_the_next_onset_belongs_to_the_next_trial_only(path: Path) -> None:
    write_csv_session(path, "c", [("words", "s1", 1.0), ("words", "t1", 1.5)], [("u", 1.5), ("u", 1.4999)])
    recordings = GenericRecordings(path)
    found = recordings.spikes(recordings.sessions[2], "words")
    assert found.trial[0].tolist() == [0, 1]


def test_generic__overlapping_trials_are_named(path: Path) -> None:
    trials = [("words", "t1", 3.0), ("words", "s1", 1.0), ("calls", "x", 1.4)]
    write_csv_session(path, "c", trials)
    recordings = GenericRecordings(path)
    expected = r"trials\.csv: the sound of row 3 ends at 1.5 s, but that of row 4 begins at 1.4 s"
    for ask in (recordings.trials, recordings.spikes):
        with pytest.raises(RecordingError, match=expected):
            ask(recordings.sessions[2], "words")


def test_generic__onsets_may_be_rounded_to_milliseconds(path: Path) -> None:
    write_csv_session(path, "c", [("words", "s1", 1.0), ("words", "t1", 1.4995)])
    recordings = GenericRecordings(path)
    assert len(recordings.trials(recordings.sessions[2], "words").stimulus) == 2


@given(
    order=st.lists(st.sampled_from(sorted(DURATIONS)), max_size=8),
    gaps=st.lists(st.floats(0, 0.8), min_size=30, max_size=30),
    spikes=st.lists(st.tuples(st.sampled_from(["1", "2", "10"]), st.floats(-1, 12)), max_size=60),
    bin_width=st.sampled_from([5.0, 50.0, 130.0, 700.0]),
)
def test_generic__counts_follow_the_rules_for_any_trials_and_spikes(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[str],
    gaps: list[float],
    spikes: list[tuple[str, float]],
    bin_width: float,
) -> None:
    path = tmp_path_factory.mktemp("any")
    write_sounds(path)
    heard = [*TEST, "s2", *order, *TEST]
    ends = np.cumsum([round(DURATIONS[i] + gap, 4) for i, gap in zip(heard, gaps, strict=False)])
    onsets = [0.0, *np.round(ends, 4).tolist()]
    trials = [("words", i, onset) for i, onset in zip(heard, onsets, strict=False)]
    spikes = [(unit, round(t, 4) + 3e-5) for unit, t in spikes]  # no spike on a border
    write_csv_session(path, "a", trials[::-1], spikes, units=("10", "1", "2"))
    recordings = GenericRecordings(path)
    (session,) = recordings.sessions
    counts = bin_spikes(
        recordings.spikes(session, "words"), recordings.stimuli("words"), bin_width, session=session.name
    )

    def expected(k: int) -> np.ndarray:
        """Bins of a trial, one spike at a time."""
        bins = np.zeros((n_bins(DURATIONS[heard[k]], bin_width), 3))
        limit = onsets[k + 1] if k + 1 < len(heard) else np.inf
        for unit, t in spikes:
            for b in range(len(bins)):
                start = onsets[k] + b * bin_width / 1000
                bins[b, ("10", "1", "2").index(unit)] += start <= t < min(start + bin_width / 1000, limit)
        return bins

    for i in TEST:
        repeats = [expected(k) for k, other in enumerate(heard) if other == i]
        np.testing.assert_array_equal(counts.test_trials[i], repeats)
    for i in TRAIN:
        if i in heard:
            np.testing.assert_array_equal(counts.train_trials[i], expected(heard.index(i)))
    assert set(counts.train_ids) == set(heard) - set(TEST)


def test_generic__trials_of_unknown_sounds_are_counted(path: Path) -> None:
    more = [("words", f"new{k}", 10.0 + k) for k in range(4)] + [("tones", "s1", 20.0)]
    pd.DataFrame(TRIALS + more, columns=["stimulus_set", "stimulus", "onset"]).to_csv(
        table(path, "trials"), index=False
    )
    recordings = GenericRecordings(path)
    assert recordings.notes == (
        "session a: 5 of 10 trials left out, for their sounds are not in stimuli: "
        "words/new0, words/new1, words/new2 and 2 more",
    )
    assert len(recordings.trials(recordings.sessions[0], "words").stimulus) == 5


def test_generic__a_session_of_unknown_sounds_only_is_left_out(path: Path) -> None:
    table(path, "trials").write_text("stimulus_set,stimulus,onset\nwords,s1.wav,1\n")
    assert "none of its 1 trials is of a sound in stimuli; found words/s1.wav; expected" in reason(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is empty; expected names of columns"),
        ("stimulus_set,stimulus,onset\n", "holds no trials"),
        (
            "stimulus_set;stimulus;onset\nwords;s1;1\n",
            "missing; found stimulus_set;stimulus;onset. Expected the columns",
        ),
        ("stimulus_set,onset,name\nwords,1,s1\n", "column stimulus is missing; found stimulus_set, onset, name."),
        ("stimulus_set,sound,onset\nwords,s1,1\n", "Expected the columns stimulus_set (optional), stimulus, onset,"),
        ("stimulus_set,stimulus,onset\nwords,s1,1\n\nwords,s2,soon\n", "column onset holds 'soon' in row 4; expected"),
        ("stimulus_set,stimulus,onset\nwords,s1,True\n", "column onset holds 'True' in row 2"),
        (
            "stimulus_set,stimulus,onset\nwords,s1,\nwords,s1,\n",
            "onset holds nothing in row 2 and no number in 1 others",
        ),
        ("stimulus_set,stimulus,onset\nwords,s1,inf\n", "column onset holds 'inf' in row 2"),
        ("stimulus_set,stimulus,onset\nwords,s1,1\nwords,,2\n", "column stimulus holds nothing in row 3"),
        ("stimulus_set,stimulus,onset\n ,s1,1\n", "column stimulus_set holds nothing in row 2"),
        ("stimulus_set,stimulus,onset\nwords,s1,1\nwords,s2,0,5\n", "row 3 has more values than the 3 columns"),
        ("stimulus_set,stimulus,onset\nwords,s1,0,5,3\n", "row 2 has more values than the 3 columns"),
        ("stimulus_set,stimulus,onset\nwords,s1,1\nwords,s1,0,5,3\n", "not a readable CSV table (ParserError"),
        ("stimulus_set,stimulus,onset,onset \nwords,s1,1,1\n", "not a readable CSV table (ValueError: Duplicate"),
        ("stimulus_set,stimulus,onset\nwords,s2,2\nwords,s1,1\nwords,t1,2\n", "rows 2 and 4 have the same onset, 2 s"),
    ],
)
def test_generic__bad_trials_leave_the_session_out(path: Path, content: str, match: str) -> None:
    table(path, "trials").write_text(content)
    assert match in reason(path)
    assert str(table(path, "trials")) in reason(path)


def test_generic__trials_of_the_one_set_need_not_name_it(path: Path) -> None:
    table(path, "trials").write_text("stimulus,onset\ns1,1\nt1,2\n")
    recordings = GenericRecordings(path)
    assert recordings.trials(recordings.sessions[0], "words").stimulus == ("s1", "t1")
    write_sounds(path, "calls", {"x": 0.2}, {"y": 0.2})
    assert "column stimulus_set is missing; found stimulus, onset. Expected the columns stimulus_set, " in reason(path)


def test_generic__what_its_own_files_leave_out_is_unusable_but_for_bad_sessions(path: Path) -> None:
    write_csv_session(path, "c")
    for session in ("a", "c"):
        table(path, "trials", session).write_text("sound,onset\ns1,1\n")
    recordings = GenericRecordings(path)
    assert list(recordings.unusable) == ["a", "c"]
    assert f"{table(path, 'trials')}: column stimulus is missing" in recordings.unusable["a"]
    (path / "sessions.csv").write_text("session,use\na,no\nc,yes\n")
    assert list(GenericRecordings(path).unusable) == ["c"]


def test_generic__tables_may_have_a_byte_order_mark_spaces_and_further_columns(path: Path) -> None:
    table(path, "trials").write_text(
        "\ufeffstimulus_set , block,onset,stimulus,,\n words,1, 2.5,s1 ,,\n\n", encoding="utf-8"
    )
    recordings = GenericRecordings(path)
    trials = recordings.trials(recordings.sessions[0], "words")
    assert (trials.stimulus, trials.onset.tolist()) == (("s1",), [2.5])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is empty"),
        ("unit,time\n", "holds no unit"),
        ("channel,time\n1,1\n", "column unit is missing; found channel, time. Expected the columns unit, time"),
        ("unit,time\n1,1\n,2\n", "column unit holds nothing in row 3"),
    ],
)
def test_generic__bad_units_leave_the_session_out(path: Path, content: str, match: str) -> None:
    table(path, "spikes").write_text(content)
    assert match in reason(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("unit,onset\n1,1\n", "column time is missing; found unit, onset"),
        ("unit,time\n1,1\n1,x\n", "column time holds 'x' in row 3"),
        ("unit,time\n1,1\n1,nan\n1,-inf\n", "column time holds 'nan' in row 3 and no number in 1 others"),
        ("unit,time\n1,1\n1\n", "column time holds nothing in row 3"),
    ],
)
def test_generic__bad_spikes_name_the_row(path: Path, content: str, match: str) -> None:
    table(path, "spikes").write_text(content)
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=rf"spikes\.csv: {match}"):
        recordings.spikes(recordings.sessions[0], "words")
    assert recordings.spikes(recordings.sessions[1], "words").stimulus


def remove_trials(path: Path) -> None:
    table(path, "trials").unlink()


def remove_spikes(path: Path) -> None:
    table(path, "spikes").unlink()


def two_tables(path: Path) -> None:
    (path / "sessions/a/trials.csv.gz").write_bytes(b"")


def cut_gz(path: Path) -> None:
    table(path, "trials").unlink()
    whole = (path / "sessions/b/trials.csv.gz").read_bytes()
    (path / "sessions/a/trials.csv.gz").write_bytes(whole[:-20])


def no_gz(path: Path) -> None:
    table(path, "trials").rename(path / "sessions/a/trials.csv.gz")


def latin(path: Path) -> None:
    table(path, "trials").write_bytes("stimulus_set,stimulus,onset\nwörds,s1,1\n".encode("latin-1"))


def repeat_unit(path: Path) -> None:
    table(path, "units").write_text("unit\nu2\nu10\nu2\n")


def both_kinds(path: Path) -> None:
    (path / "sessions/a.nwb").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (remove_trials, "no trials.csv or trials.csv.gz"),
        (remove_spikes, "no spikes.csv or spikes.csv.gz"),
        (two_tables, "holds trials.csv and trials.csv.gz; expected one of them"),
        (cut_gz, "trials.csv.gz: not a readable CSV table (EOFError"),
        (no_gz, "trials.csv.gz: not a readable CSV table (BadGzipFile"),
        (latin, "trials.csv: not a readable CSV table (UnicodeDecodeError"),
        (repeat_unit, "units.csv: unit u2 is there again in row 4"),
        (both_kinds, "session a is there as "),
    ],
)
def test_generic__damaged_files_leave_the_session_out(path: Path, damage: Callable[[Path], None], match: str) -> None:
    damage(path)
    assert match in reason(path)


def test_generic__without_a_usable_session_all_reasons_are_told(path: Path) -> None:
    table(path, "trials").unlink()
    (path / "sessions.csv").write_text("session,use\nb,no\n")
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=r"no session to use.*left out: b; session a: left out: .*no trials\.csv"):
        _ = recordings.sessions


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            "name\na\n",
            r"column session is missing; found name\. Expected the columns session, subject \(optional\), area",
        ),
        ("session\na\nb\na\n", "session a is there again in row 4"),
        ("session,use\na,perhaps\n", "column use holds 'perhaps' in row 2; expected yes, no or nothing"),
        ("session,x\na,left\n", "column x holds 'left' in row 2"),
    ],
)
def test_generic__a_wrong_table_of_sessions_is_named(path: Path, content: str, match: str) -> None:
    (path / "sessions.csv").write_text(content)
    with pytest.raises(RecordingError, match=rf"sessions\.csv: {match}"):
        GenericRecordings(path)


def test_generic__hidden_files_are_none_of_ours(path: Path) -> None:
    before = GenericRecordings(path)
    for name in ("stimuli/.DS_Store", "stimuli/words/train/._s1.wav", "sessions/._c.nwb", "sessions/.DS_Store"):
        (path / name).write_bytes(b"a Mac was here")
    (path / "sessions/notes.txt").write_text("not a session")
    after = GenericRecordings(path)
    assert after.stimuli("words") == before.stimuli("words")
    assert (after.sessions, after.notes) == (before.sessions, ())


def test_generic__stimuli_are_sorted_by_name_with_numbers_as_numbers(path: Path) -> None:
    assert GenericRecordings(path).stimuli("words") == tuple(
        Stimulus(i, DURATIONS[i], i in TEST) for i in ("s1", "s2", "s3", "s10", "t1")
    )


def test_generic__the_wrong_folder_says_which_is_meant(path: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere: there is no such folder"):
        GenericRecordings(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match=rf"stimuli and sessions is missing.*Give {path} instead"):
        GenericRecordings(tmp_path)
    with pytest.raises(RecordingError, match="stimuli and sessions is missing.*Add it, or correct the path"):
        GenericRecordings(path / "stimuli")


def test_generic__a_stimulus_set_needs_training_and_test_sounds(path: Path) -> None:
    (path / "stimuli/more").mkdir()
    with pytest.raises(RecordingError, match="more/train: found no such folder; expected at least one sound"):
        GenericRecordings(path)
    (path / "stimuli/more/train").mkdir()
    (path / "stimuli/more/train/x.mp3").touch()
    with pytest.raises(RecordingError, match=r"more/train: found x\.mp3; expected at least one sound"):
        GenericRecordings(path)


def test_generic__no_stimulus_set(path: Path) -> None:
    (path / "stimuli").rename(path.parent / "elsewhere")
    (path / "stimuli").mkdir()
    with pytest.raises(RecordingError, match="stimuli: holds no folder; expected one per stimulus set"):
        GenericRecordings(path)


def test_generic__an_id_in_train_and_test_is_an_error(path: Path) -> None:
    sounds = path / "stimuli/words"
    (sounds / "test/s1.wav").write_bytes((sounds / "train/s1.wav").read_bytes())
    with pytest.raises(RecordingError, match=r"stimulus s1 is there as train/s1\.wav and as test/s1\.wav"):
        GenericRecordings(path)

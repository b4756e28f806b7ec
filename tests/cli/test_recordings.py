"""``dtrf recordings``: the table at 80 columns, the raster, mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from distributed_trf.cli import recordings as command
from distributed_trf.cli.app import app
from tests.hand_made import HandMade
from tests.recordings.generic_files import write_csv_session, write_sounds
from tests.small_recordings import write_repeats

CLOCK = ("session", "sounds", "(s)", "spikes", "(s)", "spikes/s", "in", "sounds")


@pytest.fixture
def dtrf(monkeypatch):
    def run(*arguments):
        monkeypatch.setattr(command.out, "width", 80)
        return CliRunner().invoke(app, ["recordings", *arguments])

    return run


@pytest.fixture
def by_hand(monkeypatch):
    """Let every folder hold a recording set made by hand."""

    def apply(recordings):
        monkeypatch.setattr(command, "guess_format", lambda _: ("mine", recordings))

    return apply


def test_recordings__prints_a_table_of_80_columns(dtrf, workplace):
    done = dtrf("recordings")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "recordings (ucsf)"
    assert lines[2].startswith("timit: 14 training sounds (")
    assert lines[3].split() == ["session", "area", "subject", "units", "trials", "train", "missing", "test", "repeats"]
    assert lines[4].split() == ["180413", "non-primary", "b_RH", "3", "124", "14", "0", "10", "11"]
    assert lines[5].split() == ["180501", "core", "b_RH", "3", "124", "14", "0", "10", "11"]
    assert lines[6].split() == ["session", "sounds", "(s)", "spikes", "(s)", "spikes/s", "in", "sounds"]
    assert [line.split()[0] for line in lines[7:9]] == ["180413", "180501"]
    assert lines[9] == "2 sessions, 6 units"
    assert [line.rstrip() for line in lines[10:]] == [
        "",
        "notes",
        "  bad sessions left out: 200617",
        "  no mvocs: stimuli/SqMoPhys_MVOCStimcodes.mat and stimuli/MonkVocs_15Blocks.wav",
        "  not there",
    ]


def test_recordings__says_of_signals_and_values_what_they_have(dtrf, tmp_path):
    write_sounds(tmp_path)
    for session in ("s", "spikes", "v"):
        folder = write_csv_session(tmp_path, session)
        if session != "spikes":
            (folder / "spikes.csv").unlink()
    np.save(tmp_path / "sessions/s/signals.npy", np.c_[np.random.default_rng(0).normal(size=(700, 2)), np.ones(700)])
    (tmp_path / "sessions/s/session.yaml").write_text("rate: 100\n")
    (tmp_path / "sessions/v/trials.csv").unlink()
    (tmp_path / "sessions/v/values.csv").write_text("stimulus,a,b\ns1,1,2\nt1,2,\ns3,1,1\n")
    done = dtrf(str(tmp_path))
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines() if line]
    at = rows.index(["session", "sounds", "(s)", "signal", "(s)", "Hz", "flat", "units", "with", "gaps"])
    assert rows[at + 1 : at + 4] == [
        ["s", "1", "to", "6.87", "0", "to", "7", "100", "1", "0"],
        ["session", "flat", "units", "with", "gaps"],
        ["v", "0", "1"],  # values have no times
    ]
    assert [row[0] for row in rows[at - 2 : at]] == ["session", "spikes"]


def test_recordings__says_that_no_sounds_are_kept_for_testing(dtrf, tmp_path):
    write_repeats(tmp_path)
    tones = tmp_path / "stimuli/tones"
    for file in [*tones.glob("*/*.wav")]:
        file.rename(tones / file.name)
    for part in ("train", "test"):
        (tones / part).rmdir()
    done = dtrf(str(tmp_path))
    assert "tones: 9 sounds (8.1 s), none for testing; test a study by splits" in done.stdout


def test_recordings__one_block_per_stimulus_set_then_notes_and_problems(dtrf, by_hand):
    by_hand(HandMade())
    done = dtrf("anywhere")
    assert done.exit_code == 0
    words, calls, notes, problems = done.stdout.split("\n\n")[1:]
    head, _, *rows, last = words.splitlines()
    assert head == "words: 3 training sounds (1.8 s), 2 test sounds (0.5 s)"
    assert [row.split() for row in rows] == [
        ["s1", "A1", "mia", "2", "7", "2", "1", "2", "1-4"],
        list(CLOCK),
        ["s1", *["10", "to", "22.2", "9.985", "to", "22.1", "1.156", "50%"]],
    ]
    assert last == "1 of 2 sessions, 2 units"
    head, _, *rows, last = calls.splitlines()
    assert head == "calls: 1 training sounds (0.4 s), 2 test sounds (1.0 s)"
    assert [row.split()[0] for row in rows] == ["s1", "s2", "session", "s1", "s2"]
    assert [row.split()[-1] for row in rows[:2]] == ["2-3", "1-2"]
    assert last == "2 sessions, 3 units"
    assert notes == "notes\n  session s0 left out: [noise] only"
    assert [line.rstrip() for line in problems.splitlines()] == [
        "problems",
        "  words, session s1: test stimuli presented once only, which leaves no pair of",
        "  repeats: u",
        "  calls, session s2: test stimuli presented once only, which leaves no pair of",
        "  repeats: w",
    ]


def test_recordings__long_names_are_folded_not_cut(dtrf, by_hand):
    recordings = HandMade()
    name = "session-[a]-of-a-very-long-name-that-no-column-is-made-for-0123456789-0123456789"
    recordings.sessions = (recordings.sessions[0].__class__(name, "belt", "leo", np.nan, np.nan, ("u1",)),)
    recordings.heard_ = {(name, "words"): "abctu" * 300}
    by_hand(recordings)
    table = dtrf("anywhere").stdout.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= 80
    where = [k for k, line in enumerate(table) if line.startswith("session  ")]
    for rows in (table[where[0] + 1 : where[1]], table[where[1] + 1 : -1]):
        assert "".join(line.split()[0] for line in rows) == name
    assert table[2].split()[-6:] == ["1", "1500", "3", "0", "2", "300"]


def test_recordings__a_damaged_session_is_listed_and_ends_with_1(dtrf, workplace):
    session = sorted((workplace / "recordings/sessions").iterdir())[0]
    next(session.glob("*Ch1_*")).write_bytes(b"no matlab file")
    done = dtrf("recordings", "--format", "ucsf")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[4].split() == ["180413", "non-primary", "b_RH", "3", "-", "-", "-", "-", "-"]
    assert lines[5].split()[-6:] == ["3", "124", "14", "0", "10", "11"]
    problem = " ".join("".join(done.stdout.partition("problems\n")[2]).split())
    assert problem.startswith("timit, session 180413: recordings/sessions/180413/b_180413_Ch1_MUspk.mat: ")
    assert problem.endswith("Copy it again")


def test_raster__is_drawn_into_a_file_named_after_its_three(dtrf, workplace):
    done = dtrf("recordings", "--raster", "180413", "Ch2", "12", "--dpi", "50")
    assert done.exit_code == 0
    assert done.stdout == "figure: raster_180413_Ch2_12.png\n"
    assert (workplace / "raster_180413_Ch2_12.png").read_bytes().startswith(b"\x89PNG")
    assert dtrf("recordings", "--raster", "180413", "Ch2", "12", "--output", "one.svg").exit_code == 0
    assert (workplace / "one.svg").exists()


def test_raster__file_name_has_no_folders(dtrf, by_hand, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recordings = HandMade()
    recordings.sessions = (recordings.sessions[0].__class__("a/b c", "belt", "leo", np.nan, np.nan, ("u1",)),)
    recordings.heard_ = {("a/b c", "calls"): "a"}
    by_hand(recordings)
    arguments = ("--raster", "a/b c", "u1", "a", "--dpi", "50")
    done = dtrf("anywhere", *arguments)
    assert done.exit_code == 2
    assert "in words and calls" in done.stderr
    assert dtrf("anywhere", *arguments, "--stimuli", "calls").stdout == "figure: raster_a-b-c_u1_a.png\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["configs"], "ucsf: configs: expected sessions_metadata.yml"),
        (["recordings", "--format", "uscf"], "'uscf' is unknown; expected one of"),
        (["recordings", "--raster", "1", "Ch2", "12"], "'1' is not there; expected one of 180413, 180501"),
        (["recordings", "--raster", "180413", "Ch9", "12"], "'Ch9' is not there; expected one of Ch1, Ch2, Ch3"),
        (
            ["recordings", "--raster", "180413", "Ch2", "900"],
            "'900' is not there; expected of timit 1, 2, 3, 4, 5, 6, 7, 8 and 16 more",
        ),
        (["recordings", "--raster", "180413", "Ch2", "12", "--output", "a.bmp"], "a.bmp is not a file ending in png"),
        (["recordings", "--raster", "180413", "Ch2", "12", "--output", "none/a.png"], "in a folder that exists"),
        (["recordings", "--stimuli", "timit"], "needs --raster"),
    ],
)
def test_mistake__is_one_message_and_ends_with_2(dtrf, workplace, arguments, said):
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr

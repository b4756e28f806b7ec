"""Transcripts survive being cut off in the middle of a line."""

from __future__ import annotations

from distributed_trf.speech_recognition.word_errors import Transcript, TranscriptFile

ONE = Transcript("a", "hello", "hallo", cut=False)
TWO = Transcript("b", "größer\nzwei", "zwo", cut=True)


def test_transcripts__come_back_by_id(tmp_path):
    file = TranscriptFile(tmp_path / "deep/x.jsonl")
    assert file.read() == {}
    file.append([ONE])
    file.append([TWO])
    assert TranscriptFile(file.path).read() == {"a": ONE, "b": TWO}


def test_half_a_line__is_neither_read_nor_in_the_way(tmp_path):
    file = TranscriptFile(tmp_path / "x.jsonl")
    file.append([ONE, TWO])
    whole = file.path.read_bytes()
    for n in range(len(whole)):
        file.path.write_bytes(whole[:n])
        assert file.read() == {k: v for k, v in {"a": ONE, "b": TWO}.items() if n > whole.index(b"\n") and k == "a"}
        file.append([TWO])
        assert file.read()["b"] == TWO
        assert ("a" in file.read()) == (n > whole.index(b"\n"))

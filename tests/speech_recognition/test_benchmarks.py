"""Benchmarks are read as their publishers lay them out."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from distributed_trf.errors import DataError
from distributed_trf.speech_recognition.benchmarks import FORMATS, FileAudio, read_benchmark
from tests.speech_recognition import utterances

EXPECTED = {
    "librispeech": [("61-70968-0000", "HELLO WORLD", 0), ("61-70968-0001", "IT IS MISTER JONES'S COLOUR", 1),
                    ("61-70968-0002", "TWENTY FIVE", 2)],
    "tedlium": [("Talk_2010-0.00", "hello world", 0), ("Talk_2010-1.80", "twenty five", 3)],
    "common_voice": [("common_voice_en_1.mp3", '"Hello," she said.', 0), ("common_voice_en_2.mp3", "Twenty-five.", 1)],
    "voxpopuli": [("20120101-a", "hello world", 0), ("20120101-b", "twenty five", 1)],
    "datasets": [("u1", "hello world", 0), ("u2", "twenty five", 1)],
}  # fmt: skip
"""Id, text, and which tone it is."""


def written(format, root):
    return getattr(utterances, "saved_dataset" if format == "datasets" else format)(root)


def test_every_format__is_tested():
    assert set(EXPECTED) == set(FORMATS)


@pytest.mark.parametrize("format", EXPECTED)
def test_benchmark__gives_each_utterance_with_its_words_and_sound(format, tmp_path):
    found = read_benchmark(format, written(format, tmp_path))
    assert [(u.id, u.text) for u in found] == [x[:2] for x in EXPECTED[format]]
    for utterance, (_, _, k) in zip(found, EXPECTED[format], strict=True):
        sound = utterance.audio.read(16_000)
        assert sound.dtype == np.float64
        assert abs(sound.shape[0] - 9600) <= 16_000 * 0.1  # lossy formats pad
        middle = sound[2000:8000] * np.hanning(6000)
        assert np.argmax(np.abs(np.fft.rfft(middle, 16_000))) == pytest.approx(200 * (k + 1), abs=2)
        assert 0.2 < np.abs(sound).max() < 0.4


def test_stereo_and_other_rates__become_mono_at_the_rate_asked(tmp_path):
    both = np.stack([utterances.tone(0, 48_000), np.zeros(28_800)], axis=1)
    soundfile.write(tmp_path / "x.wav", both, 48_000, subtype="DOUBLE")
    found = FileAudio(tmp_path / "x.wav").read(16_000)
    np.testing.assert_allclose(found, utterances.tone(0) / 2, atol=1e-6)


def test_folder_that_is_not_there__is_named(tmp_path):
    with pytest.raises(DataError, match=r"missing: there is no such folder; give the unpacked tedlium as `path`"):
        read_benchmark("tedlium", tmp_path / "missing")


@pytest.mark.parametrize("format", ["librispeech", "tedlium"])
def test_folder_of_something_else__is_named(format, tmp_path):
    with pytest.raises(DataError, match=f"holds no utterance in the layout of {format}"):
        read_benchmark(format, tmp_path)


@pytest.mark.parametrize(("format", "table"), [("common_voice", "test.tsv"), ("voxpopuli", "asr_test.tsv")])
def test_table__that_is_missing_or_lacks_a_column_is_named(format, table, tmp_path):
    folder = written(format, tmp_path)
    lines = (folder / table).read_text()
    (folder / table).write_text(lines.replace("sentence", "words").replace("normalized_text", "words"))
    with pytest.raises(DataError, match=rf"{table}: no column (sentence|normalized_text); it has .*words"):
        read_benchmark(format, folder)
    (folder / table).unlink()
    with pytest.raises(DataError, match=f"{table}: there is no such file"):
        read_benchmark(format, folder)


def test_audio_that_a_table_lists__must_be_there(tmp_path):
    folder = written("voxpopuli", tmp_path)
    (folder / "2012/20120101-b.ogg").unlink()
    with pytest.raises(DataError, match="no audio of 20120101-b"):
        read_benchmark("voxpopuli", folder)
    folder = written("librispeech", tmp_path)
    (folder / "61/70968/61-70968-0001.flac").write_bytes(b"no sound")
    (folder / "61/70968/61-70968-0002.flac").unlink()
    found = read_benchmark("librispeech", folder)
    with pytest.raises(DataError, match=r"61-70968-0001\.flac: cannot be read as sound"):
        found[1].audio.read(16_000)
    with pytest.raises(DataError, match=r"61-70968-0002\.flac: there is no such file"):
        found[2].audio.read(16_000)


def test_stretch_behind_the_end__is_named(tmp_path):
    folder = written("tedlium", tmp_path)
    with pytest.raises(DataError, match="there is no sound from 9 s on"):
        FileAudio(folder / "sph/Talk_2010.sph", 9.0, 9.5).read(16_000)


def test_saved_splits_together__ask_for_one(tmp_path):
    from datasets import Dataset, DatasetDict

    DatasetDict({"test": Dataset.from_dict({"audio": ["x"], "text": ["y"]})}).save_to_disk(str(tmp_path / "all"))
    with pytest.raises(DataError, match="holds the splits test; give the folder of one"):
        read_benchmark("datasets", tmp_path / "all")
    Dataset.from_dict({"sound": ["x"]}).save_to_disk(str(tmp_path / "other"))
    with pytest.raises(DataError, match="columns are sound; expected audio"):
        read_benchmark("datasets", tmp_path / "other")

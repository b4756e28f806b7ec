from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.reader import GenericRecordings
from distributed_trf.recordings.generic.sounds import read_headers, read_sound
from tests.recordings.generic_files import write_sounds


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.wav"


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
        (np.array([-(2**15), 0, 2**15 - 1], np.int16), [-1, 0, 1 - 2**-15]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([-1.5, 0.25], np.float32), [-1.5, 0.25]),
        (np.array([-1.5, 0.1]), [-1.5, 0.1]),
    ],
)
def test_sound__is_scaled_by_its_type(file: Path, samples: np.ndarray, expected: list[float]) -> None:
    wavfile.write(file, 8000, samples)
    sound = read_sound(file)
    assert sound.dtype == np.float64
    assert sound.tolist() == expected
    (header,) = read_headers([file])
    assert (header.n_samples, header.sfreq, header.duration) == (len(expected), 8000, len(expected) / 8000)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def wav(*chunks: bytes) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks))


PCM24 = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 24000, 3, 24))
PCM16 = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))


def test_sound__of_24_bits(file: Path) -> None:
    file.write_bytes(wav(PCM24, chunk(b"data", b"\0\0\x80" + b"\0\0\x40")))
    assert read_sound(file).tolist() == [-1, 0.5]
    assert read_headers([file])[0].n_samples == 2


def test_sound__notes_of_a_recorder_are_passed_over(file: Path) -> None:
    file.write_bytes(wav(chunk(b"bext", b"room"), PCM16, chunk(b"data", b"\0\x40"), b"x"))
    assert read_sound(file).tolist() == [0.5]


@pytest.mark.filterwarnings("default")  # as users have it: scipy only warns of a file that is too short
@pytest.mark.parametrize("format", [PCM16, PCM24])
def test_sound__cut_short_names_the_file(file: Path, format: bytes) -> None:
    file.write_bytes(wav(format, chunk(b"data", bytes(600)))[:-60])
    for read in (read_sound, lambda file: read_headers([file])):
        with pytest.raises(RecordingError, match=r"one\.wav: its \d+ bytes are no complete wav file.*Copy it again"):
            read(file)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3 an mp3 by another name"])
def test_sound__of_another_kind_names_the_file(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=r"one\.wav: its \d+ bytes are no complete wav file"):
        read_sound(file)


def test_sound__of_two_channels_is_to_be_mixed_down(file: Path) -> None:
    wavfile.write(file, 8000, np.zeros((10, 2), np.int16))
    with pytest.raises(RecordingError, match=r"one\.wav: has 2 channels; expected a mono sound. Mix it down"):
        read_headers([file])


def test_sound__without_samples_or_rate(file: Path) -> None:
    file.write_bytes(wav(PCM16, chunk(b"data", b"")))
    with pytest.raises(RecordingError, match="has 0 samples at 8000 per second"):
        read_headers([file])
    file.write_bytes(wav(PCM16.replace(struct.pack("<II", 8000, 16000), bytes(8)), chunk(b"data", bytes(4))))
    with pytest.raises(RecordingError, match="has 2 samples at 0 per second"):
        read_headers([file])


def test_sound__must_be_finite(file: Path) -> None:
    wavfile.write(file, 8000, np.array([0, np.nan, np.inf], np.float32))
    with pytest.raises(RecordingError, match=r"one\.wav: 2 of its 3 samples are not finite"):
        read_sound(file)


def test_sounds__of_a_set_have_one_rate(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    (tmp_path / "sessions").mkdir()
    recordings = GenericRecordings(tmp_path)
    sounds, sfreq = recordings.sounds("words")
    assert sfreq == 1000
    assert {i: sound.size / sfreq for i, sound in sounds.items()} == {
        s.id: s.duration for s in recordings.stimuli("words")
    }
    assert list(sounds) == [s.id for s in recordings.stimuli("words")]
    wavfile.write(tmp_path / "stimuli/words/test/s3.wav", 44100, np.zeros(100, np.int16))
    with pytest.raises(
        RecordingError, match=r"s3\.wav: has 44100 samples per second, but .*s1\.wav has 1000; expected"
    ):
        GenericRecordings(tmp_path).stimuli("words")


def test_sounds__headers_are_read_once(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    (tmp_path / "sessions").mkdir()
    recordings = GenericRecordings(tmp_path)
    stimuli = recordings.stimuli("words")
    recordings.sound_files("words")[0].unlink()
    assert recordings.stimuli("words") == stimuli

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.reader import GenericRecordings
from distributed_trf.recordings.generic.sound_files import read_headers, read_sound
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


SAMPLES = [-(2**15), 0, 2**14, 100, 0x4C49]  # the last one begins with "LI"
DATA = np.array(SAMPLES, "<i2").tobytes()
EXPECTED = [s / 2**15 for s in SAMPLES]
GUID = bytes.fromhex("000000001000800000aa00389b71")


def extensible(tag: int, bits: int, valid: int, order: str = "<") -> bytes:
    plain = struct.pack(f"{order}HHIIHH", 0xFFFE, 1, 8000, 1000 * bits, bits // 8, bits)
    guid = struct.pack(f"{order}IHH", tag, 0, 0x10) + GUID[-8:]
    content = plain + struct.pack(f"{order}HHI", 22, valid, 4) + guid
    return b"fmt " + struct.pack(f"{order}I", len(content)) + content


def sized(name: bytes, size: int, content: bytes) -> bytes:
    return name + struct.pack("<I", size) + content


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, 0x7FFFF024])
def test_sound__that_a_pipe_wrote_reaches_to_the_end_of_the_file(file: Path, size: int, riff: int) -> None:
    content = b"WAVE" + chunk(b"LIST", b"INFOISFT") + PCM16 + sized(b"data", size, DATA)
    file.write_bytes(sized(b"RIFF", riff, content))
    assert read_sound(file).tolist() == EXPECTED
    assert read_headers([file])[0].n_samples == len(EXPECTED)


def test_sound__that_is_empty_before_other_parts_is_not_read_from_them(file: Path) -> None:
    for more in (b"", chunk(b"LIST", b"INFO")):
        file.write_bytes(wav(PCM16, sized(b"data", 0, more)))
        with pytest.raises(RecordingError, match="has 0 samples"):
            read_headers([file])


BIG16 = b"fmt " + struct.pack(">IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
FLOAT32 = chunk(b"fmt ", struct.pack("<HHIIHH", 3, 1, 8000, 32000, 4, 32))
DS64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(DATA), 5, 0))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"RIFX" + struct.pack(">I", 46) + b"WAVE" + BIG16 + b"data" + struct.pack(">I", 4) + b"\x40\0\x80\0",
            [0.5, -1],
        ),
        (
            sized(
                b"RF64", 0xFFFFFFFF, b"WAVE" + DS64 + PCM16 + sized(b"data", 0xFFFFFFFF, DATA + chunk(b"LIST", b"ab"))
            ),
            EXPECTED,
        ),
        (wav(extensible(1, 16, 16), chunk(b"data", DATA)), EXPECTED),
        (wav(extensible(3, 32, 32), chunk(b"data", np.array([0.5, -2], "<f4").tobytes())), [0.5, -2]),
        (wav(extensible(1, 32, 24), chunk(b"data", np.array([2**30], "<i4").tobytes())), [0.5]),
        (
            b"RIFX"
            + struct.pack(">I", 0)
            + b"WAVE"
            + extensible(1, 24, 24, ">")
            + b"data"
            + struct.pack(">I", 3)
            + b"\x40\0\0",
            [0.5],
        ),
        (wav(chunk(b"note", b"odd") + b"\0", PCM16, chunk(b"data", DATA)), EXPECTED),  # padded, as it should be
        (wav(chunk(b"note", b"odd"), PCM16, chunk(b"data", DATA)), EXPECTED),  # and as some write it
        (wav(PCM16, chunk(b"data", DATA), sized(b"LIST", 100, b"cut")), EXPECTED),  # cut short after the samples
        (wav(PCM16, chunk(b"data", DATA), bytes(512)), EXPECTED),
        (wav(FLOAT32, chunk(b"fact", bytes(4)), chunk(b"data", np.array([15.9], "<f4").tobytes())), [np.float32(15.9)]),
    ],
)
def test_sound__of_other_makes_is_read_as_it_is_meant(file: Path, content: bytes, expected: list[float]) -> None:
    file.write_bytes(content)
    assert read_sound(file).tolist() == expected


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            wav(PCM16, chunk(b"data", DATA), chunk(b"data", DATA)),
            "it has 2 parts of samples, of 10 and 10 bytes.*as one sound",
        ),
        (2 * wav(PCM16, chunk(b"data", DATA)), r"another wav file begins at byte 54\)\. Save them as two files"),
        (wav(PCM16, chunk(b"data", DATA[:4]) + DATA + bytes([200] * 9)), "follow its samples that are no part of it"),
        (wav(PCM16, chunk(b"data", DATA[:5])), "its 5 bytes of samples end within one, of 2 bytes"),
        (wav(PCM16, sized(b"data", 0xFFFFFFFF, DATA[:5])), "its 5 bytes of samples end within one"),
        (wav(chunk(b"data", DATA)), "its format are not there"),
        (wav(PCM16), "its samples are not there"),
        (wav(chunk(b"fmt ", struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)), chunk(b"data", DATA)), "mu-law of 8 bits"),
        (wav(extensible(0x55, 16, 16), chunk(b"data", DATA)), "MP3 of 16 bits"),
        (
            wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 8000, 4, 24)), chunk(b"data", DATA)),
            "PCM of 24 bits in 4",
        ),
        (wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 0, 8000, 8000, 0, 16)), chunk(b"data", DATA)), "for 0 channels"),
        (wav(b"\xff" * 30, PCM16, chunk(b"data", DATA)), "byte 12 begins no part of a wav file"),
    ],
)
def test_sound__that_leaves_open_what_it_is_is_refused(file: Path, content: bytes, match: str) -> None:
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=rf"one\.wav: its \d+ bytes are no complete wav file.*{match}"):
        read_headers([file])


def test_sound__of_floats_on_the_scale_of_integers_is_refused(file: Path) -> None:
    wavfile.write(file, 8000, np.array([0, -3000, 2000], np.float32))
    with pytest.raises(
        RecordingError, match=r"floats of up to 3000; expected \[-1, 1\].*of 16 bits, divide them by 32768"
    ):
        read_sound(file)
    wavfile.write(file, 8000, np.array([0, 16.1, 2], np.float32))
    with pytest.raises(RecordingError, match="none above 16. .*of 8 bits"):
        read_sound(file)


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

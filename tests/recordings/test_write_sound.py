"""Sounds that are written are read as they were; what is no sound is not written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_trf import write_sound
from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import find_sounds
from distributed_trf.recordings.generic.sound_files import read_headers, read_sound


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound__is_read_as_the_mean_of_its_channels(tmp_path: Path, dtype, channels) -> None:
    floats = np.random.default_rng(0).uniform(-1, 1, size=(50, channels))
    scale = 1 if np.dtype(dtype).kind == "f" else 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
    samples = np.trunc(floats * scale).astype(dtype) if scale > 1 else floats.astype(dtype)
    path = write_sound(tmp_path, "words", "yes", samples if channels == 2 else samples[:, 0], 8000.0, part="train")
    write_sound(tmp_path, "words", "no", samples, 8000, part="test")
    expected = (np.rint(samples.astype(np.float64).mean(axis=1)) if scale > 1 else samples.mean(axis=1)) / scale
    np.testing.assert_array_equal(read_sound(path), expected)
    (header,) = read_headers([path])
    assert header.sfreq == 8000
    assert {name: file.is_test for name, file in find_sounds(tmp_path)["words"].items()} == {"no": True, "yes": False}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": np.array([0.1, np.nan])}, "yes.wav: 1 of its 2 samples are not finite; .* nothing was written"),
        ({"samples": np.array([0.0, 3000.0])}, "floats of up to 3000"),
        ({"samples": np.zeros((2, 2, 2))}, r"samples of shape \(2, 2, 2\)"),
        ({"samples": np.zeros(4, dtype=np.uint8)}, "type uint8 at 8000 Hz; expected"),
        ({"samples": np.zeros(0)}, "has 0 samples"),
        ({"sfreq": 8000.5}, "at a whole number of hertz"),
        ({"stimulus": "a/b"}, "'a/b': is no name of a file"),
    ],
)
def test_what_is_no_sound__is_refused_and_the_old_one_stays(tmp_path: Path, changes, message) -> None:
    given = {"stimulus_set": "words", "stimulus": "yes", "samples": np.zeros(8), "sfreq": 8000}
    path = write_sound(tmp_path, **given)
    before = path.read_bytes()
    with pytest.raises(RecordingError, match=message) as error:
        write_sound(tmp_path, **(given | changes))
    assert "partial" not in str(error.value)
    assert [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()] == [before]

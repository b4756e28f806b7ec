from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.ucsf import vocalisations
from distributed_trf.recordings.ucsf.vocalisations import open_pulse_wav, pulse_starts, sound_length

RATE = 41_000


def write_wav(path: Path, samples: np.ndarray) -> Path:
    wavfile.write(path, RATE, samples)
    return path


def test_open_pulse_wav__gives_both_channels_and_the_rate(tmp_path: Path) -> None:
    stored = np.arange(20, dtype=np.int16).reshape(10, 2)
    samples, rate = open_pulse_wav(write_wav(tmp_path / "a.wav", stored))
    assert rate == RATE
    np.testing.assert_array_equal(samples, stored)
    assert isinstance(samples, np.memmap)  # 274 MB in the published recordings


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros(500, dtype=np.int16), "1 channels of int16 at 41000 Hz"),
        (np.zeros((500, 3), dtype=np.int16), "3 channels of int16"),
        (np.zeros((500, 2), dtype=np.float32), "2 channels of float32"),
        (np.zeros((500, 2), dtype=np.uint8), "2 channels of uint8"),
    ],
)
def test_open_pulse_wav__refuses_all_but_stereo_of_16_bits(tmp_path: Path, samples: np.ndarray, found: str) -> None:
    with pytest.raises(RecordingError, match=rf"a\.wav: {found}.*expected 2 channels, sound and pulses, of int16"):
        open_pulse_wav(write_wav(tmp_path / "a.wav", samples))


@pytest.mark.parametrize("keep", [0, 3, 20, 40, 44, 1000, -2])
def test_open_pulse_wav__truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    path = write_wav(tmp_path / "a.wav", np.ones((500, 2), dtype=np.int16))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordingError, match=r"a\.wav: its \d+ bytes are no complete wav file .*Copy it again"):
        open_pulse_wav(path)


def test_open_pulse_wav__something_else_or_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 9)
    with pytest.raises(RecordingError, match=r"a\.wav: its .* are no complete wav file"):
        open_pulse_wav(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match=r"gone\.wav: there is no such file"):
        open_pulse_wav(tmp_path / "gone.wav")


@given(
    spacings=st.lists(st.sampled_from([410, 500, 819, 820, 821, 2000, 9000]), max_size=8),
    first=st.integers(0, 300),
    block=st.sampled_from([7, 205, 1000, 2**22]),
)
def test_pulse_starts__equals_a_slow_loop_at_any_block(spacings: list[int], first: int, block: int) -> None:
    rises = np.concatenate([[first], first + np.cumsum(np.array(spacings, dtype=int))])
    pulses = np.zeros(rises[-1] + 300, dtype=np.int16)
    for start in rises:
        pulses[start : start + 205] = 29_491

    expected = [rises[0]]
    for before, start in zip(rises[:-1], rises[1:], strict=True):
        if (start - before) / RATE >= 0.02:
            expected.append(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocalisations, "BLOCK", block)
        assert pulse_starts(pulses, RATE).tolist() == expected


def test_pulse_starts__the_three_pulses_of_the_first_sound_are_one_start() -> None:
    pulses = np.zeros(100_000, dtype=np.int16)
    for start in (204, 614, 1024, 89_500):  # as published, 10 ms apart
        pulses[start : start + 205] = 29_491
    assert pulse_starts(pulses, RATE).tolist() == [204, 89_500]
    assert pulse_starts(np.zeros(10, dtype=np.int16), RATE).size == 0


def first_silence(samples: np.ndarray, n: int) -> int:
    """Say the rule as the published code does: sample by sample."""
    quiet = np.abs(samples.astype(float) / 30_000) < 1e-3
    for k in range(samples.size - n + 1):
        if quiet[k : k + n].all():
            return k
    return samples.size


@given(st.lists(st.tuples(st.sampled_from([0, 29, -29, 30, -30, 31, 9000, -32768]), st.integers(1, 7)), max_size=30))
def test_sound_length__equals_a_slow_loop(runs: list[tuple[int, int]]) -> None:
    samples = np.repeat([v for v, _ in runs], [n for _, n in runs]).astype(np.int16)
    assert sound_length(samples, 50) == first_silence(samples, 5)  # 0.1 s at 50 Hz


def test_sound_length__is_up_to_100_ms_of_silence() -> None:
    samples = np.zeros(3 * 4100, dtype=np.int16)
    samples[[10, 4110, 8211]] = 1000  # the gaps are 4099 and 4100 samples
    assert sound_length(samples, RATE) == 4111


def test_sound_length__a_call_that_never_falls_silent_is_kept_whole() -> None:
    samples = np.full(9000, 100, dtype=np.int16)
    assert sound_length(samples, RATE) == 9000
    samples[-4099:] = 0
    assert sound_length(samples, RATE) == 9000
    samples[-4100:] = 0
    assert sound_length(samples, RATE) == 4900

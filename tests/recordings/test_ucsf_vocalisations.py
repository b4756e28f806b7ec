from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.signal import resample

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.ucsf.metadata import CODE_FILE, VOCALISATION_FILE
from distributed_trf.recordings.ucsf.vocalisations import Vocalisations
from tests.recordings import handmade_ucsf as handmade

TRAINING = ["0", "2", "4", "13", "18", "20"]


@pytest.fixture
def files(tmp_path: Path) -> Vocalisations:
    path = handmade.write_recordings(tmp_path / "ucsf")
    return Vocalisations(path / CODE_FILE, path / VOCALISATION_FILE)


def test_stimuli__fifteen_presentations_make_a_test_stimulus_and_all_others_are_for_training(
    files: Vocalisations,
) -> None:
    stimuli = files.stimuli()
    assert [s.id for s in stimuli] == ["0", "1", "2", "4", "13", "18", "20"]  # by first presentation
    assert [s.id for s in stimuli if s.is_test] == [handmade.TEST_ID]
    assert [s.id for s in stimuli if not s.is_test] == TRAINING  # 12 and 9 twice, each on its own


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60).map(lambda few: few + [7] * 15 + [8] * 16), st.randoms())
def test_stimulus_ids__equal_a_slow_loop(codes: list[int], random: Any) -> None:
    random.shuffle(codes)
    files = Vocalisations(Path("codes.mat"), Path("sounds.wav"))
    files.__dict__["_presentations"] = np.array(codes), np.zeros(len(codes))
    assert files.stimulus_ids == tuple(
        str(codes.index(code) if codes.count(code) == 15 else k) for k, code in enumerate(codes)
    )


def test_sounds__are_cut_at_the_pulses_and_the_silence_and_resampled(files: Vocalisations) -> None:
    sounds, sfreq = files.sounds()
    assert sfreq == 16_000
    assert list(sounds) == [s.id for s in files.stimuli()]
    for name, sound in sounds.items():
        n, value = handmade.length(int(name)), handmade.loudness(int(name)) / 30_000
        assert sound.dtype == np.float64
        np.testing.assert_array_equal(sound, resample(np.full(n, value), int(n * 16_000 / 41_000)))


def test_stimuli__durations_are_those_of_the_resampled_sounds(files: Vocalisations) -> None:
    sounds, sfreq = files.sounds()
    for stimulus in files.stimuli():
        assert stimulus.duration == sounds[stimulus.id].size / sfreq
    assert files.stimuli()[0].duration == 1170 / 16_000  # 3000 samples at 41 kHz


def test_stimuli__need_no_resampling(files: Vocalisations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scipy.signal.resample", None)
    assert len(files.stimuli()) == 7


def test_stimuli__files_are_read_once(files: Vocalisations) -> None:
    stimuli = files.stimuli()
    files.code_path.unlink()
    files.wav_path.unlink()
    assert files.stimuli() == stimuli


def test_sounds__the_last_presentation_lasts_to_the_end_of_the_file(files: Vocalisations) -> None:
    samples = np.full((handmade.pulses()[-1] + 5000, 2), 900, dtype=np.int16)
    samples[:, 1] = 0
    for start in handmade.pulses():
        samples[start, 1] = 29_491
    handmade.wavfile.write(files.wav_path, handmade.RATE, samples)
    stimuli = {s.id: s.duration for s in files.stimuli()}
    assert stimuli["20"] == int(5000 * 16_000 / 41_000) / 16_000
    assert stimuli["0"] == int(handmade.GAP * 16_000 / 41_000) / 16_000  # never silent, so up to the next pulse


@pytest.mark.parametrize(
    ("starts", "match"),
    [
        (handmade.pulses()[:-1], "second channel has 20 pulses that begin a sound; expected 21, one per presentation"),
        (np.append(handmade.pulses(), handmade.pulses()[-1] + 9000), "has 22 pulses"),
        (handmade.pulses() + np.where(np.arange(21) == 5, 4500, 0), r"presentation 5 begins at 2\.115 s, .* 2\.009 s"),
    ],
)
def test_stimuli__pulses_must_fit_the_code_file(files: Vocalisations, starts: np.ndarray, match: str) -> None:
    handmade.write_wav(files.wav_path, starts)
    with pytest.raises(RecordingError, match=rf"MonkVocs_15Blocks\.wav: .*{match}.*Copy both files again"):
        files.stimuli()


def test_stimuli__pulses_may_be_a_tenth_of_a_second_off(files: Vocalisations) -> None:
    handmade.write_codes(files.code_path, onset=handmade.pulses() / handmade.RATE - 0.099)
    assert len(files.stimuli()) == 7


def test_stimuli__a_silent_presentation_is_named(files: Vocalisations) -> None:
    samples = np.zeros((handmade.pulses()[-1] + handmade.GAP, 2), dtype=np.int16)
    samples[handmade.pulses(), 1] = 29_491
    handmade.wavfile.write(files.wav_path, handmade.RATE, samples)
    with pytest.raises(RecordingError, match=r"presentation 0, at 0\.005 s, is silent from its start"):
        files.stimuli()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"mVocsStimCodes": handmade.ORDER[:-1]}, "mVocsStimCodes holds 20 values and mVocsStimOnTimes 21"),
        ({"mVocsStimCodes": np.empty(0), "mVocsStimOnTimes": np.empty(0)}, "mVocsStimCodes holds 0 values"),
        ({"mVocsStimCodes": handmade.ORDER - 3}, "mVocsStimCodes holds 0; expected whole numbers from 1"),
        ({"mVocsStimCodes": handmade.ORDER + 0.5}, r"mVocsStimCodes holds 3\.5; expected whole"),
        ({"mVocsStimCodes": np.full(21, np.nan)}, "mVocsStimCodes holds nan; expected whole"),
        ({"mVocsStimOnTimes": np.full(21, np.nan)}, r"presentation 0 begins at 0\.005 s, .* says nan s"),
        ({"mVocsStimOnTimes": None}, "variable mVocsStimOnTimes is missing"),
    ],
)
def test_stimuli__unusable_code_file_is_named(files: Vocalisations, changes: dict[str, Any], match: str) -> None:
    content = {"mVocsStimCodes": handmade.ORDER, "mVocsStimOnTimes": handmade.pulses() / handmade.RATE} | changes
    savemat(files.code_path, {name: value for name, value in content.items() if value is not None})
    with pytest.raises(RecordingError, match=match):
        files.stimuli()


def test_stimuli__one_presentation_is_enough(files: Vocalisations) -> None:
    handmade.write_wav(files.wav_path, handmade.pulses()[:1])
    handmade.write_codes(files.code_path, [5], handmade.pulses()[:1] / handmade.RATE)
    assert [(s.id, s.is_test) for s in files.stimuli()] == [("0", False)]

"""A tiny UCSF recording set with vocalisations, written straight from the description of the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat, wavfile

RATE = 41_000
GAP = 16_400
"""Frames from one presentation to the next."""
FIRST_PULSE = 204
ORDER = np.array([3, 7, 9, 7, 12, 7, 7, 7, 7, 7, 7, 7, 7, 12, 7, 7, 7, 7, 9, 7, 5])
"""Code of each presentation; 7 is presented 15 times and thus for testing."""
TEST, TEST_ID = 7, "1"
N_BEFORE, N_AFTER = 4, 3
"""Trials of another class around the block of vocalisations."""


def loudness(place: int) -> int:
    """Return the value of every sample of a presentation's sound."""
    return 1000 + 100 * place


def length(place: int) -> int:
    """Return the number of samples of a presentation's sound."""
    return 3000 + 211 * place


def pulses() -> np.ndarray:
    return FIRST_PULSE + GAP * np.arange(ORDER.size)


def write_wav(path: Path, starts: np.ndarray | None = None) -> None:
    starts = pulses() if starts is None else starts
    samples = np.zeros((starts[-1] + GAP, 2), dtype=np.int16)
    for place, start in enumerate(starts):
        samples[start : start + length(place), 0] = loudness(place)
        samples[start : start + 205, 1] = 29_491
    for extra in (410, 820):  # the first presentation has three pulses 10 ms apart
        samples[starts[0] + extra : starts[0] + extra + 205, 1] = 29_491
    wavfile.write(path, RATE, samples)


def write_codes(path: Path, codes: Any = ORDER, onset: Any = None) -> None:
    onset = pulses() / RATE + 0.004 if onset is None else onset
    savemat(path, {"mVocsStimCodes": np.asarray(codes, dtype=np.uint16), "mVocsStimOnTimes": onset}, oned_as="column")


def trial_table(codes: np.ndarray = ORDER, n_before: int = N_BEFORE, n_after: int = N_AFTER) -> dict[str, Any]:
    """Trials 1.. of a session: some of another class, the vocalisations, some of another class."""
    code = np.concatenate([np.zeros(n_before), codes, np.zeros(n_after)]).astype(np.uint16)
    return {
        "stimon": 20.0 + 3.0 * np.arange(code.size),
        "mVocStimcode": code,
        "timitStimcode": np.zeros(code.size, dtype=np.uint16),
    }


def write_channel(path: Path, spikes: list[tuple[int, float]], trial: dict[str, Any] | None = None) -> None:
    """Write spikes given as trial number from 1 and seconds from its onset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    spike = {"trial": np.array([float(k) for k, _ in spikes]), "stimlock": np.array([float(t) for _, t in spikes])}
    savemat(path, {"spike": spike, "trial": trial_table() if trial is None else trial}, oned_as="column")


def write_recordings(path: Path) -> Path:
    """Two sessions of two channels; the second is one in which no vocalisations were played."""
    (path / "stimuli").mkdir(parents=True)
    write_wav(path / "stimuli/MonkVocs_15Blocks.wav")
    write_codes(path / "stimuli/SqMoPhys_MVOCStimcodes.mat")
    for session in ("180413", "190726"):
        for number in (1, 2):
            write_channel(path / f"sessions/{session}/b_{session}_Ch{number}_MUspk.mat", [(5, 0.1), (6, 0.2)])
    metadata = "bad_sessions: []\narea_wise_sessions: {core: [180413]}\nsession_coordinates: {}\n"
    (path / "sessions_metadata.yml").write_text(metadata)
    return path

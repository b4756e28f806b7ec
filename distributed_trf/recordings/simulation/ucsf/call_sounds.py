"""The recording of all vocalisations that simulated UCSF sessions heard, and the file that says which they are."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distributed_trf.recordings.simulation.mat_file import write_mat
from distributed_trf.recordings.simulation.monkey_calls import KINDS, call_like, draw_duration

CODE_FILE = Path("stimuli", "SqMoPhys_MVOCStimcodes.mat")
SOUND_FILE = Path("stimuli", "MonkVocs_15Blocks.wav")
SFREQ = 41_000
SCALE = 30_000
"""Value in the file of a sound of amplitude 1."""
PULSE, PULSE_SAMPLES = 29_491, 205
FIRST_PULSE = 204
"""Sample at which the first presentation begins."""
EXTRA_PULSES = (410, 820)
"""Samples after the first pulse at which the first presentation has two more."""
CLEARLY_AUDIBLE = 90
"""Value in the file that ends a call: three times of what counts as silence."""
SILENCE_AFTER = 0.35
"""Least seconds of digital silence after a call."""
SHORTEST_GAP, LONGEST_GAP = 0.95, 4.8
"""Seconds from one presentation to the next."""
MEAN_WAIT = 0.75
"""Seconds between the least silence after a call and the next presentation."""


def draw_call(rng: np.random.Generator) -> np.ndarray:
    """Draw a call as it is in the file, int16 of shape (n_samples,), from its first to its last audible sample."""
    sound = call_like(rng.choice(KINDS), draw_duration(rng), SFREQ, rng)
    values = np.round(SCALE * sound).astype(np.int16)
    audible = np.flatnonzero(np.abs(values) >= CLEARLY_AUDIBLE)
    return values[audible[0] : audible[-1] + 1]


def draw_gaps(n_samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the samples from each presentation to the next, given those of its call; shape (n_presentations,)."""
    seconds = n_samples / SFREQ + SILENCE_AFTER + rng.exponential(MEAN_WAIT, n_samples.size)
    return np.round(np.clip(seconds, SHORTEST_GAP, LONGEST_GAP) * SFREQ).astype(np.int64)


def write_calls(
    path: Path, codes: np.ndarray, calls: Sequence[np.ndarray], gaps: np.ndarray, rng: np.random.Generator
) -> None:
    """Write both files below ``path``, the sound presentation by presentation.

    Parameters
    ----------
    path
        Folder of the recording set.
    codes
        Of each presentation, from 1, shape (n_presentations,).
    calls
        By code, from ``draw_call``.
    gaps
        From ``draw_gaps``.
    rng
        Of the difference between the two records of when a presentation began.
    """
    pulses = (FIRST_PULSE + np.cumsum(gaps) - gaps) / SFREQ
    on_times = pulses + rng.uniform(0.002, 0.005, codes.size)
    write_mat(path / CODE_FILE, {"mVocsStimCodes": codes.astype(np.uint16), "mVocsStimOnTimes": on_times})
    with wave.open(str(path / SOUND_FILE), "wb") as file:
        file.setparams((2, 2, SFREQ, 0, "NONE", "not compressed"))
        file.writeframes(bytes(4 * FIRST_PULSE))
        for k, (code, gap) in enumerate(zip(codes, gaps, strict=True)):
            frames = np.zeros((gap, 2), dtype="<i2")
            frames[: calls[code - 1].size, 0] = calls[code - 1]
            for start in (0, *EXTRA_PULSES) if k == 0 else (0,):
                frames[start : start + PULSE_SAMPLES, 1] = PULSE
            file.writeframes(frames.tobytes())

"""The vocalisations of simulated UCSF recordings: their sounds, their order (one for all sessions), and their files.

The files are one recording of all vocalisations, the list that names them, and the metadata of the sessions.
"""

from __future__ import annotations

import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from distributed_trf.features.resample import resample_sound
from distributed_trf.features.spectrograms.mel_of_networks import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import MVOCS, n_bins
from distributed_trf.recordings.simulation.neurons import LEAD_IN, driving_feature
from distributed_trf.recordings.simulation.plan import (
    CALL,
    NOTHING,
    SCHEDULE,
    SESSION,
    Plan,
    StimulusSet,
    Trial,
    write_mat,
)
from distributed_trf.recordings.simulation.sounds import KINDS, call_like, draw_duration
from distributed_trf.recordings.ucsf.metadata import BAD_SESSIONS, CORE, METADATA_FILE, NON_PRIMARY, SUBJECTS, Site

SENTENCE_REPEATS, CALL_REPEATS = 11, 15
"""How often each test stimulus is presented in a session."""


def write_metadata(path: Path, sites: tuple[Site, ...]) -> None:
    """Write the metadata file below ``path``, with all the fields of the published one."""
    content: dict[str, Any] = {"stim_wise_num_repeats": {"timit": SENTENCE_REPEATS, "mVocs": CALL_REPEATS}}
    for subject in SUBJECTS:
        content[f"{subject}_sessions"] = [int(s.session) for s in sites if s.subject == subject]
    content["area_wise_sessions"] = {
        area: [int(s.session) for s in sites if s.area == area] for area in (CORE, NON_PRIMARY)
    }
    content["bad_sessions"] = list(BAD_SESSIONS)
    content["session_coordinates"] = {int(s.session): [s.x, s.y] for s in sites}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    (path / METADATA_FILE).write_text(text, encoding="utf-8")


PUBLISHED = {1: 228, 2: 37, 3: 9, 4: 2, 7: 1, 14: 1, 15: 11, 16: 6, 17: 3, 18: 2, 19: 1, 25: 1, 30: 1}
"""How many of the published vocalisations were presented how often."""
MOST_CALLS = sum(times * n for times, n in PUBLISHED.items())
FEWEST_CALLS = 45
"""Presentations: two vocalisations for testing, and as many presentations for training as one of them has."""


def multiplicities(calls: int) -> dict[int, int]:
    """Return how many codes are presented how often, with ``calls`` presentations in all.

    All 780 are the published ones. Fewer have fewer codes with exactly 15 presentations, which are those for testing,
    some with 16 and 2 presentations, and the rest once.
    """
    if calls == MOST_CALLS:
        return PUBLISHED

    def scaled(times: int) -> int:
        return round(PUBLISHED[times] * calls / MOST_CALLS)

    chosen = {CALL_REPEATS: max(2, scaled(CALL_REPEATS)), 16: scaled(16), 2: max(1, scaled(2))}
    return {**chosen, 1: calls - sum(times * n for times, n in chosen.items())}


def draw_codes(calls: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the code of each presentation; codes count from 1 by first presentation, shape (calls,)."""
    times = np.repeat(*np.transpose(list(multiplicities(calls).items())))
    order = rng.permutation(np.repeat(np.arange(times.size), times))
    _, first, code = np.unique(order, return_index=True, return_inverse=True)
    return first.argsort().argsort()[code] + 1


def stimulus_presentations(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which stimulus, if any, each presentation is of.

    The published analysis names a stimulus by the index of its first presentation. Codes with exactly 15 presentations
    are test stimuli; every presentation of any other code is a separate training stimulus.

    Returns
    -------
    stimulus
        Index of the presentation that names the stimulus of each presentation, shape (n_presentations,).
    is_test
        Whether that is a test stimulus, shape (n_presentations,).
    """
    presented = Counter(codes.tolist())
    is_test = np.array([presented[code] == CALL_REPEATS for code in codes.tolist()])
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(is_test, first[inverse], np.arange(codes.size)), is_test


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


LEAD = 0.15
"""Seconds before its onset at which the window of a presentation opens."""
MISSING = (2, 7)
"""Fewest and most presentations that an incomplete session lacks."""


@dataclass(frozen=True)
class Calls:
    """All presentations of vocalisations, in their order, which is the same in every session."""

    plan: Plan

    @cached_property
    def codes(self) -> np.ndarray:
        """Code of each presentation from 1, shape (n_presentations,)."""
        return draw_codes(self.plan.calls, self.plan.rng(SCHEDULE, 0))

    def sound(self, code: int) -> np.ndarray:
        """Return the call of a code, as in the file; it depends on the code and the seed only."""
        return draw_call(self.plan.rng(CALL, code - 1))

    @cached_property
    def gaps(self) -> np.ndarray:
        """Seconds from each presentation to the next, shape (n_presentations,)."""
        n_samples = np.array([self.sound(code).size for code in range(1, self.codes.max() + 1)])
        return draw_gaps(n_samples[self.codes - 1], self.plan.rng(SCHEDULE, 1)) / SFREQ

    def write(self, path: Path) -> StimulusSet:
        """Write the sound and the codes below ``path``."""
        sounds = [self.sound(code) for code in range(1, self.codes.max() + 1)]
        gaps = np.round(self.gaps * SFREQ).astype(np.int64)
        write_calls(path, self.codes, sounds, gaps, self.plan.rng(SCHEDULE, 2))
        # The reader resamples the file's values to 16 kHz.
        resampled = [resample_sound(sound / SCALE, SFREQ, WHISPER_SFREQ) for sound in sounds]
        seconds = np.array([sound.size / WHISPER_SFREQ for sound in resampled])
        rows = [driving_feature(*pair, self.plan.bin_width) for pair in zip(resampled, seconds, strict=True)]
        stimulus, is_test = stimulus_presentations(self.codes)
        named = np.unique(stimulus)
        return StimulusSet(
            name=MVOCS,
            ids=tuple(map(str, named.tolist())),
            is_test=is_test[named],
            seconds=seconds[self.codes[named] - 1],
            features=tuple(rows[code - 1] for code in self.codes[named]),
            lead_in=n_bins(LEAD_IN, self.plan.bin_width),
        )

    def missing(self, session: int) -> np.ndarray:
        """Return the presentations that a session lacks, ascending.

        Every third session, from the second on, lacks a few training presentations, but not the first of the block: by
        that the block is found.
        """
        if session % 3 != 1:
            return np.empty(0, dtype=np.int64)
        _, is_test = stimulus_presentations(self.codes)
        training = np.flatnonzero(~is_test)
        rng = self.plan.rng(SESSION, session, SCHEDULE, 1)
        return np.sort(rng.choice(training[training > 0], rng.integers(*MISSING, endpoint=True), replace=False))

    def trials(self, session: int, first_stimulus: int) -> list[Trial]:
        """Return the presentations of a session; ``first_stimulus`` is the index of the set's first."""
        stimulus, _ = stimulus_presentations(self.codes)
        index = first_stimulus + np.searchsorted(np.unique(stimulus), stimulus)
        index[self.missing(session)] = NOTHING
        pairs = zip(index.tolist(), self.gaps.tolist(), strict=True)
        return [Trial(stimulus=i, lead=LEAD, window=gap, response_window=gap) for i, gap in pairs]

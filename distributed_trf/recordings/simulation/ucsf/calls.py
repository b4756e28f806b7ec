"""The vocalisations of simulated UCSF recordings: drawn, written, described as the reader will find them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf.features.resample import resample_sound
from distributed_trf.features.spectrograms.mel_whisper import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import MVOCS
from distributed_trf.recordings.simulation.neurons import LEAD_IN, driving_feature
from distributed_trf.recordings.simulation.plan import CALL, SCHEDULE, SESSION, Plan
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet
from distributed_trf.recordings.simulation.trial_table import NOTHING, Trial
from distributed_trf.recordings.simulation.ucsf.call_codes import draw_codes, stimulus_presentations
from distributed_trf.recordings.simulation.ucsf.call_sounds import SCALE, SFREQ, draw_call, draw_gaps, write_calls
from distributed_trf.recordings.time_grid import n_bins

LEAD = 0.15
"""Seconds before its onset at which the window of a presentation opens."""
MISSING = (2, 7)
"""Fewest and most presentations that an incomplete session lacks."""


@dataclass(frozen=True)
class Calls:
    """All presentations of vocalisations, in the order in which every session heard them."""

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
        # The reader hears the file's values, brought to 16 kHz.
        heard = [resample_sound(sound / SCALE, SFREQ, WHISPER_SFREQ) for sound in sounds]
        seconds = np.array([sound.size / WHISPER_SFREQ for sound in heard])
        rows = [driving_feature(*pair, self.plan.bin_width) for pair in zip(heard, seconds, strict=True)]
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
        """Return the presentations of a session; ``first_stimulus`` is the place of the set among all stimuli."""
        stimulus, _ = stimulus_presentations(self.codes)
        place = first_stimulus + np.searchsorted(np.unique(stimulus), stimulus)
        place[self.missing(session)] = NOTHING
        pairs = zip(place.tolist(), self.gaps.tolist(), strict=True)
        return [Trial(stimulus=i, lead=LEAD, window=gap, heard=gap) for i, gap in pairs]

"""Simulated recordings in the layout of the UC Davis recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distributed_trf.recordings.simulation.plan import SCHEDULE, SESSION, Limits, Plan
from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet, first_stimulus
from distributed_trf.recordings.simulation.trial_table import Trial, TrialTable, lay_out
from distributed_trf.recordings.simulation.ucdavis.catalogue import (
    MOST_CALLS,
    MOST_SENTENCES,
    draw_calls,
    draw_sentences,
)
from distributed_trf.recordings.simulation.ucdavis.session_file import write_session_file
from distributed_trf.recordings.simulation.ucdavis.sites import MOST_UNITS, PUBLISHED, recordings, unit_codes
from distributed_trf.recordings.simulation.ucdavis.sounds import write_calls, write_sentences

FEWEST = 11
"""Sounds of a stimulus set."""
LEAD = 0.2
"""Seconds before its onset at which the window of a trial opens."""


class UCDavisLayout:
    """Sentences and calls, one file per session; see ``Layout``.

    Of every two sessions, the first hears the calls before the sentences.
    """

    def __init__(self, plan: Plan) -> None:
        plan.check(Limits((FEWEST, MOST_SENTENCES), (FEWEST, MOST_CALLS), len(PUBLISHED), MOST_UNITS))
        self.plan = plan
        self._recordings = recordings(plan.sessions)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of the files, without their ending."""
        return tuple(recording.session for recording in self._recordings)

    def units(self, session: int) -> tuple[str, ...]:
        """Code of each unit."""
        return tuple(map(str, unit_codes(self._recordings[session], self.plan.channels)))

    def write_shared(self, path: Path) -> tuple[StimulusSet, ...]:
        """Write sounds and lists of sounds."""
        sets = [write_sentences(path, self.plan, draw_sentences(self.plan))]
        if self.plan.calls:
            sets.append(write_calls(path, self.plan, draw_calls(self.plan)))
        return tuple(sets)

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> TrialTable:
        """One block per stimulus set, mixed within; windows never overlap."""
        rng, repeats = self.plan.rng(SESSION, session, SCHEDULE), self._recordings[session].repeats
        blocks = []
        for first, stimuli in zip(first_stimulus(sets), sets, strict=False):
            order = rng.permutation(np.repeat(np.arange(len(stimuli.ids)), np.where(stimuli.is_test, repeats, 1)))
            seconds = stimuli.seconds[order]
            window = LEAD + seconds + rng.uniform(0.3, 0.8, order.size)
            columns = ((first + order).tolist(), window.tolist(), seconds.tolist())
            blocks.append([Trial(i, lead=LEAD, window=w, heard=s) for i, w, s in zip(*columns, strict=True)])
        if session % 2 == 0:
            blocks.reverse()
        return lay_out([trial for block in blocks for trial in block])

    def write_session(self, path: Path, session: int, simulated: SimulatedSession) -> None:
        """Write the session's one file."""
        recording = self._recordings[session]
        codes = unit_codes(recording, self.plan.channels)
        write_session_file(path, recording.session, codes, recording.repeats, simulated)

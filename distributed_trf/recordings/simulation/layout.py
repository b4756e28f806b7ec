"""What a format of files must be able to write to be simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet
from distributed_trf.recordings.simulation.trial_table import TrialTable


class Layout(Protocol):
    """The files of one simulation in one published format; made of a ``Plan``, which it checks.

    Sessions are counted in the reader's order. Everything but writing is a function of the plan alone.
    """

    @property
    def sessions(self) -> tuple[str, ...]:
        """Name of each session."""

    def units(self, session: int) -> tuple[str, ...]:
        """Return the label of each unit of a session, in the reader's order."""

    def write_shared(self, path: Path) -> tuple[StimulusSet, ...]:
        """Write the sounds and everything else that is not part of a usable session, and describe the stimuli."""

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> TrialTable:
        """Draw what a session heard, and when."""

    def write_session(self, path: Path, session: int, simulated: SimulatedSession) -> None:
        """Write the files of one session."""

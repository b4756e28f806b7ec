"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """What a run did, and what it could not do."""

    done: dict[str, int] = field(default_factory=dict)
    """Items done now, by stage."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Items that were done before, by stage."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """Items that other elements of a job array did meanwhile, by stage."""
    failed: dict[str, str] = field(default_factory=dict)
    """Message of each item that failed, by stage and key."""
    blocked: dict[str, str] = field(default_factory=dict)
    """What each item that could not begin was waiting for."""
    constant_units: int = 0
    """Units that never vary, in the fit that has most of them."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What was left out of sessions while reading them, by stimulus set and session."""
    doubts: dict[str, list[str]] = field(default_factory=dict)
    """What in recordings does not fit together, such as spikes in milliseconds, by stimulus set and session."""
    unused_presentations: int = 0
    """Presentations of training stimuli beyond the first that fits leave out, in the fit that leaves out most."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Sessions of which nothing was used for what their own files say, and why."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that heard too little to be cross-validated, and why."""
    heard_in_parts: int = 0
    """Extractions whose batch did not fit the memory of the device."""
    fallbacks: int = 0
    """Factorisations that failed their check, so that a slower way was taken."""
    beside: str = ""
    """How much is kept in the study's folder that the study does not ask for; nothing if nothing is."""
    removed: list[str] = field(default_factory=list)
    """What of that could not be kept beside what was to be made."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by stage."""
    folder: Path | None = None
    """Manifest and performance report of the run; None when there was nothing to do."""

    @property
    def ok(self) -> bool:
        """Whether every item of the study is done, and every session of the recordings could be used."""
        return not self.failed and not self.blocked and not self.unusable

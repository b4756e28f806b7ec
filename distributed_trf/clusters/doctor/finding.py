"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    """What, in a word or two."""
    found: str
    remedy: str = ""
    """What is wrong and what to do about it; empty where nothing is."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.remedy

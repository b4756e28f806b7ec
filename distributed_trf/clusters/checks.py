"""What ``dtrf doctor`` looks at, one check after another: what is found, and what to do where something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    """What, in a word or two."""
    found: str
    remedy: str = ""
    """What to do; empty where nothing is wrong."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.remedy


Findings = Iterator[Finding]
"""Of one check."""

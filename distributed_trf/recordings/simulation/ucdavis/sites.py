"""The published UC Davis sessions and units, so that simulated ones look like them."""

from __future__ import annotations

from dataclasses import dataclass

from distributed_trf.recordings.simulation.plan import Channels
from distributed_trf.recordings.ucdavis.published_sessions import REPEATS

TETRODES = (1, 2, 3, 4)
MOST_UNITS = 400
"""Of a session: its codes have two digits for the number of a unit."""


@dataclass(frozen=True)
class Recording:
    """One published session."""

    session: str
    """Its file, without the ending."""
    repeats: int
    """How often it heard what was repeated."""
    units: int


UNITS = (12, 10, 8, 9, 7, 11, 12, 8, 10)
"""Published for the fourth and fifth session only; the others are made up."""
PUBLISHED = tuple(
    Recording(session, repeats, units) for (session, repeats), units in zip(REPEATS.items(), UNITS, strict=True)
)
CHOSEN_FIRST = (3, 0, 4, 1, 5, 2, 6, 7, 8)
"""Both numbers of repeats as soon as there are two sessions."""


def recordings(n_sessions: int) -> tuple[Recording, ...]:
    """Return sessions sorted by name."""
    return tuple(PUBLISHED[i] for i in sorted(CHOSEN_FIRST[:n_sessions]))


def unit_codes(recording: Recording, channels: Channels) -> tuple[int, ...]:
    """Return the codes of the units, ascending within each tetrode, one tetrode after another.

    The first digit is the tetrode; codes of single units have three digits, those of multi-units four. Both take turns.
    """
    n_units = recording.units if channels == "published" else channels
    found: dict[int, list[int]] = {tetrode: [] for tetrode in TETRODES}
    for k in range(n_units):
        tetrode, place = TETRODES[k % len(TETRODES)], k // len(TETRODES)
        is_single = (tetrode + place) % 2 == 0
        found[tetrode].append(tetrode * (100 if is_single else 1000) + place // 2 + 1)
    return tuple(code for codes in found.values() for code in sorted(codes))

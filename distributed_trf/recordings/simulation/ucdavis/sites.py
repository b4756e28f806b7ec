"""The published UC Davis sessions and units, so that simulated ones look like them."""

from __future__ import annotations

from dataclasses import dataclass

from distributed_trf.recordings.simulation.plan import Channels

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


PUBLISHED = tuple(
    Recording(f"relayz_{day}_boilermaker", repeats, units)
    for day, repeats, units in (
        ("2024-10-28b", 3, 12),
        ("2024-11-13c", 3, 10),
        ("2024-11-15b", 3, 8),
        ("2024-12-26b", 12, 9),
        ("2024-12-30b", 12, 7),
        ("2024-12-30c", 12, 11),
        ("2025-01-09b", 12, 12),
        ("2025-01-15b", 12, 8),
        ("2025-01-24b", 12, 10),
    )
)
"""Sorted by name. The numbers of units are published for the fourth and fifth only; the others are made up."""
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

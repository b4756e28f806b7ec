"""Simulations of three sizes in each format, written for tests, with what was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributed_trf.recordings.simulation.plan import Plan
from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.simulate import LAYOUTS, Layout, draw_session

UCSF_SIZES: list[dict[str, Any]] = [
    {"sessions": 2, "channels": 1, "sentences": 11, "calls": 45},
    {"sessions": 3, "channels": 2, "sentences": 20, "calls": 60},
    {"sessions": 2, "channels": 3, "sentences": 13, "calls": 130},
]
UCDAVIS_SIZES: list[dict[str, Any]] = [
    {"sessions": 1, "channels": 1, "sentences": 11, "calls": 11},
    {"sessions": 2, "channels": 5, "sentences": 14, "calls": 30},
    {"sessions": 2, "channels": "published", "sentences": 30, "calls": 0},
]


def written(path: Path, format: str, **size: Any) -> tuple[Layout, tuple[Any, ...], list[SimulatedSession]]:
    """A simulation, its stimulus sets and what was drawn for each session."""
    plan = Plan(**size, seed=3, bin_width=50.0)
    layout = LAYOUTS[format](plan)
    sets = layout.write_shared(path)
    sessions = [draw_session(layout, plan, k, sets) for k in range(plan.sessions)]
    for k, session in enumerate(sessions):
        layout.write_session(path, k, session)
    return layout, sets, sessions

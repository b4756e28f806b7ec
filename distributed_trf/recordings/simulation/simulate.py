"""Simulated recording sets to try everything on: sounds like speech, known neurons, files like the published ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import xarray as xr

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.simulation.neurons import FEATURE, FLOOR, LEAD_IN, lags
from distributed_trf.recordings.simulation.plan import SESSION, Channels, Plan, SimulatedTrials, StimulusSet
from distributed_trf.recordings.simulation.session import SimulatedSession, TruthWriter, open_truth, simulate_session
from distributed_trf.recordings.simulation.ucdavis_layout import UCDavisLayout
from distributed_trf.recordings.simulation.ucsf_layout import UCSFLayout
from distributed_trf.store.atomic import make_folder


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

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> SimulatedTrials:
        """Draw which stimuli are presented in a session, and when."""

    def write_session(self, path: Path, session: int, simulated: SimulatedSession) -> None:
        """Write the files of one session."""


GENERATOR_VERSION = 2
"""Raise it when the same arguments make other recordings."""
LAYOUTS: dict[str, Callable[[Plan], Layout]] = {"ucsf": UCSFLayout, "ucdavis": UCDavisLayout}


def simulate(
    path: str | Path,
    *,
    format: str = "ucsf",
    sessions: int = 3,
    channels: Channels = 8,
    sentences: int = 60,
    calls: int = 0,
    seed: int = 0,
    bin_width: float = 50.0,
    on_session: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Write a simulated recording set in a published format, and what it was made from as ``truth.zarr`` in it.

    The units are linear neurons driven by Whisper's mel spectrogram at lags of 0 to 200 ms, with Poisson spikes. The
    last of several units of a session does not respond to sound. Memory holds one session at a time, and the spikes of
    one unit.

    ``ucsf``: ten test sentences are presented eleven times, all others once; vocalisations that are presented 15 times
    are for testing. Every third session, from the second on, lacks a few training presentations of vocalisations,
    the sessions 190726 and 200213 all of them, and one more session is there that is known to be bad.
    ``ucdavis``: about a tenth of the sentences and of the calls are presented three or twelve times, all others once.

    Parameters
    ----------
    path
        Where to write; must not exist or be an empty folder.
    format
        ``ucsf`` or ``ucdavis``.
    sessions
        How many usable sessions, at least 1; at most 9 of ``ucdavis``.
    channels
        How many units each session has, at least 1, or ``published`` for as many as the published sessions have.
    sentences
        How many sentences, 11 to 499 or, of ``ucdavis``, 497; test sentences are among them.
    calls
        Of ``ucsf`` how many presentations of vocalisations, 45 to 780; of ``ucdavis`` how many different ones, 11 to
        1568. 0 for a recording set without vocalisations.
    seed
        The same seed and arguments write the same bytes.
    bin_width
        Milliseconds within which the neurons' rates are constant, 10 to 200 in steps of 0.05.
    on_session
        Called with the name of each session once it is written.

    Returns
    -------
    xr.Dataset
        What ``open_truth`` reads from ``path``.

    Raises
    ------
    ConfigError
        If an argument is out of its range or ``path`` holds something already.
    """
    path = Path(path).absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(f"{path}: something is there already; give a new folder, or delete this one first")
    if format not in LAYOUTS:
        raise ConfigError(f"simulate: format={format!r}; expected {' or '.join(LAYOUTS)}")
    plan = Plan(sessions, channels, sentences, calls, seed, bin_width)
    layout = LAYOUTS[format](plan)

    make_folder(path.parent)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        built = Path(scratch, path.name)  # not the scratch folder itself, which only its owner may read
        built.mkdir()
        sets = layout.write_shared(built)
        units = [(name, unit) for k, name in enumerate(layout.sessions) for unit in layout.units(k)]
        attrs = {
            "feature": FEATURE,
            "bin_width": bin_width,
            "bin_width_units": "ms",
            "lead_in": LEAD_IN,
            "lead_in_units": "s",
            "floor": FLOOR,
            "seed": seed,
            "generator_version": GENERATOR_VERSION,
        }
        truth = TruthWriter.create(built, units=units, sets=sets, lag=lags(bin_width), attrs=attrs)
        first = 0
        for k, name in enumerate(layout.sessions):
            session = draw_session(layout, plan, k, sets)
            layout.write_session(built, k, session)
            truth.write(first, session)
            first += session.neurons.mean.size
            if on_session is not None:
                on_session(name)
        built.replace(path)
    written = open_truth(path)
    assert written is not None
    return written


def draw_session(layout: Layout, plan: Plan, session: int, sets: tuple[StimulusSet, ...]) -> SimulatedSession:
    """Draw one session; the same whenever it is called."""
    return simulate_session(
        sets,
        layout.trial_table(session, sets),
        n_units=len(layout.units(session)),
        bin_width=plan.bin_width,
        seed=plan.seed_of(SESSION, session),
    )

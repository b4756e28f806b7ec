"""Small recordings to try things on, as a folder of wav files and tables such as a user's own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.generic.write_session import write_session
from distributed_trf.recordings.generic.write_sound import write_sound
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import TIMIT
from distributed_trf.recordings.simulation.simulate import simulate
from distributed_trf.store.atomic import make_folder

SENTENCES = "sentences"
"""Their stimulus set."""


def write_example_recordings(path: str | Path, *, sessions: int = 2, channels: int = 4, sentences: int = 30) -> None:
    """Write simulated recordings in the generic layout.

    Ten sentences are for testing and presented eleven times. The last unit of a session does not respond to sound.

    Parameters
    ----------
    path
        A new folder.
    sessions, channels, sentences
        How many; as of ``simulate``.

    Raises
    ------
    ConfigError
        If ``path`` holds something already; nothing is written then.
    """
    path = Path(path).absolute()
    if path.exists():
        raise ConfigError(f"{path}: something is there already; give a new folder, or delete this one first")
    make_folder(path.parent)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        simulated, built = Path(scratch, "simulated"), Path(scratch, path.name)
        simulate(simulated, sessions=sessions, channels=channels, sentences=sentences)
        recordings = open_recordings("ucsf", simulated)
        waveforms, sfreq = recordings.sounds(TIMIT)
        for stimulus in recordings.stimuli(TIMIT):
            part: Literal["test", "train"] = "test" if stimulus.is_test else "train"
            write_sound(built, SENTENCES, stimulus.id, waveforms[stimulus.id], sfreq, part=part)
        for session in recordings.sessions:
            trials = recordings.spikes(session, TIMIT)
            # A spike is in each trial in whose window it is; on the session's clock it came once.
            on_clock = [np.unique(t + trials.onset[k]) for t, k in zip(trials.times, trials.trial, strict=True)]
            write_session(
                built,
                session.name,
                trials.stimulus,
                trials.onset,
                spikes=dict(zip(session.channels, on_clock, strict=True)),
                units=session.channels,
                subject=session.subject,
                area=session.area,
            )
        built.rename(path)

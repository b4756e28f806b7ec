"""When the sounds of a stimulus set were played in one UC Davis session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, numbers
from distributed_trf.recordings.recording_set import Trials
from distributed_trf.recordings.trials import ROUNDING
from distributed_trf.recordings.ucdavis.layout import sound_name


@dataclass(frozen=True)
class Presentations:
    """The trials of one experiment."""

    trials: Trials
    end: np.ndarray
    """Seconds at which the sound of each trial ended, shape (n_trials,)."""
    n_other: int
    """Trials that were left out because their sound is not of the stimulus set."""


def read_presentations(experiment: Any, durations: Mapping[str, float], path: Path) -> Presentations:
    """Read the trials of an experiment, whatever their order in the file.

    Parameters
    ----------
    experiment
        Its struct in the session's file.
    durations
        Seconds that each stimulus of the set lasts, by name.
    path
        The session's file, for error messages.

    Raises
    ------
    RecordingError
        If a field is missing or damaged, or a sound began before the one before it had ended.
    """
    stored = np.atleast_1d(field(experiment, "StimulusName", path)).tolist()
    onset = numbers(experiment, "StimulusTimeOn", path).astype(np.float64)
    if len(stored) != onset.size:
        raise RecordingError(
            f"{path}: an experiment has {len(stored)} values in field StimulusName but {onset.size} in field "
            "StimulusTimeOn; expected one of each per trial. Copy the file again"
        )
    nameless = [k for k, name in enumerate(stored) if not isinstance(name, str)]
    if nameless:
        raise RecordingError(
            f"{path}: field StimulusName holds {stored[nameless[0]]!r} in trial {nameless[0] + 1}; expected the path "
            "of a sound. Copy the file again"
        )
    names = [sound_name(name) for name in stored]
    kept = np.array([k for k, name in enumerate(names) if name in durations], dtype=np.int64)
    late = kept[~np.isfinite(onset[kept])]
    if late.size:
        raise RecordingError(
            f"{path}: field StimulusTimeOn holds {onset[late[0]]} in trial {late[0] + 1}; expected seconds. "
            "Copy the file again"
        )
    kept = kept[np.argsort(onset[kept], kind="stable")]
    stimulus, onset = tuple(names[k] for k in kept), onset[kept]
    end = onset + np.array([durations[name] for name in stimulus])
    overlapping = np.flatnonzero(onset[1:] < end[:-1] - ROUNDING)
    if overlapping.size:
        k = overlapping[0]
        raise RecordingError(
            f"{path}: field StimulusTimeOn holds {onset[k + 1]:.6f} s in trial {kept[k + 1] + 1} ({stimulus[k + 1]}), "
            f"but {stimulus[k]} before it lasted until {end[k]:.6f} s; expected trials that do not overlap. "
            "Check that the sounds are those that were played"
        )
    return Presentations(Trials(stimulus, onset), end, len(names) - kept.size)

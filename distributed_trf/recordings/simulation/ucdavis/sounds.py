"""Sound files of simulated UC Davis recordings, and the files that say which sounds there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from distributed_trf.features.resample import resample_sound
from distributed_trf.features.spectrograms.mel_whisper import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import MVOCS, TIMIT
from distributed_trf.recordings.simulation.mat_file import write_mat
from distributed_trf.recordings.simulation.monkey_calls import KINDS, call_like, draw_duration
from distributed_trf.recordings.simulation.neurons import LEAD_IN, driving_feature
from distributed_trf.recordings.simulation.plan import CALL, SENTENCE, Plan
from distributed_trf.recordings.simulation.speech import speech_like
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet
from distributed_trf.recordings.simulation.ucdavis.catalogue import SEXES, Entry, indices
from distributed_trf.recordings.time_grid import n_bins

SENTENCE_FOLDER, CALL_FOLDER = "TIMIT_48000", "NIMH_Mvoc_WFM"
SENTENCE_DETAILS, CALL_DETAILS = "recanzone_timit_details.mat", "MSL.mat"
SFREQ = 48_000
SCALE = 32_768
"""Value in the file of a sound of amplitude 1."""
SHORTEST_SENTENCE, LONGEST_SENTENCE = 1.0, 2.6


def write_sentences(path: Path, plan: Plan, entries: Sequence[Entry]) -> StimulusSet:
    """Write the sentences and their list below ``path``."""

    def sound(i: int) -> np.ndarray:
        rng = plan.rng(SENTENCE, i)
        return speech_like(rng.uniform(SHORTEST_SENTENCE, LONGEST_SENTENCE), SFREQ, rng)

    stimuli, seconds = _write_sounds(path / SENTENCE_FOLDER, TIMIT, range(len(entries)), entries, sound, plan)
    groups = indices(entries, SEXES)
    details = {
        "use": np.array([float(e.used) for e in entries]),
        "durSec": seconds,
        "wfmName": cells([file_name(e.name) for e in entries]),
        **dict.fromkeys(("indUsed", "indUsed3", "indUsed12"), groups),
    }
    write_mat(path / SENTENCE_DETAILS, {"timit": details})
    return stimuli


def write_calls(path: Path, plan: Plan, entries: Sequence[Entry]) -> StimulusSet:
    """Write the calls and their list below ``path``; calls that are not used have no file."""

    def sound(i: int) -> np.ndarray:
        rng = plan.rng(CALL, i)
        (kind,) = (kind for kind in KINDS if kind == entries[i].group)
        return call_like(kind, draw_duration(rng), SFREQ, rng)

    used = [i for i, entry in enumerate(entries) if entry.used]
    stimuli, seconds = _write_sounds(path / CALL_FOLDER, MVOCS, used, entries, sound, plan)
    numbers = np.array([[float(part) for part in e.name.split("-")[:3:2]] for e in entries])
    details = {
        "useThisSound": np.array([float(e.used) for e in entries]),
        "Dur": np.where(np.arange(seconds.size) % 7, seconds, np.nan),
        "actualDur": np.where(np.isnan(seconds), 1.0, seconds),
        "WFMname": cells([file_name(e.name) for e in entries]),
        "VocType": cells([e.group.capitalize() for e in entries]),
        "SoundID": np.arange(1.0, seconds.size + 1),
        "SourceNum": numbers[:, 0],
        "CueNum": numbers[:, 1],
        "indUsed": indices(entries, KINDS),
    }
    write_mat(path / CALL_DETAILS, {"MSL": details})
    return stimuli


def file_name(stimulus: str) -> str:
    """Return the file of a sound."""
    return f"{stimulus}.wfm"


def cells(values: Sequence[str]) -> np.ndarray:
    """Return a MATLAB cell of strings, shape (n, 1)."""
    column = np.empty((len(values), 1), dtype=object)
    column[:, 0] = values
    return column


def _write_sounds(
    folder: Path,
    name: str,
    written: Sequence[int],
    entries: Sequence[Entry],
    sound: Callable[[int], np.ndarray],
    plan: Plan,
) -> tuple[StimulusSet, np.ndarray]:
    """Write sounds one at a time; return the stimulus set and the seconds of all entries, NaN without a file."""
    folder.mkdir(parents=True)
    seconds, features = np.full(len(entries), np.nan), []
    for i in written:
        values = np.round(SCALE * sound(i)).astype("<i2")
        (folder / file_name(entries[i].name)).write_bytes(values.tobytes())
        seconds[i] = values.size / SFREQ
        if entries[i].used:  # what the reader hears: the file's values, brought to 16 kHz
            heard = resample_sound(values / SCALE, SFREQ, WHISPER_SFREQ)
            features.append(driving_feature(heard, seconds[i], plan.bin_width))
    used = [i for i, entry in enumerate(entries) if entry.used]
    stimuli = StimulusSet(
        name=name,
        ids=tuple(entries[i].name for i in used),
        is_test=np.array([entries[i].repeated for i in used]),
        seconds=seconds[used],
        features=tuple(features),
        lead_in=n_bins(LEAD_IN, plan.bin_width),
    )
    return stimuli, seconds

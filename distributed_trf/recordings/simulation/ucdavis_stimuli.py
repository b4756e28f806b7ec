"""Stimuli of simulated UC Davis recordings: sound files, and lists of the sounds that were used and of some others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_trf.features.resample import resample_sound
from distributed_trf.features.spectrograms.mel_of_networks import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import MVOCS, TIMIT, n_bins
from distributed_trf.recordings.simulation.neurons import LEAD_IN, driving_feature
from distributed_trf.recordings.simulation.plan import CALL, SCHEDULE, SENTENCE, Plan, StimulusSet, write_mat
from distributed_trf.recordings.simulation.sounds import KINDS, call_like, draw_duration, speech_like

SEXES = ("male", "female")
MOST_SENTENCES, REPEATED_SENTENCES, UNUSED_SENTENCES = 497, 46, 2
MOST_CALLS, REPEATED_CALLS, UNUSED_CALLS = 1568, 153, 1478
LEAST_REPEATED = 2
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
CUES_PER_SOURCE = 99


@dataclass(frozen=True)
class Entry:
    """One sound that a list names."""

    name: str
    """By which the reader knows it: its file without the ending."""
    group: str
    """Sex of a speaker or kind of a call."""
    used: bool
    repeated: bool
    """Whether it was presented several times in a session, rather than once."""


def draw_sentences(plan: Plan) -> tuple[Entry, ...]:
    """Draw the list of sentences; all of them have a file, and two are not used."""
    repeated = _share(plan.sentences, REPEATED_SENTENCES, MOST_SENTENCES)
    used, again = _choose(plan.sentences, UNUSED_SENTENCES, repeated, plan.rng(SCHEDULE, 0))
    names = []
    for i in range(used.size):
        rng = plan.rng(SENTENCE, i, 0)
        sex = rng.integers(len(SEXES))
        speaker = f"{SEXES[sex][0]}{''.join(rng.choice(LETTERS, 3))}{rng.integers(2)}"
        names.append((f"{i + 1}-{speaker}_s{'aix'[rng.integers(3)]}{rng.integers(1, 2400)}", SEXES[sex]))
    return _entries(names, used, again)


def draw_calls(plan: Plan) -> tuple[Entry, ...]:
    """Draw the list of calls, about half of which are not used and have no file."""
    unused = max(LEAST_REPEATED, round(plan.calls * UNUSED_CALLS / MOST_CALLS))
    repeated = _share(plan.calls, REPEATED_CALLS, MOST_CALLS)
    used, again = _choose(plan.calls, unused, repeated, plan.rng(SCHEDULE, 1))
    names = []
    for i in range(used.size):
        kind = str(plan.rng(CALL, i, 0).choice(KINDS))
        source, cue = (n + 1 for n in divmod(i, CUES_PER_SOURCE))
        names.append((f"{source:02d}-Cue-{cue:02d}-{kind.capitalize()}", kind))
    return _entries(names, used, again)


def indices(entries: Sequence[Entry], groups: Sequence[str]) -> dict[str, np.ndarray]:
    """Return where, counted from 1 in the whole list, the used sounds of each group are, as the published files do."""
    return {
        f"{group}{kind}": np.array(
            [i for i, e in enumerate(entries, start=1) if e.used and e.group == group and e.repeated == repeated],
            dtype=np.float64,
        )
        for kind, repeated in (("Repeat", True), ("Unique", False))
        for group in groups
    }


def _share(n: int, repeated: int, most: int) -> int:
    return max(LEAST_REPEATED, round(n * repeated / most))


def _choose(n: int, unused: int, repeated: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw which of ``n + unused`` entries are used and which of these are repeated."""
    order = rng.permutation(n + unused)
    used, again = np.ones(order.size, dtype=bool), np.zeros(order.size, dtype=bool)
    used[order[:unused]] = False
    again[order[unused : unused + repeated]] = True
    return used, again


def _entries(names: list[tuple[str, str]], used: np.ndarray, repeated: np.ndarray) -> tuple[Entry, ...]:
    triples = zip(names, used.tolist(), repeated.tolist(), strict=True)
    return tuple(Entry(name, group, is_used, again) for (name, group), is_used, again in triples)


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
        if entries[i].used:  # the reader resamples the file's values to 16 kHz
            resampled = resample_sound(values / SCALE, SFREQ, WHISPER_SFREQ)
            features.append(driving_feature(resampled, seconds[i], plan.bin_width))
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

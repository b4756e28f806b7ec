"""The sentence file of simulated UCSF recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from distributed_trf.features.spectrograms.mel_whisper import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import TIMIT, n_bins
from distributed_trf.recordings.simulation.neurons import LEAD_IN, driving_feature
from distributed_trf.recordings.simulation.plan import SENTENCE, Plan, StimulusSet, write_mat
from distributed_trf.recordings.simulation.sounds import speech_like
from distributed_trf.recordings.ucsf.metadata import SENTENCE_FILE, SILENCE, TEST_IDS

N_SENTENCES = 499
SHORTEST, LONGEST = 1.0, 2.6
"""Seconds that a sentence may last."""


def chosen_sentences(n_sentences: int) -> tuple[int, ...]:
    """Return positions from 1: of the ten test sentences and the first others."""
    others = [i for i in range(1, N_SENTENCES + 1) if i not in TEST_IDS]
    return tuple(sorted([*TEST_IDS, *others[: n_sentences - len(TEST_IDS)]]))


def write_sentences(path: Path, plan: Plan) -> StimulusSet:
    """Write the sentence file below ``path``; positions that were not chosen stay empty in it.

    Each sentence depends on its position and the seed only, not on how many there are.
    """
    sounds = {}
    for i in chosen_sentences(plan.sentences):
        rng = plan.rng(SENTENCE, i - 1)
        sounds[i] = speech_like(rng.uniform(SHORTEST, LONGEST), WHISPER_SFREQ, rng)
    write_mat(path / SENTENCE_FILE, {"sentdet": _structs(sounds)})
    seconds = np.array([sound.size / WHISPER_SFREQ for sound in sounds.values()])
    rows = (driving_feature(*pair, plan.bin_width) for pair in zip(sounds.values(), seconds, strict=True))
    return StimulusSet(
        name=TIMIT,
        ids=tuple(map(str, sounds)),
        is_test=np.isin(list(sounds), TEST_IDS),
        seconds=seconds,
        features=tuple(rows),
        lead_in=n_bins(LEAD_IN, plan.bin_width),
    )


def _structs(sounds: Mapping[int, np.ndarray]) -> np.ndarray:
    """Structs of all sentences, shape (1, 499), from the waveforms from onset to offset by position from 1."""
    names = ("name", "sentId", "sound", "soundf", "dataf", "duration", "befaft")
    sentences = np.empty((1, N_SENTENCES), dtype=[(name, object) for name in names])
    sfreq = float(WHISPER_SFREQ)
    silence, empty = np.zeros(round(SILENCE * sfreq)), np.empty((0, 0))
    for i in range(1, N_SENTENCES + 1):
        name = f"simulated_{i:03d}"
        if i in sounds:
            sound = np.concatenate([silence, sounds[i], silence])
            befaft = np.full(2, SILENCE)
            sentences[0, i - 1] = (name, float(i), sound, sfreq, 100.0, sound.size / sfreq, befaft)
        else:
            sentences[0, i - 1] = (name, float(i), empty, sfreq, 100.0, empty, empty)
    return sentences

"""The English sentences of the UCSF recordings: stimulus set ``timit``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, number, numbers, read_mat
from distributed_trf.recordings.recording_set import Stimulus
from distributed_trf.recordings.ucsf.metadata import SILENCE, TEST_IDS


@dataclass(frozen=True)
class Sentences:
    """The sentence file, which is large and read once."""

    path: Path

    @cached_property
    def structs(self) -> dict[int, Any]:
        """Structs of the sentences that have a sound, by position from 1.

        Raises
        ------
        RecordingError
            If the file is missing or damaged, or a test sentence has no sound.
        """
        structs = np.atleast_1d(read_mat(self.path, ("sentdet",))["sentdet"])
        sentences = {i: s for i, s in enumerate(structs, start=1) if np.size(field(s, "sound", self.path))}
        silent = [str(i) for i in TEST_IDS if i not in sentences]
        if silent:
            raise RecordingError(
                f"{self.path}: test sentences {', '.join(silent)} have no sound among the {len(structs)} of sentdet. "
                "Copy the file again"
            )
        return sentences

    def stimuli(self) -> tuple[Stimulus, ...]:
        """All sentences that have a sound, in the order of the file."""
        stimuli = []
        for i, sentence in self.structs.items():
            stored = number(sentence, "duration", self.path)
            if stored <= 2 * SILENCE:
                raise RecordingError(
                    f"{self.path}: field duration of sentence {i} is {stored} s; expected more than the {2 * SILENCE} "
                    "s of silence around it. Copy the file again"
                )
            stimuli.append(Stimulus(str(i), stored - 2 * SILENCE, is_test=i in TEST_IDS))
        return tuple(stimuli)

    def sounds(self) -> tuple[dict[str, np.ndarray], float]:
        """Every sentence without the silence around it, float64 of shape (n_samples,), and its sampling rate."""
        sfreq, margin = self._rate("soundf")
        sounds = {}
        for i, sentence in self.structs.items():
            sound = numbers(sentence, "sound", self.path)[margin:-margin].astype(np.float64)
            bad = np.count_nonzero(~np.isfinite(sound))
            if bad or not sound.size:
                raise RecordingError(
                    f"{self.path}: field sound of sentence {i} has {sound.size} samples between its silences, {bad} of "
                    "them not finite; expected a waveform. Copy the file again"
                )
            sounds[str(i)] = sound
        return sounds, sfreq

    def phonemes(self) -> dict[str, np.ndarray]:
        """Label of every frame of each sentence, by sentence, without the silence around it.

        Returns
        -------
        dict
            Text of shape (n_frames,), empty where there is no phoneme; there are ``phoneme_rate`` frames per second.

        Raises
        ------
        RecordingError
            If the labels are missing, or not one row per phoneme.
        """
        content = read_mat(self.path, ("phnnames",))["phnnames"]
        names = np.array([str(name).strip() for name in np.atleast_1d(content)])
        _, margin = self._rate("dataf")
        labels = {}
        for i, sentence in self.structs.items():
            stored = np.asarray(field(sentence, "phnmat", self.path))
            if (
                stored.dtype.kind not in "iufb"
                or not names.size
                or stored.size % names.size
                or (stored.ndim == 2 and stored.shape[0] != names.size)
            ):
                raise RecordingError(
                    f"{self.path}: field phnmat of sentence {i} has shape {stored.shape} and type {stored.dtype}; "
                    f"expected numbers, one row for each of the {names.size} phnnames. Copy the file again"
                )
            one_hot = stored.reshape(names.size, -1)[:, margin:-margin]
            labels[str(i)] = np.where(one_hot.any(axis=0), names[one_hot.argmax(axis=0)], "")
        return labels

    @property
    def phoneme_rate(self) -> float:
        """Frames per second of ``phonemes``."""
        return self._rate("dataf")[0]

    def _rate(self, name: str) -> tuple[float, int]:
        """Return a rate in hertz, which all sentences share, and how many samples at that rate the silence lasts."""
        rate = number(next(iter(self.structs.values())), name, self.path)
        margin = round(SILENCE * rate)
        if margin < 1:
            raise RecordingError(f"{self.path}: field {name} is {rate}; expected a rate in hertz. Copy the file again")
        return rate, margin

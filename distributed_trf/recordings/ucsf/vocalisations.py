"""The monkey vocalisations of the UCSF recordings: stimulus set ``mvocs``.

Vocalisations were presented one after another in the same order in every session. Each presentation is a separate
stimulus, named by its position in that order, from 0. Only presentations of a test vocalisation share a stimulus, which
is named by the first of them. Their sounds are in one wav file, with a pulse in its second channel where each begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import numbers, read_mat
from distributed_trf.recordings.recording_set import Stimulus
from distributed_trf.recordings.ucsf.metadata import N_TEST_PRESENTATIONS
from distributed_trf.recordings.wav import open_wav

MARK_SPACING = 0.02
"""Seconds within which a pulse that follows another belongs to it. The first sound has three pulses 10 ms apart."""
SILENCE_LASTS = 0.1
"""Seconds; the first silence as long as that ends a sound."""
FULL_SCALE = 30_000
"""Value of a stored sample that counts as 1."""
LOUD = 30
"""Least absolute value of a stored sample that is not silent: 1e-3 of ``FULL_SCALE``."""
BLOCK = 2**22
"""Frames that are looked at together, 16 MiB of the file."""


def open_pulse_wav(path: Path) -> tuple[np.ndarray, float]:
    """Map a wav file into memory; nothing but its header is read.

    Returns
    -------
    samples, rate
        int16 of shape (n_frames, 2), sound and pulses; and frames per second.

    Raises
    ------
    RecordingError
        If the file is missing or cut short, or not a stereo wav file of 16 bits.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    wav = open_wav(path)
    samples = wav.read()
    if wav.n_channels != 2 or samples.dtype != np.int16 or wav.sfreq <= 0:
        raise RecordingError(
            f"{path}: {wav.n_channels} channels of {samples.dtype} at {wav.sfreq} Hz; expected 2 channels, sound and "
            "pulses, of int16. Copy it again"
        )
    return samples, float(wav.sfreq)


def pulse_starts(pulses: np.ndarray, rate: float) -> np.ndarray:
    """Return the frames at which sounds begin, ascending, shape (n_sounds,).

    Parameters
    ----------
    pulses
        The pulse channel, 0 outside pulses, shape (n_frames,).
    rate
        Frames per second.
    """
    found, before = [], False
    for first in range(0, pulses.size, BLOCK):
        high = pulses[first : first + BLOCK] != 0
        rises = high & ~np.concatenate([[before], high[:-1]])
        found.append(first + np.flatnonzero(rises))
        before = bool(high[-1])
    starts = np.concatenate([np.empty(0, dtype=np.int64), *found])
    follows = np.diff(starts, prepend=-np.inf) < MARK_SPACING * rate
    return starts[~follows]


def sound_length(samples: np.ndarray, rate: float) -> int:
    """Return after how many samples a sound, int16 of shape (n_samples,), falls silent; all if it never does."""
    loud = np.flatnonzero((samples >= LOUD) | (samples <= -LOUD))
    silence_starts = np.concatenate([[0], loud + 1])
    silence_ends = np.concatenate([loud, [samples.size]])
    long = np.flatnonzero(silence_ends - silence_starts >= round(SILENCE_LASTS * rate))
    return int(silence_starts[long[0]]) if long.size else samples.size


SFREQ = 16_000
"""Hertz to which the sounds are resampled."""
ONSET_TOLERANCE = 0.1
"""Seconds that a pulse may be away from where the code file says; published ones are 2 to 5 ms away."""


@dataclass(frozen=True)
class Vocalisations:
    """The file that says which vocalisation came when, and the one that holds their sound."""

    code_path: Path
    wav_path: Path

    @cached_property
    def codes(self) -> np.ndarray:
        """Code of the vocalisation of each presentation, int64 of shape (n_presentations,)."""
        return self._presentations[0]

    @cached_property
    def stimulus_ids(self) -> tuple[str, ...]:
        """Stimulus of each presentation."""
        _, first, vocalisation = np.unique(self.codes, return_index=True, return_inverse=True)
        index = np.where(self._is_test, first[vocalisation], np.arange(self.codes.size))
        return tuple(map(str, index.tolist()))

    def stimuli(self) -> tuple[Stimulus, ...]:
        """All stimuli in the order of their first presentation; their durations are known without resampling."""
        cuts, rate = self._cuts
        return tuple(
            Stimulus(str(k), _resampled_size(length, rate) / SFREQ, is_test=bool(self._is_test[k]))
            for k, (_, length) in cuts.items()
        )

    def sounds(self) -> tuple[dict[str, np.ndarray], float]:
        """Every stimulus from its pulse to its first long silence, float64 of shape (n_samples,), and ``SFREQ``."""
        cuts, rate = self._cuts
        samples, _ = open_pulse_wav(self.wav_path)
        sounds = {
            str(k): scipy.signal.resample(
                samples[start : start + length, 0] / FULL_SCALE, _resampled_size(length, rate)
            )
            for k, (start, length) in cuts.items()
        }
        return sounds, float(SFREQ)

    @cached_property
    def _presentations(self) -> tuple[np.ndarray, np.ndarray]:
        """Code of each presentation, and its onset in seconds within the wav file, as the code file says."""
        names = ("mVocsStimCodes", "mVocsStimOnTimes")
        content = SimpleNamespace(**read_mat(self.code_path, names))
        codes, onset = (numbers(content, name, self.code_path) for name in names)
        if codes.size != onset.size or not codes.size:
            raise RecordingError(
                f"{self.code_path}: {names[0]} holds {codes.size} values and {names[1]} {onset.size}; expected one of "
                "each per presentation. Copy the file again"
            )
        wrong = codes[~(np.isfinite(codes) & (codes > 0) & (codes == np.floor(codes)))]
        if wrong.size:
            raise RecordingError(
                f"{self.code_path}: {names[0]} holds {wrong[0]:g}; expected whole numbers from 1. Copy the file again"
            )
        return codes.astype(np.int64), onset

    @cached_property
    def _is_test(self) -> np.ndarray:
        """Whether each presentation is of a test vocalisation, shape (n_presentations,)."""
        _, vocalisation, n_presented = np.unique(self.codes, return_inverse=True, return_counts=True)
        return n_presented[vocalisation] == N_TEST_PRESENTATIONS

    @cached_property
    def _cuts(self) -> tuple[dict[int, tuple[int, int]], float]:
        """First frame and number of frames of each stimulus, and the rate; the wav file is searched once."""
        samples, rate = open_pulse_wav(self.wav_path)
        starts = pulse_starts(samples[:, 1], rate)
        self._check_starts(starts, rate)
        ends = np.append(starts[1:], len(samples))
        cuts = {}
        for k, stimulus in enumerate(self.stimulus_ids):
            if stimulus == str(k):
                length = sound_length(samples[starts[k] : ends[k], 0], rate)
                if not _resampled_size(length, rate):
                    raise RecordingError(
                        f"{self.wav_path}: presentation {k}, at {starts[k] / rate:.3f} s, is silent from its start; "
                        "expected a vocalisation. Copy the file again"
                    )
                cuts[k] = int(starts[k]), length
        return cuts, rate

    def _check_starts(self, starts: np.ndarray, rate: float) -> None:
        codes, onset = self._presentations
        if starts.size != codes.size:
            raise RecordingError(
                f"{self.wav_path}: its second channel has {starts.size} pulses that begin a sound; expected "
                f"{codes.size}, one per presentation in {self.code_path.name}. Copy both files again"
            )
        off = np.flatnonzero(~(np.abs(starts / rate - onset) <= ONSET_TOLERANCE))
        if off.size:
            k = off[0]
            raise RecordingError(
                f"{self.wav_path}: presentation {k} begins at {starts[k] / rate:.3f} s, but {self.code_path.name} says "
                f"{onset[k]:.3f} s in mVocsStimOnTimes; expected at most {ONSET_TOLERANCE} s between them. "
                "Copy both files again"
            )


def _resampled_size(n_samples: int, rate: float) -> int:
    return int(n_samples * SFREQ / rate)

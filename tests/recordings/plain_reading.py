"""Both published formats read with scipy alone, straight from their description; it shares no code with the package."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.signal import resample

WIDTH = 0.05


def load(path: Path) -> dict[str, Any]:
    return loadmat(path, squeeze_me=True, struct_as_record=False)


def n_bins(seconds: float) -> int:
    return int(np.floor((seconds + 1e-6 + WIDTH / 2) / WIDTH))


def count(times: np.ndarray, seconds: float) -> np.ndarray:
    """Left-closed bins, with 1 microsecond of grace for what rounding moved below a border; shape (n_bins,)."""
    n = n_bins(seconds)
    rows = np.floor((np.atleast_1d(times) + 1e-6) / WIDTH).astype(int)
    return np.bincount(rows[(rows >= 0) & (rows < n)], minlength=n)


def calls_as_heard(path: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Code of each presentation in the wav, and its sound at 16 kHz."""
    codes = np.atleast_1d(load(path / "stimuli/SqMoPhys_MVOCStimcodes.mat")["mVocsStimCodes"])
    audio, pulses = wav(path)
    starts = np.flatnonzero(np.diff(pulses, prepend=0) > 0)
    starts = np.delete(starts, [1, 2])
    sounds = []
    for start, stop in zip(starts, [*starts[1:], audio.size], strict=True):
        sound = audio[start:stop] / 30000
        loud = np.flatnonzero(np.abs(sound) >= 1e-3)
        silent = np.diff(loud, append=sound.size) - 1  # samples after each audible one
        quiet_from = loud[np.flatnonzero(silent >= 4100)[0]] + 1
        cut = sound[:quiet_from]
        sounds.append(resample(cut, int(cut.size * 16000 / 41000)))
    return codes, sounds


def wav(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Audio and pulses, each of shape (n_frames,)."""
    with wave.open(str(path / "stimuli/MonkVocs_15Blocks.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 41_000)
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    return frames[:, 0].astype(int), frames[:, 1].astype(int)


def ucsf_trial_counts(file: Path, seconds: dict[tuple[str, int], float]) -> list[np.ndarray]:
    """Counts of one channel in each trial, shape (n_bins,); none where no known stimulus was heard.

    ``seconds`` is given by class and code.
    """
    content = load(file)
    spike, trial = content["spike"], content["trial"]
    found = []
    for k in range(trial.stimon.size):
        codes = {name: int(getattr(trial, f"{name}Stimcode")[k]) for name in ("timit", "mVoc")}
        heard = [seconds[name, code] for name, code in codes.items() if code]
        found.append(count(spike.stimlock[spike.trial == k + 1], heard[0]) if heard else np.zeros(0, dtype=int))
    return found


def ucdavis_presentations(path: Path, session: str) -> list[tuple[str, float, float]]:
    """File name, onset and seconds of each presentation, in order of time."""
    found = []
    for block in np.atleast_1d(load(path / f"Data/{session}.mat")["TrialStimData"]):
        kind = {str(t)[:3] for t in block.StimulusType}
        folder = {"BMT": "TIMIT_48000", "BMM": "NIMH_Mvoc_WFM"}[kind.pop()]
        for name, onset in zip(block.StimulusName, block.StimulusTimeOn, strict=True):
            file = str(name).rsplit("\\", 1)[-1]
            found.append((file, float(onset), (path / folder / file).stat().st_size / 96_000))
    return sorted(found, key=lambda trial: trial[1])


def ucdavis_trial_counts(path: Path, session: str) -> dict[int, list[np.ndarray]]:
    """Counts of each unit, by its code, in each trial, shape (n_bins,)."""
    content = load(path / f"Data/{session}.mat")
    trials = ucdavis_presentations(path, session)
    found = {}
    for tetrode in (content[f"WM_{k}"] for k in (1, 2, 3, 4)):
        codes, times = np.atleast_1d(tetrode.codes), np.atleast_1d(tetrode.times)
        for code in np.unique(codes):
            own = times[codes == code]
            windows = ((own[(own >= on - 1e-9) & (own <= on + seconds)] - on, seconds) for _, on, seconds in trials)
            found[int(code)] = [count(*window) for window in windows]
    return found

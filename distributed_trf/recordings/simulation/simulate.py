"""A recording set to try everything on: sounds like speech, neurons that are known, files like the published ones."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf.errors import ConfigError
from distributed_trf.features.mel import WHISPER_SFREQ
from distributed_trf.recordings.simulation.neurons import FEATURE, FLOOR, LEAD_IN, driving_features, lags
from distributed_trf.recordings.simulation.session import simulate_session
from distributed_trf.recordings.simulation.speech import speech_like
from distributed_trf.recordings.simulation.trial_table import CLOCK
from distributed_trf.recordings.simulation.truth import SessionTruth, collect_truth, write_truth
from distributed_trf.recordings.simulation.ucsf_sites import sites
from distributed_trf.recordings.simulation.ucsf_writer import (
    N_SENTENCES,
    write_metadata,
    write_sentences,
    write_session,
)
from distributed_trf.recordings.ucsf.layout import TEST_IDS

GENERATOR_VERSION = 1
"""Raise it when the same arguments make other recordings."""
SHORTEST, LONGEST = 1.0, 2.6
"""Seconds that a sentence may last."""


def simulate(
    path: str | Path,
    *,
    sessions: int = 3,
    channels: int = 8,
    sentences: int = 60,
    seed: int = 0,
    bin_width: float = 50.0,
) -> xr.Dataset:
    """Write a simulated recording set of the format ``ucsf``, and what it was made from as ``truth.zarr`` in it.

    The units are linear neurons driven by Whisper's mel spectrogram at lags of 0 to 200 ms, with Poisson spikes. The
    last channel of each session hears nothing. The ten test sentences are heard eleven times, all others once.

    Parameters
    ----------
    path
        Where to write; must not exist or be an empty folder.
    sessions, channels
        How many sessions, and channels in each, at least 1.
    sentences
        How many sentences, 11 to 499: the ten for testing and the first others.
    seed
        The same seed and arguments write the same bytes.
    bin_width
        Milliseconds within which the neurons' rates are constant, 10 to 200 in steps of 0.05.

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
    _check_arguments(sessions=sessions, channels=channels, sentences=sentences, seed=seed, bin_width=bin_width)

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
        built = Path(scratch, path.name)  # not the scratch folder itself, which only its owner may read
        built.mkdir()
        sound_seed, session_seed = np.random.SeedSequence(seed).spawn(2)
        sounds = _draw_sounds(sentences, sound_seed)
        write_sentences(built, sounds, WHISPER_SFREQ)
        durations = {i: sound.size / WHISPER_SFREQ for i, sound in sounds.items()}
        features = dict(zip(sounds, driving_features(list(sounds.values()), bin_width), strict=True))

        chosen = sites(sessions)
        write_metadata(built, chosen)
        truths, stimulus = [], []
        for site, child in zip(chosen, session_seed.spawn(sessions), strict=True):
            session = simulate_session(features, durations, n_units=channels, bin_width=bin_width, seed=child)
            labels = write_session(built, site, session.table, session.trains)
            rate = np.concatenate(list(session.rates.values()))
            truths.append(SessionTruth(site.session, labels, session.neurons, session.ceiling(), rate))
            stimulus = [str(i) for i, rows in session.rates.items() for _ in rows]
        attrs: dict[str, Any] = {
            "feature": FEATURE,
            "bin_width": bin_width,
            "bin_width_units": "ms",
            "lead_in": LEAD_IN,
            "lead_in_units": "s",
            "floor": FLOOR,
            "seed": seed,
            "generator_version": GENERATOR_VERSION,
        }
        truth = collect_truth(truths, lag=lags(bin_width), stimulus=stimulus, attrs=attrs)
        write_truth(truth, built)
        built.replace(path)
    return truth


def _check_arguments(*, sessions: int, channels: int, sentences: int, seed: int, bin_width: float) -> None:
    fewest = len(TEST_IDS) + 1
    ranges = {
        "sessions": (sessions, sessions >= 1, "at least 1"),
        "channels": (channels, channels >= 1, "at least 1"),
        "sentences": (
            sentences,
            fewest <= sentences <= N_SENTENCES,
            f"{fewest} to {N_SENTENCES}, of which {len(TEST_IDS)} are for testing",
        ),
        "seed": (seed, seed >= 0, "at least 0"),
        "bin_width": (
            bin_width,
            10 <= bin_width <= 200 and float(bin_width * CLOCK / 1000).is_integer(),
            f"10 to 200 ms in steps of {1000 / CLOCK} ms, the recording clock",
        ),
    }
    for name, (value, is_good, expected) in ranges.items():
        if not is_good:
            raise ConfigError(f"simulate: {name}={value}; expected {expected}")


def _draw_sounds(n_sentences: int, seed: np.random.SeedSequence) -> dict[int, np.ndarray]:
    """Sentences by position from 1; each depends on its position and the seed only, not on how many there are."""
    others = [i for i in range(1, N_SENTENCES + 1) if i not in TEST_IDS]
    chosen = sorted([*TEST_IDS, *others[: n_sentences - len(TEST_IDS)]])
    seeds = seed.spawn(N_SENTENCES)
    sounds = {}
    for i in chosen:
        rng = np.random.default_rng(seeds[i - 1])
        sounds[i] = speech_like(rng.uniform(SHORTEST, LONGEST), WHISPER_SFREQ, rng)
    return sounds

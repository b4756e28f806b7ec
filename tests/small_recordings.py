"""A small recording set in the generic layout, with training sounds that were presented several times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import wavfile

from tests.recordings.generic_files import write_csv_session

TRAIN, TEST = [f"a{k}" for k in range(1, 8)], ["t1", "t2"]
SECONDS = {i: 0.5 + 0.1 * k for k, i in enumerate(TRAIN + TEST)}
ORDERS = {"many": "1112345677", "once": "7654321", "other": "1112345677", "some": "11224567"}
"""Training sounds of each session; two heard each sound equally often, the last one lacks a sound."""
ALPHAS = np.logspace(-2, 4, 7)


def write_repeats(path: Path, repeats: int = 2) -> None:
    """Write four sessions of two units that fire at random; each heard the test sounds so many times."""
    rng = np.random.default_rng(5)
    for part, ids in (("train", TRAIN), ("test", TEST)):
        folder = path / "stimuli/tones" / part
        folder.mkdir(parents=True)
        for i in ids:
            noise = rng.normal(size=round(16000 * SECONDS[i])) * rng.uniform(0.01, 0.2)
            wavfile.write(folder / f"{i}.wav", 16000, noise.astype(np.float32))
    for session, order in ORDERS.items():
        heard = [f"a{k}" for k in order] + TEST * repeats
        onsets = np.cumsum([0] + [SECONDS[i] + 0.1 for i in heard[:-1]])
        spikes = [(f"u{u}", t) for u in range(2) for t in np.sort(rng.uniform(0, onsets[-1] + 1, size=40 * (u + 5)))]
        write_csv_session(path, session, [("tones", i, t) for i, t in zip(heard, onsets, strict=True)], spikes)

"""Own features for tests: a table, sounds as extraction gives them, and frames of events from the definition."""

from __future__ import annotations

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.registry import family
from distributed_trf.features.family import Origin
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable


def own_table(source, *, rate=100, width=2, layers=None, **config):
    layers = layers or [{"name": "mine", "width": width, "rate": rate}]
    content = {"name": "mine", "family": "table", "source": str(source), "config": config, "layers": layers}
    return NetworkTable.model_validate(content)


def read(table, ids, seconds, *, lead_in=0.0, stimuli="words"):
    """What an extraction gets of stimuli of some seconds, by layer and stimulus, and what it is told."""
    network = build_network(table, NetworkSettings(name="mine"), "fixed", device="cpu")
    sounds = [np.zeros(round((lead_in + s) * table.sfreq)) for s in seconds]
    origins = [Origin(stimuli, i, lead_in) for i in ids]
    found = extract(network, table, "fixed", sounds, table.layers, origins=origins)
    return found, network.notes


def n_frames(table, seconds):
    return family(table, "fixed").n_frames(table, table.layers[0], round(seconds * table.sfreq))


def slow_events(rows, labels, mark, rate, n_frames, lead_in):
    """Frames of events (onset, offset, label, value), frame by frame from the definition."""
    frames = np.zeros((n_frames, len(labels)))
    for k in range(n_frames):
        start, stop = k / rate - lead_in, (k + 1) / rate - lead_in
        for onset, offset, label, value in rows:
            if label not in labels:
                continue
            if mark == "onset":
                part = 1.0 if start - 1e-6 <= onset < stop - 1e-6 else 0.0
            else:
                part = max(0.0, min(stop, offset) - max(start, onset)) * rate
            frames[k, labels.index(label)] += part * value
    return frames

"""The extract stage: sounds to features of every layer, one batch of stimuli per work item."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np

from distributed_trf.arrays import blocks
from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.features.device import torch_on
from distributed_trf.features.families.registry import expected_frames, frame_rate
from distributed_trf.features.network import build_network, extract, prepare_sounds
from distributed_trf.features.network_table import Layer, NetworkTable, chosen_layers
from distributed_trf.features.resample import kept_frames
from distributed_trf.pipeline.items import Extract, layer_part
from distributed_trf.pipeline.stages.read_recordings import load_sounds
from distributed_trf.store.allocation import read_allocation
from distributed_trf.store.feature_arrays import write_batch
from distributed_trf.store.features import FeatureLayout, NetworkFeatures, StoredLayer
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.fingerprint import digest_array as digest_of
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""
ReleaseSlot = Callable[[], None]
"""Gives back the slot of a task on its worker, as ``distributed.secede`` does; the task goes on beside the next."""

_WRITING = Lock()


def keep_slot() -> None:
    """Keep the slot: what a plain loop does."""


@contextmanager
def overlap_write(release_slot: ReleaseSlot) -> Iterator[None]:
    """Write while the worker begins the next task.

    One task of a process writes at a time, and the next gives back its slot only when it may write: no more than two
    hold what they found, one that is being written and one that was just calculated.
    """
    with _WRITING:
        release_slot()
        yield


def feature_layout(
    study: StudySettings,
    table: NetworkTable,
    weights: Weights,
    layers: tuple[Layer, ...],
    sounds: dict[str, Any],
    durations: Sequence[float],
    batches: tuple[int, ...],
) -> FeatureLayout:
    """Lay out a network's features, given what the read stage found of the sounds, and the seconds of each stimulus."""
    lengths = heard_lengths(study, table, sounds)
    stored = []
    for layer in layers:
        rate = frame_rate(table, weights, layer)
        native = frames = tuple(expected_frames(table, weights, layer, n) for n in lengths)
        if study.extraction.keep == "100Hz":
            frames = tuple(kept_frames(rate, n, m / table.sfreq) for n, m in zip(native, lengths, strict=True))
        stored.append(StoredLayer(layer.id, layer.name, layer.type, rate, layer.width, native, frames))
    return FeatureLayout(tuple(sounds["ids"]), tuple(durations), batches, tuple(stored), study.lags.lead_in)


def heard_lengths(study: StudySettings, table: NetworkTable, sounds: dict[str, Any]) -> list[int]:
    """Return the samples of each sound at a network's rate, leading silence included."""
    lead_in = int(study.lags.lead_in * table.sfreq)
    return [lead_in + int(n * table.sfreq / sounds["sfreq"]) for n in sounds["n_samples"]]


def extract_features(
    item: Extract,
    study: StudySettings,
    table: NetworkTable,
    store: StudyStore,
    device: str,
    release_slot: ReleaseSlot = keep_slot,
    parts: Collection[str] | None = None,
) -> dict[str, Any]:
    """Hear one batch of sounds and store layers, these aside; return a digest of what each layer holds.

    Of the layers that the study asks for, those in ``parts``; by default all.
    """
    settings = network_settings(study, item.network)
    layers = [layer for layer in chosen_layers(table, settings) if parts is None or layer_part(layer.id) in parts]
    path = store.features(item.stimuli, item.network, item.weights)
    laid = read_allocation(store.root, path).files
    layout = NetworkFeatures(path, laid).layout
    first, last = layout.batch_borders[item.batch]
    ids = layout.stimuli[first:last]
    with timed("load"):
        waves, sfreq = load_sounds(store, item.stimuli, list(ids))
        names = [f"stimulus {i!r} of {item.stimuli}" for i in ids]
        sounds = prepare_sounds(waves, sfreq, table, study.lags.lead_in, names, device)
    frames = {layer.id: layer.frames[first:last] for layer in layout.layers}
    features: dict[int, list[np.ndarray]] = {layer.id: [] for layer in layers}
    parts_heard = 1

    def stored_from(start: int) -> Callable[[Layer, int], int]:
        return lambda layer, k: frames[layer.id][start + k]

    with torch_on(device):
        with timed("load"):
            network = build_network(table, settings, item.weights, device=device, dtype=study.extraction.dtype)
        with timed("forward"):  # brings what it found to the host
            for part in blocks(len(sounds), study.extraction.heard(device)):
                found = extract(
                    network, table, item.weights, sounds[part], layers, stored_from(part.start), names[part]
                )
                parts_heard = max(parts_heard, network.parts)
                for layer_id, of_part in found.items():
                    features[layer_id] += of_part
        details = {"heard_in_parts": parts_heard}
    if network.changed is not None:
        details["parameters_changed"] = network.changed
    with overlap_write(release_slot):
        files = {store.name(path): write_batch(path, item.batch, features, laid)}
        digests = {str(layer): digest([digest_of(f) for f in stimuli]) for layer, stimuli in features.items()}
    return {"digests": digests, "files": files, **details}


def network_settings(study: StudySettings, name: str) -> NetworkSettings:
    """Return what a study says of one of its networks."""
    return next(network for network in study.networks if network.name == name)

"""The extract stage: sounds to features of every layer, one batch of stimuli per work item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from distributed_trf.arrays import blocks
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.device import torch_on
from distributed_trf.features.families.registry import expected_work, loads_file, versions
from distributed_trf.features.network import build_network, extract, prepare_sounds
from distributed_trf.features.network_table import Layer, chosen_layers
from distributed_trf.features.weights.source import weights_identity
from distributed_trf.pipeline.costs import Cost, Operations
from distributed_trf.pipeline.items import Extract, ReadSounds, layer_part
from distributed_trf.pipeline.stages.read_recordings import SoundsRead
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import (
    Files,
    Finding,
    Inputs,
    Job,
    ReleaseSlot,
    Remarks,
    Upstream,
    WorkKind,
    left_out_if_none,
    network_and_stage,
)
from distributed_trf.store.allocation import read_allocation
from distributed_trf.store.feature_arrays import write_batch
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.fingerprint import digest_array as digest_of
from distributed_trf.store.stored_recordings import load_sounds
from distributed_trf.timing import timed

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""
SMALLER = "a smaller `extraction.batch`"
_WRITING = Lock()


@dataclass(frozen=True)
class Extracted(Finding):
    """The features of one batch of stimuli."""

    digests: dict[str, str] = field(default_factory=dict)
    """Of the features, by layer."""
    files: Files = field(default_factory=dict)
    heard_in_parts: int = 1
    """In how many passes the batch went through the network."""
    parameters_changed: int | None = left_out_if_none()
    """By a control of the weights."""

    def remarks(self) -> Remarks:
        """Return what is told of the item beyond that it is done."""
        return Remarks(parts=self.heard_in_parts)


def network_settings(study: StudySettings, name: str) -> NetworkSettings:
    """Return what a study says of one of its networks."""
    return next(network for network in study.networks if network.name == name)


def extraction_settings(study: StudySettings, batch: int) -> Inputs:
    """Return the settings that a batch of features depends on, of any network."""
    return {
        "lead-in": study.lags.lead_in,
        "batch": [batch, study.extraction.stored],
        "dtype": study.extraction.dtype,
        "keep": study.extraction.keep,
    }


@contextmanager
def overlap_write(release_slot: ReleaseSlot) -> Iterator[None]:
    """Write while the worker begins the next task.

    One task of a process writes at a time, and the next gives back its slot only when it may write: no more than two
    hold what they found, one that is being written and one that was just calculated.
    """
    with _WRITING:
        release_slot()
        yield


def extract_features(item: Extract, job: Job) -> Extracted:
    """Run one batch of sounds through a network and store the layers that are among the parts.

    They are written while the worker begins its next task.
    """
    study, store, device, table = job.study, job.store, job.device, job.tables[item.network]
    settings = network_settings(study, item.network)
    layers = [layer for layer in chosen_layers(table, settings) if layer_part(layer.id) in job.parts]
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
    passes = 1

    def stored_from(start: int) -> Callable[[Layer, int], int]:
        return lambda layer, k: frames[layer.id][start + k]

    with torch_on(device):
        with timed("load"):
            network = build_network(table, settings, item.weights, device=device, dtype=study.extraction.dtype)
        with timed("forward"):  # brings what it found to the host
            for part in blocks(len(sounds), study.extraction.largest_pass(device)):
                found = extract(
                    network, table, item.weights, sounds[part], layers, stored_from(part.start), names[part]
                )
                passes = max(passes, network.parts)
                for layer_id, of_part in found.items():
                    features[layer_id] += of_part
    with overlap_write(job.release_slot):
        files = {store.name(path): write_batch(path, item.batch, features, laid)}
        digests = {str(layer): digest([digest_of(f) for f in stimuli]) for layer, stimuli in features.items()}
    return Extracted(digests=digests, files=files, heard_in_parts=passes, parameters_changed=network.changed)


def _items(scope: ItemSource) -> Iterator[Extract]:
    """List extractions network by network, so that a worker builds each as seldom as can be."""
    for network in scope.study.networks:
        for weights in scope.weights(network):
            for stimuli in scope.study.stimuli:
                for batch in range(len(scope.batches(stimuli))):
                    yield Extract(stimuli, network.name, weights, batch)


def _inputs(item: Extract, upstream: Upstream) -> Inputs:
    study = upstream.context.study
    sounds = SoundsRead.of(upstream.require(ReadSounds(item.stimuli)))
    first = item.batch * study.extraction.stored
    last = min(first + study.extraction.stored, len(upstream.context.stimuli[item.stimuli]))
    return {
        "sounds": [[sounds.ids[k], sounds.digests[k]] for k in range(first, last)] + [sounds.sfreq],
        **upstream.once(("network", item.network, item.weights), lambda: _network(item, upstream.context)),
        **extraction_settings(study, item.batch),
    }


def _network(item: Extract, context: Context) -> Inputs:
    """What the extractions of a network with some weights have in common."""
    settings, table = network_settings(context.study, item.network), context.tables[item.network]
    return {
        "weights": weights_identity(table, settings, item.weights),
        "network": [table.family, table.sfreq],
        **{layer_part(layer.id): layer.model_dump() for layer in context.layers(settings)},
        "versions": [REVISION, versions(table, item.weights)],
    }


def _cost(context: Context, item: Extract, device: str) -> Cost:
    layout, lengths = context.expected_features[item.stimuli, item.network, item.weights]
    first, last = layout.batch_borders[item.batch]
    table = context.tables[item.network]
    on_gpu = device != "cpu" and not table.is_spectrogram
    work = expected_work(table, item.weights, lengths[first:last])
    # A GPU takes what its free memory holds, in as many passes as that needs: at least one sound.
    at_once = 1 if on_gpu else context.study.extraction.largest_pass(device)
    passes = [lengths[k : min(k + at_once, last)] for k in range(first, last, at_once)]
    one_pass = max(expected_work(table, item.weights, of_one).activations for of_one in passes)
    # Frames of which fewer go to the store, and their spectrum, in double precision: of the sound that has most.
    resampled = max(
        (
            16 * n * x.width
            for x in layout.layers
            for n, m in zip(x.native[first:last], x.frames[first:last], strict=True)
            if m < n
        ),
        default=0,
    )
    # Features of the pass, those of the batch before, which are written meanwhile, and of one layer the chunk and
    # what goes into it.
    written = layout.bytes // len(layout.batches)
    kept = 2 * written + 3 * max(4 * layout.slot(x) * x.width for x in layout.layers)
    loading = work.weights if loads_file(item.weights) else 0  # a file's tensors beside the network's own
    hearing = one_pass + resampled
    samples = sum(lengths[first:last])
    operations = Operations(transform=work.flops) if table.is_spectrogram else Operations(single=work.flops)
    return Cost(
        read=8 * samples + loading,
        written=written,
        files=1 + len(layout.layers),
        host=max(work.weights + loading, kept) if on_gpu else work.weights + max(loading, hearing + kept),
        device=work.weights + hearing if on_gpu else 0,
        operations=operations,
    )


EXTRACTIONS = WorkKind(
    item=Extract,
    finding=Extracted,
    items=_items,
    inputs=_inputs,
    outputs=lambda item, context: iter([context.store.features(item.stimuli, item.network, item.weights)]),
    cost=_cost,
    run=extract_features,
    settings=lambda item, study: extraction_settings(study, item.batch),
    label=network_and_stage,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
    uses_networks=True,
)

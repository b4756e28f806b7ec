"""The extract stage: features of every layer for one batch of stimuli per work item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from distributed_trf.arrays import blocks
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.own_features import as_own_features
from distributed_trf.config.study import StudySettings
from distributed_trf.features.device import torch_on
from distributed_trf.features.families.registry import expected_work, family, is_supported, loads_file, versions
from distributed_trf.features.family import Origin
from distributed_trf.features.network import build_network, extract, prepare_sounds
from distributed_trf.features.own.files import digests
from distributed_trf.features.table import Layer, chosen_layers
from distributed_trf.features.weights.identity import weights_identity
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
from distributed_trf.store.feature_arrays import to_float16, write_batch
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.fingerprint import digest_array as digest_of
from distributed_trf.store.stored_recordings import load_sounds
from distributed_trf.timing import timed

REVISION = 1
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""
CONTEXT_REVISION = 1
"""The same for the features of networks with a context alone."""
SMALLER = "a smaller `extraction.batch`"
_WRITING = Lock()
LOADED = {"torch": "torch", "transformers": "transformers.modeling_utils"}
"""What a network in torch loads of the libraries that take seconds to load."""


@dataclass(frozen=True)
class Extracted(Finding):
    """The features of one batch of stimuli."""

    digests: dict[str, str] = field(default_factory=dict)
    """Digests of the features, by layer."""
    files: Files = field(default_factory=dict)
    heard_in_parts: int = 1
    """Number of forward passes for the batch."""
    parameters_changed: int | None = left_out_if_none()
    """Number of parameters that a control of the weights changed."""
    upsampled: str | None = left_out_if_none()
    """What sounds lack for the network, if their rate is below its own."""
    notes: list[str] | None = left_out_if_none()
    """What was done to features of one's own so that they fit their sounds, and what storing takes of features."""

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(parts=self.heard_in_parts, upsampled=self.upsampled, features=self.notes or ())


def network_settings(study: StudySettings, name: str) -> NetworkSettings:
    """Return the settings of one of a study's networks."""
    return next(network for network in study.networks if network.name == name)


def extraction_settings(study: StudySettings, batch: int) -> Inputs:
    """Return the settings that a batch of features depends on, of any network."""
    return {
        "lead-in": study.lags.lead_in,
        "batch": [batch, study.extraction.sounds_per_item],
        "dtype": study.extraction.dtype,
        "keep": study.extraction.keep,
        **({} if study.extraction.store == "float32" else {"store": study.extraction.store}),
    }


@contextmanager
def overlap_write(release_slot: ReleaseSlot) -> Iterator[None]:
    """Write while the worker starts the next task.

    One task of a process writes at a time, and a task releases its slot only when it may write. So at most two tasks
    hold features: one that writes, and one that has just calculated them.
    """
    with _WRITING:
        release_slot()
        yield


def extract_features(item: Extract, job: Job) -> Extracted:
    """Make a forward pass for one batch of sounds, and store the layers that are among the parts.

    They are written while the worker starts its next task.
    """
    study, store, device, table = job.study, job.store, job.device, job.tables[item.network]
    settings = network_settings(study, item.network)
    layers = [layer for layer in chosen_layers(table, settings) if layer_part(layer.id) in job.parts]
    path = store.features(item.stimuli, item.network, item.weights)
    allocated = read_allocation(store.root, path).files
    layout = NetworkFeatures(path, allocated).layout
    first, last = layout.batch_borders[item.batch]
    ids = layout.stimuli[first:last]
    with timed("load"):
        waves, sfreq = load_sounds(store, item.stimuli, list(ids))
        origins = [Origin(item.stimuli, i, study.lags.lead_in) for i in ids]
        sounds = prepare_sounds(waves, sfreq, table, origins, device)
    frames = {layer.id: layer.frames[first:last] for layer in layout.layers}
    native = {layer.id: layer.native[first:last] for layer in layout.layers}
    features: dict[int, list[np.ndarray]] = {layer.id: [] for layer in layers}
    passes, notes = 1, list[str]()

    def counts_from(start: int, counts: Mapping[int, Sequence[int]]) -> Callable[[Layer, int], int]:
        return lambda layer, k: counts[layer.id][start + k]

    with torch_on(device):
        with timed("load"):
            network = build_network(table, settings, item.weights, device=device, dtype=study.extraction.dtype)
        with timed("forward"):  # the time includes copying the features to the host
            for part in blocks(len(sounds), study.extraction.largest_pass(device)):
                extracted = extract(
                    network, table, item.weights, sounds[part], layers, counts_from(part.start, frames), origins[part],
                    planned=counts_from(part.start, native),
                )  # fmt: skip
                passes = max(passes, network.parts)
                notes += network.notes
                for layer_id, stimuli in extracted.items():
                    features[layer_id] += stimuli
        if layout.number == "float16":
            for layer in layers:
                features[layer.id], lost = to_float16(features[layer.id], f"layer {layer.id} of {item.network}")
                notes += lost
    with overlap_write(job.release_slot):
        files = {store.name(path): write_batch(path, item.batch, features, allocated)}
        digests = {str(layer): digest([digest_of(f) for f in stimuli]) for layer, stimuli in features.items()}
    return Extracted(
        digests=digests,
        files=files,
        heard_in_parts=passes,
        parameters_changed=network.changed,
        notes=notes or None,
        upsampled=None if sfreq >= table.sfreq or table.reads_files else f"{sfreq:g} to {table.sfreq:g} Hz",
    )


def _items(scope: ItemSource) -> Iterator[Extract]:
    """List extractions network by network, so that a worker rarely builds a network again."""
    for network in scope.study.networks:
        for weights in scope.weights(network):
            for stimuli in scope.study.stimuli:
                for batch in range(len(scope.batches(stimuli))):
                    yield Extract(stimuli, network.name, weights, batch)


def _inputs(item: Extract, upstream: Upstream) -> Inputs:
    study = upstream.context.study
    sounds = SoundsRead.of(upstream.require(ReadSounds(item.stimuli)))
    first = item.batch * study.extraction.sounds_per_item
    last = min(first + study.extraction.sounds_per_item, len(upstream.context.stimuli[item.stimuli]))
    settings, table = network_settings(study, item.network), upstream.context.tables[item.network]
    return {
        "sounds": [[sounds.ids[k], sounds.digests[k]] for k in range(first, last)] + [sounds.sfreq],
        **({"files": digests(table, settings, item.stimuli, sounds.ids[first:last])} if table.reads_files else {}),
        **upstream.once(("network", item.network, item.weights), lambda: _network(item, upstream.context)),
        **extraction_settings(study, item.batch),
    }


def _network(item: Extract, context: Context) -> Inputs:
    """Return the inputs that all extractions of a network with some weights share."""
    settings, table = network_settings(context.study, item.network), context.tables[item.network]
    return {
        "weights": weights_identity(table, settings, item.weights),
        "network": [table.family, table.sfreq],
        **({"how files are read": as_own_features(table.config).identity()} if table.reads_files else {}),
        **({} if settings.past is None else {"context": [CONTEXT_REVISION, settings.past]}),
        **{layer_part(layer.id): layer.identity() for layer in context.layers(settings)},
        "versions": [REVISION, versions(table, item.weights)],
    }


def _cost(context: Context, item: Extract, device: str) -> Cost:
    layout, lengths = context.expected_features[item.stimuli, item.network, item.weights]
    first, last = layout.batch_borders[item.batch]
    table = context.tables[item.network]
    on_gpu = device != "cpu" and not table.is_fixed
    settings = network_settings(context.study, item.network)
    work = expected_work(table, item.weights, lengths[first:last], settings, device)
    # A GPU takes as many sounds per pass as its free memory holds: at least one.
    at_once = 1 if on_gpu else context.study.extraction.largest_pass(device)
    passes = [lengths[k : min(k + at_once, last)] for k in range(first, last, at_once)]
    one_pass = max(expected_work(table, item.weights, one, settings, device).activations for one in passes)
    # Frames in double precision, and as much again: their spectrum where they are resampled, or all bands of a
    # spectrogram where they are not. The largest sound counts.
    precise = max(16 * n * x.width for x in layout.layers for n in x.native[first:last])
    # Features of this batch; features of the batch before, which is being written; and for one layer the chunk and
    # its content.
    written, in_memory = layout.bytes // len(layout.batches), [4 * layout.slot(x) * x.width for x in layout.layers]
    kept = work.gathered + sum(in_memory) + written + 3 * max(in_memory)
    loading = work.weights if loads_file(item.weights) else 0  # the tensors of the file, in addition to the network's
    forward = one_pass + precise
    samples = sum(lengths[first:last])
    operations = Operations(transform=work.flops) if table.is_fixed else Operations(single=work.flops)
    return Cost(
        read=8 * samples + loading,
        written=written,
        files=1 + len(layout.layers),
        host=max(work.weights + loading, kept) if on_gpu else work.weights + max(loading, forward + kept),
        device=work.weights + forward if on_gpu else 0,
        operations=operations,
    )


def _loads(item: Extract, context: Context) -> list[str]:
    table = context.tables[item.network]
    libraries = family(table, item.weights).libraries if is_supported(table) else ()
    if "torch" in libraries:
        return [LOADED[library] for library in libraries if library in LOADED]
    # A spectrogram, which takes of transformers what is quickly loaded.
    return ["scipy.signal"] if "scipy" in libraries else []


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
    loads=_loads,
)

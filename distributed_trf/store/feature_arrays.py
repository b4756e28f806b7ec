"""Making and filling the arrays of features: a driver makes them, workers write one batch of stimuli at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from distributed_trf.store.allocation import (
    Allocation,
    allocate_in_place,
    allocation_if_any,
    is_intact,
    read_allocation,
    write_allocation,
)
from distributed_trf.store.atomic import new_folder, room_for, sync_file
from distributed_trf.store.features import FeatureLayout, StoredLayer, as_layout
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import codecs, digest_files, member, open_group
from distributed_trf.timing import timed


def allocate_feature_arrays(store: StudyStore, path: Path, layout: FeatureLayout, lose: Callable[[], None]) -> bool:
    """Make the arrays of a network where they are missing, laid out otherwise or damaged; other layers stay beside.

    Parameters
    ----------
    store, path
        The study's folder, and the network's group in it.
    layout
        How the layers that are asked for are laid out.
    lose
        Called before features that are there are lost, as where they are laid out otherwise.

    Returns
    -------
    bool
        Whether they were damaged: then frames may be as well.
    """
    record = allocation_if_any(store.root, path)
    old = as_layout(_layout_there(path) if record is None else record.about)
    whole = None if old is None else layout.with_layers(old)
    if whole is None:
        lose()
        write_allocation(store.root, path, Allocation(_attrs(layout)["layout"], create_features(path, layout)))
        return False
    damaged = record is None or not is_intact(path, record)
    if damaged or whole != old:
        _allocate_in_place(store, path, whole)
    return damaged


def stored_layers(store: StudyStore, path: Path) -> tuple[StoredLayer, ...]:
    """Return the layers of which a network has arrays."""
    record = allocation_if_any(store.root, path)
    stored = None if record is None else as_layout(record.about)
    return () if stored is None else stored.layers


def drop_layers(store: StudyStore, path: Path, layers: Collection[int]) -> None:
    """Remove layers of a network, arrays last."""
    stored = as_layout(read_allocation(store.root, path).about)
    assert stored is not None
    left = tuple(layer for layer in stored.layers if layer.id not in layers)
    _allocate_in_place(store, path, replace(stored, layers=left))
    for layer in layers:
        shutil.rmtree(path / str(layer), ignore_errors=True)


def create_features(path: Path, layout: FeatureLayout) -> dict[str, str]:
    """Make the empty arrays of a network, in place of what was there; digests of their files."""
    with new_folder(path) as folder:
        _make(folder, layout)
        return digest_files(folder)


def _allocate_in_place(store: StudyStore, path: Path, layout: FeatureLayout) -> None:
    allocate_in_place(store.root, path, _attrs(layout)["layout"], lambda folder: _make(folder, layout))


def _make(folder: Path, layout: FeatureLayout) -> None:
    group = zarr.create_group(folder, attributes=_attrs(layout))
    for layer in layout.layers:
        _create(group, layout, layer)


def _layout_there(path: Path) -> Any:
    """Return what a group says of its layout, whether that is what was written or not; None if it says nothing."""
    try:
        return json.loads((path / "zarr.json").read_bytes())["attributes"]["layout"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


@timed("write")
def write_batch(
    path: Path, batch: int, features: Mapping[int, Sequence[np.ndarray]], files: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write one batch: for each layer id the frames of the batch's stimuli, each of shape (frames, width).

    Each layer is one whole chunk written in one step, and is on disk when this returns. Digests of the chunks are
    returned; ``files`` are those of the metadata, against which it is checked.

    Raises
    ------
    StoreError
        If the disk is full. Layers before are in store then, and nothing of this one.
    """
    group, written = open_group(path, files, mode="r+"), {}
    for layer, stimuli in features.items():
        array = member(group, str(layer))
        slot = array.chunks[0]
        block = np.full((slot, array.shape[1]), np.nan, dtype=np.float32)
        rows = np.concatenate(stimuli)
        block[: rows.shape[0]] = rows
        chunk = f"{layer}/c/{batch}/0"
        with room_for(path / str(layer), block.nbytes):
            array[batch * slot : (batch + 1) * slot] = block
            if slot:
                sync_file(path / chunk)
                written[chunk] = digest_file(path / chunk)
    return written


def _create(group: zarr.Group, layout: FeatureLayout, layer: StoredLayer) -> None:
    slot = layout.slot(layer)
    group.create_array(
        str(layer.id),
        shape=(len(layout.batches) * slot, layer.width),
        chunks=(slot, layer.width),
        dtype="float32",
        fill_value=np.nan,
        compressors=codecs(),
        dimension_names=("frame", "feature"),
        attributes={"first_row": layout.first_rows(layer), "row_count": list(layer.frames)},
    )


def _attrs(layout: FeatureLayout) -> dict[str, Any]:
    """Return the layout as zarr's JSON gives it back."""
    attrs: dict[str, Any] = json.loads(json.dumps({"layout": asdict(layout)}))
    return attrs

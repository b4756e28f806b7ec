"""Allocating and filling the arrays of features: a driver allocates, workers write one batch of stimuli at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.arrays import blocks
from distributed_trf.errors import FeatureError
from distributed_trf.store.allocation import (
    Allocation,
    allocate_in_place,
    allocation_if_any,
    is_intact,
    read_allocation,
    write_allocation,
)
from distributed_trf.store.atomic import new_folder, room_for, sync_file
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.features import FeatureLayout, StoredLayer, as_layout
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import codecs, member, open_group
from distributed_trf.timing import timed

if TYPE_CHECKING:
    import zarr

LOSS = 0.05
"""Part of a feature's deviation from which on rounding is reported: it lowers what the feature correlates by 0.1 %."""
COLUMNS = 64
"""Features that are compared with their rounded numbers at a time, in double precision."""


def allocate_feature_arrays(store: StudyStore, path: Path, layout: FeatureLayout, lose: Callable[[], None]) -> bool:
    """Allocate the arrays of a network if they are missing, damaged or of another layout; other layers are kept.

    Parameters
    ----------
    store, path
        The study's folder, and the network's group in it.
    layout
        The layout of the requested layers.
    lose
        Called before stored features are lost, as when their layout differs.

    Returns
    -------
    bool
        Whether metadata were damaged: then frames may be damaged as well.
    """
    record = allocation_if_any(store.root, path)
    old = as_layout(_layout_of_group(path) if record is None else record.about)
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
    """Return the layers of a network that have arrays."""
    record = allocation_if_any(store.root, path)
    stored = None if record is None else as_layout(record.about)
    return () if stored is None else stored.layers


def drop_layers(store: StudyStore, path: Path, layers: Collection[int]) -> None:
    """Remove layers of a network: first from the layout, then their arrays."""
    stored = as_layout(read_allocation(store.root, path).about)
    assert stored is not None
    left = tuple(layer for layer in stored.layers if layer.id not in layers)
    _allocate_in_place(store, path, replace(stored, layers=left))
    for layer in layers:
        shutil.rmtree(path / str(layer), ignore_errors=True)


def create_features(path: Path, layout: FeatureLayout) -> dict[str, str]:
    """Create the empty arrays of a network, replacing earlier ones; return the digests of their files."""
    with new_folder(path) as folder:
        _make(folder, layout)
        return digest_files(folder)


def _allocate_in_place(store: StudyStore, path: Path, layout: FeatureLayout) -> None:
    allocate_in_place(store.root, path, _attrs(layout)["layout"], lambda folder: _make(folder, layout))


def _make(folder: Path, layout: FeatureLayout) -> None:
    import zarr

    group = zarr.create_group(folder, attributes=_attrs(layout))
    for layer in layout.layers:
        _create(group, layout, layer)


def _layout_of_group(path: Path) -> Any:
    """Return the layout in a group's own attributes, which may be damaged; None if there is none."""
    try:
        return json.loads((path / "zarr.json").read_bytes())["attributes"]["layout"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def to_float16(stimuli: Sequence[np.ndarray], layer: str) -> tuple[list[np.ndarray], list[str]]:
    """Round the frames of a batch to float16: features that vary little around a large mean lose by its 11 bits.

    Parameters
    ----------
    stimuli
        float32, of shape (frames, width) each.
    layer
        Whose frames they are, for messages.

    Returns
    -------
    rounded, notes
        How many features lose more than ``LOSS`` of their deviation, if any.

    Raises
    ------
    FeatureError
        If a number is too large for float16.
    """
    with np.errstate(over="ignore"):  # becomes infinite, which is looked for
        rounded = [frames.astype(np.float16) for frames in stimuli]
    if not all(np.isfinite(frames).all() for frames in rounded):
        largest = max(np.abs(frames).max(initial=0) for frames in stimuli)
        raise FeatureError(
            f"{layer} has a feature of {largest:.3g}, and extraction.store is float16, which holds numbers of up to "
            f"{np.finfo(np.float16).max:g}; take extraction.store: float32"
        )
    rows, after = np.concatenate(stimuli), np.concatenate(rounded)
    parts = []
    for columns in blocks(rows.shape[1], COLUMNS) if rows.shape[0] else ():
        exact = rows[:, columns].astype(np.float64)
        deviation = exact.std(axis=0)
        lost = (after[:, columns] - exact).std(axis=0)
        parts.append(np.divide(lost, deviation, out=np.zeros_like(lost), where=deviation > 0))
    part = np.concatenate(parts) if parts else np.zeros(0)
    losing = int(np.count_nonzero(part > LOSS))
    if not losing:
        return rounded, []
    return rounded, [
        f"float16 takes more than {LOSS:.0%} of the deviation of {losing} of the {part.size} features of {layer}, up "
        f"to {part.max():.0%}; extraction.store: float32 keeps all"
    ]


@timed("write")
def write_batch(
    path: Path, batch: int, features: Mapping[int, Sequence[np.ndarray]], files: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write one batch: for each layer id the frames of the batch's stimuli, each of shape (frames, width), as stored.

    Each layer is one whole chunk, written in one step, and is on disk when this returns. ``files`` holds the digests
    of the metadata, which is checked against them.

    Returns
    -------
    dict
        Digest of each chunk, by its path in the group.

    Raises
    ------
    StoreError
        If the disk is full. Earlier layers of the batch are then stored, and nothing of this one.
    """
    group, written = open_group(path, files, mode="r+"), {}
    for layer, stimuli in features.items():
        array = member(group, str(layer))
        slot, n_rows = array.chunks[0], sum(frames.shape[0] for frames in stimuli)
        block = np.empty((slot, array.shape[1]), dtype=array.dtype)
        np.concatenate(stimuli, out=block[:n_rows])
        block[n_rows:] = np.nan
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
        dtype=layout.number,
        fill_value=np.nan,
        compressors=codecs(),
        dimension_names=("frame", "feature"),
        attributes={"first_row": layout.first_rows(layer), "row_count": list(layer.frames)},
    )


def _attrs(layout: FeatureLayout) -> dict[str, Any]:
    """Return the layout as zarr's JSON returns it."""
    attrs: dict[str, Any] = json.loads(json.dumps({"layout": asdict(layout)}))
    return attrs

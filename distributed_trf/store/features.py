"""Features on disk: one array per layer along concatenated time, one chunk per batch of stimuli.

Any reader of zarr finds its way without this package. A network's group has an array of shape (rows, features) for each
layer, named by the layer's id. Attribute ``layout`` of the group holds what ``FeatureLayout`` does. Attributes of each
array say where the ``stimuli`` listed there lie: stimulus ``k`` is the ``row_count[k]`` rows from ``first_row[k]`` on.
Rows between stimuli are padding, and NaN.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.store.atomic import new_folder, sync_file
from distributed_trf.store.disk_full import room_for
from distributed_trf.store.feature_layout import FeatureLayout, StoredLayer
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import REMEDY, attributes, codecs, is_whole, member, open_group, read
from distributed_trf.timing import timed


def has_layout(path: Path, layout: FeatureLayout) -> bool:
    """Tell whether a network's arrays are there, whole, with this layout, perhaps among those of other layers."""
    stored = _stored_layout(path)
    return stored is not None and stored == layout.with_layers(stored)


def stored_layers(path: Path) -> tuple[StoredLayer, ...]:
    """Return the layers of which a network has arrays."""
    stored = _stored_layout(path)
    return () if stored is None else stored.layers


def add_layers(path: Path, layout: FeatureLayout) -> bool:
    """Make empty arrays of layers beside those of others; False if these are not there, or laid out otherwise."""
    stored = _stored_layout(path)
    whole = None if stored is None else layout.with_layers(stored)
    if stored is None or whole is None:
        return False
    group = zarr.open_group(path, mode="r+")
    for layer in whole.layers:
        if layer not in stored.layers:
            _create(group, whole, layer)
    group.attrs.update(_attrs(whole))
    return True


def drop_layers(path: Path, layers: Collection[int]) -> None:
    """Remove layers of a network, arrays last."""
    stored = NetworkFeatures(path).layout
    left = replace(stored, layers=tuple(layer for layer in stored.layers if layer.id not in layers))
    zarr.open_group(path, mode="r+").attrs.update(_attrs(left))
    for layer in layers:
        shutil.rmtree(path / str(layer), ignore_errors=True)


def create_features(path: Path, layout: FeatureLayout) -> None:
    """Make the empty arrays of a network, in place of what was there."""
    with new_folder(path) as folder:
        group = zarr.create_group(folder, attributes=_attrs(layout))
        for layer in layout.layers:
            _create(group, layout, layer)


@timed("write")
def write_batch(path: Path, batch: int, features: Mapping[int, Sequence[np.ndarray]]) -> None:
    """Write one batch: for each layer id the frames of the batch's stimuli, each of shape (frames, width).

    Each layer is one whole chunk written in one step, and is on disk when this returns.

    Raises
    ------
    StoreError
        If the disk is full. Layers before are in store then, and nothing of this one.
    """
    group = open_group(path, mode="r+")
    for layer, stimuli in features.items():
        array = member(group, str(layer))
        slot = array.chunks[0]
        block = np.full((slot, array.shape[1]), np.nan, dtype=np.float32)
        rows = np.concatenate(stimuli)
        block[: rows.shape[0]] = rows
        chunk = path / str(layer) / "c" / str(batch) / "0"
        with room_for(path / str(layer), block.nbytes):
            array[batch * slot : (batch + 1) * slot] = block
            if rows.shape[0]:  # zarr stores no chunk that is NaN throughout
                sync_file(chunk)


class NetworkFeatures:
    """Features of one network and one set of weights.

    Parameters
    ----------
    path
        Its zarr group in the study's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._group = open_group(path)
        stored = _tuples(attributes(self._group)["layout"])
        layers = tuple(StoredLayer(**_tuples(layer)) for layer in stored["layers"])
        self.layout = FeatureLayout(**{**stored, "layers": layers})

    @property
    def layers(self) -> tuple[StoredLayer, ...]:
        """The layers in store."""
        return self.layout.layers

    def layer(self, layer: int) -> StoredLayer:
        """Look up a layer by its id."""
        for candidate in self.layers:
            if candidate.id == layer:
                return candidate
        raise StoreError(f"{self.path}: no layer {layer}; stored are {', '.join(str(x.id) for x in self.layers)}")

    def frames(self, layer: int, stimulus: str) -> np.ndarray:
        """Read one stimulus of one layer, float32 of shape (frames, features).

        Raises
        ------
        StoreError
            If the stimulus is unknown, was not extracted yet or is damaged.
        """
        spec = self.layer(layer)
        if stimulus not in self.layout.stimuli:
            raise StoreError(f"{self.path}: no stimulus {stimulus!r}; there are {len(self.layout.stimuli)} in store")
        index = self.layout.stimuli.index(stimulus)
        start = self.layout.first_rows(spec)[index]
        frames = read(member(self._group, str(layer)), slice(start, start + spec.frames[index]))
        return self._checked(frames, layer, stimulus)

    def iterate(self, layer: int) -> Iterator[tuple[str, np.ndarray]]:
        """Read all stimuli of a layer in order, one batch in memory at a time.

        Yields
        ------
        stimulus, frames
            Id and float32 array of shape (frames, features).
        """
        for batch in range(len(self.layout.batches)):
            yield from self.batch(layer, batch)

    def batch(self, layer: int, batch: int) -> Iterator[tuple[str, np.ndarray]]:
        """Read the stimuli of one batch of a layer, as ``iterate`` does those of all."""
        spec, array = self.layer(layer), member(self._group, str(layer))
        slot, (first, last) = self.layout.slot(spec), self.layout.batch_borders[batch]
        rows = read(array, slice(batch * slot, (batch + 1) * slot))
        borders = np.cumsum((0, *spec.frames[first:last]))
        for k, stimulus in enumerate(self.layout.stimuli[first:last]):
            yield stimulus, self._checked(rows[borders[k] : borders[k + 1]], layer, stimulus)

    def _checked(self, frames: np.ndarray, layer: int, stimulus: str) -> np.ndarray:
        # Extraction refuses NaN, so NaN means that nothing was written here.
        if np.isnan(frames).any():
            raise DamagedError(
                f"{self.path}: stimulus {stimulus!r} of layer {layer} is not in store; run the study (if it has run: "
                f"{REMEDY})",
                self.path / str(layer),
            )
        return frames

    def sel(self, *, layer: int, stimulus: str) -> xr.DataArray:
        """Read one stimulus of one layer with labels.

        Returns
        -------
        xarray.DataArray
            Dims (frame, feature); ``time`` in seconds from sound onset is negative in the leading silence; in ``attrs``
            the rate in hertz of these frames, and as ``native_rate`` that at which the network gives them.
        """
        spec = self.layer(layer)
        frames = self.frames(layer, stimulus)
        rate = spec.stored_rate(self.layout.stimuli.index(stimulus))
        time = np.arange(frames.shape[0]) / rate - self.layout.lead_in
        return xr.DataArray(
            frames,
            dims=("frame", "feature"),
            coords={"time": ("frame", time, {"units": "s", "long_name": "time from sound onset"})},
            attrs={
                "layer_name": spec.name,
                "layer_type": spec.type,
                "rate": rate,
                "native_rate": spec.rate,
                "units": "1",
            },
            name=f"layer {layer}",
        )


class Features:
    """Every network's features in a study's folder: ``features[stimuli, network, weights]``."""

    def __init__(self, store: StudyStore) -> None:
        self._paths = store.all_features()

    def keys(self) -> list[tuple[str, str, str]]:
        """List (stimuli, network, weights) of all that is in store."""
        return list(self._paths)

    def __getitem__(self, key: tuple[str, str, str]) -> NetworkFeatures:
        if key not in self._paths:
            known = "; ".join(", ".join(k) for k in self._paths) or "nothing yet"
            raise StoreError(f"no features of {', '.join(key)}; in store: {known}")
        return NetworkFeatures(self._paths[key])

    def sel(
        self, *, network: str, layer: int, stimulus: str, weights: str = "fixed", stimuli: str = "timit"
    ) -> xr.DataArray:
        """Read one stimulus of one layer of one network, with labels (see ``NetworkFeatures.sel``)."""
        return self[stimuli, network, weights].sel(layer=layer, stimulus=stimulus)

    def __repr__(self) -> str:
        lines = ["Features (stimuli, network, weights: layers x stimuli)"]
        for key in self._paths:
            layout = self[key].layout
            lines.append(f"  {', '.join(key)}: {len(layout.layers)} x {len(layout.stimuli)}")
        return "\n".join(lines)


def open_features(path: str | Path) -> Features:
    """Open the features in a study's output folder.

    Raises
    ------
    StoreError
        If there is no study there.

    Examples
    --------
    >>> features = open_features("quickstart/study")  # doctest: +SKIP
    >>> features.sel(network="whisper_tiny", weights="reset", layer=2, stimulus="12")  # doctest: +SKIP
    """
    return Features(StudyStore.open(Path(path)))


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
        overwrite=True,  # a killed process may have left it
    )


def _stored_layout(path: Path) -> FeatureLayout | None:
    return NetworkFeatures(path).layout if is_whole(path) else None


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON gives back with the tuples that it makes lists of."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _attrs(layout: FeatureLayout) -> dict[str, Any]:
    """Return the layout as zarr's JSON gives it back."""
    attrs: dict[str, Any] = json.loads(json.dumps({"layout": asdict(layout)}))
    return attrs

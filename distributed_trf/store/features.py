"""Features on disk: one array per layer along concatenated time, one chunk per batch of stimuli.

Any reader of zarr can use them without this package. A network's group has an array of shape (rows, features) for each
layer, named by the layer's id. Attribute ``layout`` of the group holds the fields of ``FeatureLayout``. The attributes
of each array locate the ``stimuli`` of the layout: stimulus ``k`` is the ``row_count[k]`` rows from ``first_row[k]``
on. Rows between stimuli are padding, and NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.store.allocation import read_allocation
from distributed_trf.store.checked_files import REMEDY
from distributed_trf.store.receipts import EXTRACT, receipts
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, member, open_group, read

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a network, and its number of frames for each stimulus."""

    id: int
    name: str
    type: str
    rate: float
    """Frames per second of the network's output."""
    width: int
    """Features per frame."""
    native: tuple[int, ...]
    """Frames of the network's output for each stimulus, leading silence included."""
    frames: tuple[int, ...]
    """Stored frames of each stimulus: as many, or fewer that span the same time."""

    def stored_rate(self, stimulus: int) -> float:
        """Stored frames per second of a stimulus."""
        return self.rate * self.frames[stimulus] / max(self.native[stimulus], 1)


@dataclass(frozen=True)
class FeatureLayout:
    """Everything that fixes the shape of a network's feature store."""

    stimuli: tuple[str, ...]
    durations: tuple[float, ...]
    """Seconds of each stimulus, leading silence not included."""
    batches: tuple[int, ...]
    """Number of stimuli in each batch, in the order of ``stimuli``; a batch is what one work item writes."""
    layers: tuple[StoredLayer, ...]
    lead_in: float
    """Seconds of silence before each sound."""
    number: str = "float32"
    """Type of the numbers in store; they are read as float32."""

    def with_layers(self, stored: FeatureLayout) -> FeatureLayout | None:
        """Return the layout with the layers of a stored one added; None if the two layouts differ in anything else."""
        layers = {layer.id: layer for layer in stored.layers} | {layer.id: layer for layer in self.layers}
        whole = replace(self, layers=tuple(layers[k] for k in sorted(layers)))
        same = whole == replace(stored, layers=whole.layers) and set(stored.layers) <= set(whole.layers)
        return whole if same else None

    def slot(self, layer: StoredLayer) -> int:
        """Rows of one chunk: frames of the longest batch. Every batch has a chunk of its own, padded with NaN."""
        if layer.id not in self._slots:
            self._slots[layer.id] = max(sum(layer.frames[a:b]) for a, b in self.batch_borders)
        return self._slots[layer.id]

    @cached_property
    def _slots(self) -> dict[int, int]:
        """Results of ``slot`` by layer id: counting all batches calls it for each batch."""
        return {}

    def first_rows(self, layer: StoredLayer) -> list[int]:
        """First row of each stimulus in the layer's array."""
        slot = self.slot(layer)
        return [k * slot + sum(layer.frames[a:i]) for k, (a, b) in enumerate(self.batch_borders) for i in range(a, b)]

    @cached_property
    def batch_borders(self) -> tuple[tuple[int, int], ...]:
        """First and one past the last stimulus of each batch."""
        ends = np.cumsum(self.batches).tolist()
        return tuple(zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def bytes(self) -> int:
        """Size on disk before compression."""
        return sum(len(self.batches) * self.chunk_bytes(layer) for layer in self.layers)

    def chunk_bytes(self, layer: StoredLayer) -> int:
        """Size of one chunk of a layer before compression."""
        return np.dtype(self.number).itemsize * self.slot(layer) * layer.width


def as_layout(stored: Any) -> FeatureLayout | None:
    """Return a layout from its JSON values; None if they describe no layout."""
    try:
        values = _tuples(stored)
        return FeatureLayout(**{**values, "layers": tuple(StoredLayer(**_tuples(layer)) for layer in values["layers"])})
    except (TypeError, AttributeError, KeyError):
        return None


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    """Return JSON values with tuples instead of the lists that JSON makes of them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


class NetworkFeatures:
    """Features of one network and one set of weights.

    Parameters
    ----------
    path
        Its zarr group in the study's folder.
    files
        Digests of the files that are read, from ``feature_files``.

    Raises
    ------
    DamagedError
        If the layout is damaged; reading damaged frames raises it as well.
    """

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._group = open_group(path, files)
        stored = _tuples(attributes(self._group)["layout"])
        layers = tuple(StoredLayer(**_tuples(layer)) for layer in stored["layers"])
        self.layout = FeatureLayout(**{**stored, "layers": layers})

    @property
    def layers(self) -> tuple[StoredLayer, ...]:
        """The stored layers."""
        return self.layout.layers

    def layer(self, layer: int) -> StoredLayer:
        """Look up a layer by its id."""
        for candidate in self.layers:
            if candidate.id == layer:
                return candidate
        stored = ", ".join(str(candidate.id) for candidate in self.layers)
        raise StoreError(f"{self.path}: no layer {layer}; the stored layers are {stored}")

    def frames(self, layer: int, stimulus: str) -> np.ndarray:
        """Read one stimulus of one layer, float32 of shape (frames, features).

        Raises
        ------
        StoreError
            If the stimulus is unknown, not extracted yet or damaged.
        """
        spec = self.layer(layer)
        if stimulus not in self.layout.stimuli:
            raise StoreError(f"{self.path}: no stimulus {stimulus!r} among the {len(self.layout.stimuli)} stored ones")
        index = self.layout.stimuli.index(stimulus)
        start = self.layout.first_rows(spec)[index]
        frames = read(member(self._group, str(layer)), slice(start, start + spec.frames[index]))
        return self._checked(frames, layer, stimulus).astype(np.float32, copy=False)

    def iterate(self, layer: int) -> Iterator[tuple[str, np.ndarray]]:
        """Read all stimuli of a layer in order, one batch in memory at a time.

        Yields
        ------
        stimulus, frames
            Id and float32 array of shape (frames, features).
        """
        for batch, (first, last) in enumerate(self.layout.batch_borders):
            borders = np.cumsum(self.layer(layer).frames[first : last - 1])
            yield from zip(self.layout.stimuli[first:last], np.split(self.rows(layer, batch), borders), strict=True)

    def rows(self, layer: int, batch: int) -> np.ndarray:
        """Read the frames of a batch of stimuli, one after another: float32 of shape (sum of frames, features).

        Raises
        ------
        StoreError
            If the layer is unknown, or a stimulus is not extracted yet or damaged.
        """
        spec, array = self.layer(layer), member(self._group, str(layer))
        first, last = self.layout.batch_borders[batch]
        start, borders = batch * self.layout.slot(spec), np.cumsum((0, *spec.frames[first:last])).tolist()
        rows = read(array, slice(start, start + borders[-1]))
        for stimulus, a, b in zip(self.layout.stimuli[first:last], borders, borders[1:], strict=False):
            self._checked(rows[a:b], layer, stimulus)
        return rows.astype(np.float32, copy=False)

    def _checked(self, frames: np.ndarray, layer: int, stimulus: str) -> np.ndarray:
        # Extraction never writes NaN, so NaN means that nothing was written here.
        if np.isnan(frames).any():
            raise DamagedError(
                f"{self.path}: stimulus {stimulus!r} of layer {layer} is not stored; run the study (if it has already "
                f"run: {REMEDY})",
                self.path / str(layer),
            )
        return frames

    def sel(self, *, layer: int, stimulus: str) -> xr.DataArray:
        """Read one stimulus of one layer with labels.

        Returns
        -------
        xarray.DataArray
            Dims (frame, feature); ``time`` in seconds from sound onset is negative in the leading silence. ``attrs``
            holds the ``rate`` in hertz of these frames, and the ``native_rate`` of the network's own output.
        """
        import xarray as xr

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


def feature_files(store: StudyStore, stimuli: str, network: str, weights: str) -> dict[str, str]:
    """Return the digests of the files of a network's extracted features, and of their layout.

    Raises
    ------
    DamagedError
        If a record or receipt that holds them is damaged.
    """
    path = store.features(stimuli, network, weights)
    files, group = dict(read_allocation(store.root, path).files), store.name(path)
    for _, receipt in receipts(store, EXTRACT, f"{stimuli}-{network}-{weights}-"):
        files |= receipt.files.get(group, {})
    return files


class Features:
    """Every network's features in a study's folder: ``features[stimuli, network, weights]``."""

    def __init__(self, store: StudyStore) -> None:
        self._store, self._paths = store, store.all_features()

    def keys(self) -> list[tuple[str, str, str]]:
        """List (stimuli, network, weights) of all stored features."""
        return list(self._paths)

    def __getitem__(self, key: tuple[str, str, str]) -> NetworkFeatures:
        if key not in self._paths:
            stored = "; ".join(", ".join(k) for k in self._paths) or "nothing yet"
            raise StoreError(f"no features of {', '.join(key)}; stored: {stored}")
        return NetworkFeatures(self._paths[key], feature_files(self._store, *key))

    def sel(
        self, *, network: str, layer: int, stimulus: str, weights: str = "fixed", stimuli: str | None = None
    ) -> xr.DataArray:
        """Read one stimulus of one layer of one network, with labels (see ``NetworkFeatures.sel``).

        ``stimuli`` is by default the only stimulus set there.
        """
        return self[self._store.stimulus_set(stimuli), network, weights].sel(layer=layer, stimulus=stimulus)

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
        If the folder holds no study.

    Examples
    --------
    >>> features = open_features("quickstart/study")  # doctest: +SKIP
    >>> features.sel(network="whisper_tiny", weights="reset", layer=2, stimulus="12")  # doctest: +SKIP
    """
    return Features(StudyStore.open(Path(path)))

"""Features on disk: one array per layer along concatenated time, one chunk per batch of stimuli.

Any reader of zarr finds its way without this package. A network's group has an array of shape (rows, features) for each
layer, named by the layer's id. Attribute ``layout`` of the group holds what ``FeatureLayout`` does. Attributes of each
array say where the ``stimuli`` listed there lie: stimulus ``k`` is the ``row_count[k]`` rows from ``first_row[k]`` on.
Rows between stimuli are padding, and NaN.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.store.atomic import new_folder, room_for, sync_file
from distributed_trf.store.feature_layout import FeatureLayout, StoredLayer
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.laid import Laid, is_intact, laid_if_any, make_in_place, read_laid, write_laid
from distributed_trf.store.receipts import EXTRACT, receipts
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.vouched import REMEDY, digest_files
from distributed_trf.store.zarr_arrays import attributes, codecs, member, open_group, read
from distributed_trf.timing import timed


def lay_features(store: StudyStore, path: Path, layout: FeatureLayout, lose: Callable[[], None]) -> bool:
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
    record = laid_if_any(store.root, path)
    old = _as_layout(_layout_there(path) if record is None else record.about)
    whole = None if old is None else layout.with_layers(old)
    if whole is None:
        lose()
        write_laid(store.root, path, Laid(_attrs(layout)["layout"], create_features(path, layout)))
        return False
    damaged = record is None or not is_intact(path, record)
    if damaged or whole != old:
        _lay_in_place(store, path, whole)
    return damaged


def stored_layers(store: StudyStore, path: Path) -> tuple[StoredLayer, ...]:
    """Return the layers of which a network has arrays."""
    record = laid_if_any(store.root, path)
    stored = None if record is None else _as_layout(record.about)
    return () if stored is None else stored.layers


def drop_layers(store: StudyStore, path: Path, layers: Collection[int]) -> None:
    """Remove layers of a network, arrays last."""
    stored = _as_layout(read_laid(store.root, path).about)
    assert stored is not None
    left = tuple(layer for layer in stored.layers if layer.id not in layers)
    _lay_in_place(store, path, replace(stored, layers=left))
    for layer in layers:
        shutil.rmtree(path / str(layer), ignore_errors=True)


def create_features(path: Path, layout: FeatureLayout) -> dict[str, str]:
    """Make the empty arrays of a network, in place of what was there; digests of their files."""
    with new_folder(path) as folder:
        _make(folder, layout)
        return digest_files(folder)


def _lay_in_place(store: StudyStore, path: Path, layout: FeatureLayout) -> None:
    make_in_place(store.root, path, _attrs(layout)["layout"], lambda folder: _make(folder, layout))


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


def _as_layout(stored: Any) -> FeatureLayout | None:
    """Return a layout from what JSON gives back of it; None if that is none."""
    try:
        of = _tuples(stored)
        return FeatureLayout(**{**of, "layers": tuple(StoredLayer(**_tuples(layer)) for layer in of["layers"])})
    except (TypeError, AttributeError, KeyError):
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


class NetworkFeatures:
    """Features of one network and one set of weights.

    Parameters
    ----------
    path
        Its zarr group in the study's folder.
    files
        Digests of what is read, as ``feature_files`` gives them.

    Raises
    ------
    DamagedError
        If the layout is damaged; reading frames that are damaged raises it as well.
    """

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._group = open_group(path, files)
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
        for batch, (first, last) in enumerate(self.layout.batch_borders):
            borders = np.cumsum(self.layer(layer).frames[first : last - 1])
            yield from zip(self.layout.stimuli[first:last], np.split(self.rows(layer, batch), borders), strict=True)

    def rows(self, layer: int, batch: int) -> np.ndarray:
        """Read the frames of a batch of stimuli, one after another: float32 of shape (sum of frames, features).

        Raises
        ------
        StoreError
            If the layer is unknown, or a stimulus was not extracted yet or is damaged.
        """
        spec, array = self.layer(layer), member(self._group, str(layer))
        first, last = self.layout.batch_borders[batch]
        start, borders = batch * self.layout.slot(spec), np.cumsum((0, *spec.frames[first:last])).tolist()
        rows = read(array, slice(start, start + borders[-1]))
        for stimulus, a, b in zip(self.layout.stimuli[first:last], borders, borders[1:], strict=False):
            self._checked(rows[a:b], layer, stimulus)
        return rows

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


def feature_files(store: StudyStore, stimuli: str, network: str, weights: str) -> dict[str, str]:
    """Return the digests of the files of a network's features that were extracted, and of their layout.

    Raises
    ------
    DamagedError
        If a record or receipt that has them is damaged.
    """
    path = store.features(stimuli, network, weights)
    files, group = dict(read_laid(store.root, path).files), store.name(path)
    for _, receipt in receipts(store, EXTRACT, f"{stimuli}-{network}-{weights}-"):
        files |= receipt.files.get(group, {})
    return files


class Features:
    """Every network's features in a study's folder: ``features[stimuli, network, weights]``."""

    def __init__(self, store: StudyStore) -> None:
        self._store, self._paths = store, store.all_features()

    def keys(self) -> list[tuple[str, str, str]]:
        """List (stimuli, network, weights) of all that is in store."""
        return list(self._paths)

    def __getitem__(self, key: tuple[str, str, str]) -> NetworkFeatures:
        if key not in self._paths:
            known = "; ".join(", ".join(k) for k in self._paths) or "nothing yet"
            raise StoreError(f"no features of {', '.join(key)}; in store: {known}")
        return NetworkFeatures(self._paths[key], feature_files(self._store, *key))

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
    )


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON gives back with the tuples that it makes lists of."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _attrs(layout: FeatureLayout) -> dict[str, Any]:
    """Return the layout as zarr's JSON gives it back."""
    attrs: dict[str, Any] = json.loads(json.dumps({"layout": asdict(layout)}))
    return attrs

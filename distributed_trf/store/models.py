"""Saved models: the weights of each fit in a zarr group of its own, written whole and checksummed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DataError, StoreError
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.results import requested_grid
from distributed_trf.store.stored_model import (
    FORMAT,
    FORMAT_VERSION,
    LAG,
    STIMULUS,
    UNIT_ARRAYS,
    VARIABLES,
    StoredModel,
    units_per_chunk,
)
from distributed_trf.store.zarr_store import WRITE_ALL, codecs


def write_model(
    path: Path,
    cell: Cell,
    *,
    weights: np.ndarray,
    intercept: np.ndarray,
    alpha: np.ndarray,
    x_mean: np.ndarray,
    x_scale: np.ndarray,
    lags_seconds: Sequence[float],
    units: Mapping[str, Sequence[str]],
    bins: Mapping[str, int],
    settings: Mapping[str, Any],
) -> dict[str, str]:
    """Write the model of one fit. It replaces an earlier one, and appears whole or not at all.

    Parameters
    ----------
    path
        ``StudyStore.model(*cell)``.
    cell
        Stimulus set, network, weights, layer and bin width in ms of the fit.
    weights
        Of raw features, shape (d, U), column ``lag_index * F + feature``; NaN for a unit that was not fitted.
    intercept, alpha
        Shape (U,); NaN for a unit that was not fitted.
    x_mean, x_scale
        Means of the lagged columns over the training rows of the final fit, and what they are divided by, shape (d,);
        a column that never varies has scale 0, and both are NaN where sessions differ in them.
    lags_seconds
        Seconds, shape (L,).
    units
        ``session`` and ``channel`` of each of the U units, as ``unit_labels`` returns them.
    bins
        Number of bins of each stimulus that can be predicted.
    settings
        How it was fitted, as JSON can hold it; ``settings["lags"]["lead_in"]`` (seconds) is needed to predict.

    Returns
    -------
    dict
        Digest of each file, by its path in the group.

    Raises
    ------
    DataError
        If the shapes do not fit together.
    """
    columns = {"weights": weights, "intercept": intercept, "alpha": alpha, "x_mean": x_mean, "x_scale": x_scale}
    columns = {name: np.ascontiguousarray(column, dtype=np.float64) for name, column in columns.items()}
    n_lags, n_units = len(lags_seconds), len(units["session"])
    n_features = columns["weights"].shape[0] // n_lags
    labels = {name: _text(units[name]) for name in ("session", "channel")}
    _check_shapes(cell, columns | labels, n_features, n_lags, n_units)
    arrays = {
        "coef": columns["weights"].reshape(n_lags, n_features, n_units).transpose(2, 1, 0),
        "intercept": columns["intercept"],
        "alpha": columns["alpha"],
        "x_mean": columns["x_mean"].reshape(n_lags, n_features).T,
        "x_scale": columns["x_scale"].reshape(n_lags, n_features).T,
        LAG: np.asarray(lags_seconds, dtype=np.float64),
        STIMULUS: _text(list(bins)),
        "bins": np.array(list(bins.values()), dtype=np.int64),
        **labels,
    }
    import zarr

    attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "place": dict(zip(names.GRID, cell, strict=True)),
        "settings": json.loads(json.dumps(dict(settings), allow_nan=False)),
        "versions": {name: version(name) for name in ("distributed_trf", "numpy", "scipy", "zarr")},
    }
    text = {name: [*map(str, label)] for name, label in labels.items()}
    with new_folder(path) as folder:
        group = zarr.create_group(folder, attributes=attrs)
        for name, array in arrays.items():
            dims, variable = VARIABLES[name]
            first = units_per_chunk(text["session"], array[0].nbytes) if name == "coef" else array.shape[0]
            coords = {"coordinates": "session channel"} if name in UNIT_ARRAYS else {}
            group.create_array(
                name,
                data=array,
                chunks=(first, *array.shape[1:]),
                compressors=codecs(),
                dimension_names=dims,
                attributes={**variable.attrs, **coords},
                config=WRITE_ALL,
            )
        return digest_files(folder)


def open_model(path: Path, files: Mapping[str, str] | None = None) -> StoredModel:
    """Open the model of one fit; ``files`` holds the digests of its files.

    Raises
    ------
    StoreError
        If no model is stored there, or it is damaged or of another format version.
    """
    if not path.is_dir() and not files:
        raise StoreError(f"{path}: no model is stored here; set save_models: true in the study and run it again")
    return StoredModel(path, files)


def unit_labels(results: Path) -> dict[str, list[str]]:
    """Return ``session`` and ``channel`` of each unit that a study requests."""
    units = requested_grid(results).units
    return {name: list(units[name]) for name in ("session", "channel")}


def _check_shapes(cell: Cell, arrays: dict[str, np.ndarray], n_features: int, n_lags: int, n_units: int) -> None:
    lagged = (n_features * n_lags,)
    shapes = {"weights": (*lagged, n_units), "x_mean": lagged, "x_scale": lagged}
    for name, array in arrays.items():
        expected = shapes.get(name, (n_units,))
        if array.shape != expected:
            raise DataError(
                f"model of {', '.join(map(str, cell))}: {name} has shape {array.shape}, expected {expected} for "
                f"{n_features} features, {n_lags} lags and {n_units} units"
            )


def _text(labels: Sequence[str]) -> np.ndarray:
    # Text of fixed width has no stable zarr type yet.
    return np.array(list(labels), dtype=np.dtypes.StringDType())

"""A fitted ``TRF`` on disk: plain numbers in zarr; reading them executes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from distributed_trf.arrays import to_numpy
from distributed_trf.errors import DataError, StoreError
from distributed_trf.store.fingerprint import digest, digest_array
from distributed_trf.store.zarr_store import attributes, member, write_group
from distributed_trf.trf.estimator import TRF

FORMAT, FORMAT_VERSION = "distributed_trf TRF", 2


def save_trf(trf: TRF, path: str | Path) -> None:
    """Save a fitted ``TRF`` as a zarr group, which appears whole or not at all.

    Parameters
    ----------
    trf
        The estimator; arrays on a GPU are copied to the host.
    path
        The folder to write, usually called ``something.zarr``. An earlier ``TRF`` there is replaced.

    Raises
    ------
    DataError
        If it is not fitted.
    StoreError
        If the path holds something else.

    Examples
    --------
    >>> save_trf(trf, "a1_mel.zarr")  # doctest: +SKIP
    >>> load_trf("a1_mel.zarr").predict(sounds)  # doctest: +SKIP
    """
    path = Path(path)
    if not hasattr(trf, "coef_"):
        raise DataError("this TRF is not fitted yet, so there is nothing to save; call fit(X, Y) first")
    if path.exists():
        _check_replaceable(path)
    params = {f.name: getattr(trf, f.name) for f in fields(trf)}
    fitted = {name: value for name, value in vars(trf).items() if name.endswith("_")}
    arrays, plain = {}, {}
    for name, value in (params | fitted).items():
        if getattr(value, "shape", ()):
            arrays[name] = np.ascontiguousarray(to_numpy(value))
        else:  # a number, a text, or a few of them
            plain[name] = value.item() if hasattr(value, "item") else value
    attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "arrays": sorted(arrays),
        "plain": plain,
        "digest": _digest(plain, arrays),
        "versions": {name: version(name) for name in ("distributed_trf", "numpy")},
    }
    write_group(path, arrays, attrs)


def load_trf(path: str | Path) -> TRF:
    """Load a ``TRF`` that ``save_trf`` wrote, with numpy arrays; its predictions are those of the one saved.

    Raises
    ------
    StoreError
        If the path holds no saved ``TRF``, or it is damaged or of another format version.
    """
    path = Path(path)
    group = _open(path)
    try:
        attrs = attributes(group)
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in attrs["plain"].items()}
        values |= {name: np.asarray(member(group, name)[...]) for name in attrs["arrays"]}
        if _digest(attrs["plain"], {name: values[name] for name in attrs["arrays"]}) != attrs["digest"]:
            raise StoreError("its numbers are not those that were saved")
        trf = TRF(**{f.name: values.pop(f.name) for f in fields(TRF)})
    except Exception as error:
        raise StoreError(f"{path}: this saved TRF is damaged ({error}); fit and save it again") from error
    for name, value in values.items():
        setattr(trf, name, value)
    return trf


def _open(path: Path) -> zarr.Group:
    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, OSError) as error:
        raise StoreError(f"{path}: no saved TRF can be opened here ({error}); expected what save_trf wrote") from error
    attrs = attributes(group)
    found = (attrs.get("format"), attrs.get("format_version"))
    if found != (FORMAT, FORMAT_VERSION):
        raise StoreError(
            f"{path}: format and version are {found}, expected {(FORMAT, FORMAT_VERSION)} as save_trf writes them; use "
            "the version of distributed_trf that wrote it"
        )
    return group


def _digest(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Hash all numbers, because zarr silently fills a lost chunk."""
    return digest([json.dumps(plain, sort_keys=True), {name: digest_array(array) for name, array in arrays.items()}])


def _check_replaceable(path: Path) -> None:
    try:
        _open(path)
    except StoreError as error:
        raise StoreError(
            f"{path}: holds something that is not a saved TRF, and is not overwritten; choose another path"
        ) from error

"""Numpy or cupy, chosen by the data: the code above is written once in the array-API standard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_cupy_namespace
from array_api_compat import device as device_of

from distributed_trf.errors import DataError, DeviceError

Array = Any
"""An array of numpy, cupy or any other library that follows the array-API standard."""

DEVICES = ("cpu", "cuda")


def namespace(*arrays: Array) -> ModuleType:
    """Return the array library that all arrays belong to.

    Raises
    ------
    DataError
        If they are not arrays, or arrays of different libraries.
    """
    try:
        return array_namespace(*arrays)
    except TypeError as error:
        kinds = sorted({f"{type(a).__module__}.{type(a).__qualname__}" for a in arrays})
        raise DataError(
            f"expected arrays of one library, all numpy or all cupy, but got {', '.join(kinds)}; "
            "convert them with numpy.asarray or cupy.asarray"
        ) from error


def like(values: Any, reference: Array) -> Array:
    """Return ``values`` (host numbers) as a float64 array of the library and device of ``reference``."""
    xp = namespace(reference)
    return xp.asarray(values, dtype=xp.float64, device=device_of(reference))


def to_device(array: np.ndarray, device: str) -> Array:
    """Move a host array to ``cpu`` (numpy, as it is) or ``cuda`` (cupy).

    Raises
    ------
    DeviceError
        If ``cuda`` is asked for and cupy finds no usable GPU. There is no silent fall back.
    """
    if device == "cpu":
        return array
    if device != "cuda":
        raise DeviceError(f"unknown device {device!r}; expected one of {', '.join(DEVICES)}")
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            "device 'cuda' needs cupy; install it with: pip install 'distributed_trf[cuda12]' (or [cuda13])"
        ) from error
    try:
        return cupy.asarray(array)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"device 'cuda' was asked for, but cupy finds no usable GPU: {error}") from error


def to_numpy(array: Array) -> np.ndarray:
    """Copy an array to the host."""
    if hasattr(array, "get"):  # cupy refuses numpy.asarray
        return array.get()
    return np.asarray(array)


@contextmanager
def strict_linalg(xp: ModuleType) -> Iterator[None]:
    """Make a failed factorisation raise: cupy returns garbage silently unless told otherwise."""
    if is_cupy_namespace(xp):
        import cupyx

        with cupyx.errstate(linalg="raise"):
            yield
    else:
        yield

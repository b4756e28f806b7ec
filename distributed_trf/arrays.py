"""Numpy or cupy, chosen by the data: the code above is written once in the array-API standard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_cupy_namespace, is_numpy_array, is_torch_array
from array_api_compat import device as device_of

from distributed_trf.errors import DataError, DeviceError, is_absent

Array = Any
"""An array of numpy, cupy or any other library that follows the array-API standard."""

DEVICES = ("cpu", "cuda")

TRIANGLE = 128
"""Rows of the blocks in which triangular systems are solved."""
BATCHED_ROWS = 512
"""Largest matrices that a GPU factorises several at a time: one larger matrix alone keeps it busy, and the batched
routine, made for many small ones, is slower. From its documentation; no GPU has been measured."""


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

    Notes
    -----
    Cupy copies the array to pinned memory of its pool and returns while the device still reads it from there; it
    reuses that memory only after the copy is done. So nothing waits, and ``array`` may be changed at once.

    Raises
    ------
    DeviceError
        If ``cuda`` is requested and cupy finds no usable GPU. There is no silent fallback.
    """
    if device == "cpu":
        return array
    if device != "cuda":
        raise DeviceError(f"unknown device {device!r}; expected one of {', '.join(DEVICES)}")
    try:
        import cupy
    except ImportError as error:
        if is_absent("cupy", error):
            raise DeviceError(
                "device 'cuda' needs cupy; install it with: pip install 'distributed_trf[cuda12]' (or [cuda13])"
            ) from error
        raise DeviceError(f"device 'cuda' needs cupy, which is installed, but cannot be imported: {error}") from error
    was_available = cupy.cuda.is_available()  # tested before the first copy can fail
    try:
        return cupy.asarray(array)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if was_available:  # the GPU failed afterwards, so the device setting is not the reason
            raise
        raise DeviceError(f"device 'cuda' is requested, but cupy finds no usable GPU: {error}") from error


def all_to_device(arrays: Sequence[np.ndarray], device: str) -> list[Array]:
    """Move host arrays of one type to a device in one copy; the results are views of one array."""
    if device == "cpu":
        return list(arrays)
    flat, start, moved = to_device(np.concatenate([array.ravel() for array in arrays]), device), 0, []
    for array in arrays:
        moved.append(namespace(flat).reshape(flat[start : start + array.size], array.shape))
        start += array.size
    return moved


def to_numpy(array: Array) -> np.ndarray:
    """Copy an array of any library and device to the host; an array that is already there is not copied."""
    if hasattr(array, "get"):  # cupy refuses numpy.asarray
        return array.get()
    if is_torch_array(array):
        return np.asarray(array.cpu())  # numpy.asarray refuses a tensor on a device
    is_other_library = is_array_api_obj(array) and not is_numpy_array(array)
    return np.from_dlpack(array) if is_other_library else np.asarray(array)


def cholesky_solver(matrix: Array) -> Callable[[Array], Array]:
    """Factorise a symmetric positive definite matrix and return the function that solves with it.

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is not positive definite. On a GPU this is not checked, because that would wait for it: the solver then
        returns no solution.
    """
    lower = namespace(matrix).linalg.cholesky(matrix)
    return _triangular(lower) if is_cupy_namespace(namespace(matrix)) else _substitution(lower)


def cholesky_solvers(matrices: Array) -> list[Callable[[Array], Array]]:
    """Factorise several matrices, shape (n, k, k); on a GPU together if they are small."""
    xp = namespace(matrices)
    if is_cupy_namespace(xp) and matrices.shape[0] > 1 and matrices.shape[1] <= BATCHED_ROWS:
        lower = xp.linalg.cholesky(matrices)
        return [_triangular(lower[i, :, :]) for i in range(lower.shape[0])]
    return [cholesky_solver(matrices[i, :, :]) for i in range(matrices.shape[0])]


def _triangular(lower: Array) -> Callable[[Array], Array]:
    """Solve ``L L'z = b`` on a GPU by L', which has the memory order of its library; L would be copied each time."""
    from cupyx.scipy.linalg import solve_triangular

    upper = lower.T
    return lambda b: solve_triangular(upper, solve_triangular(upper, b, trans="T"), overwrite_b=True)


def _substitution(lower: Array) -> Callable[[Array], Array]:
    """Solve ``L L'z = b`` block by block: products, and inverses of small triangles.

    Not by scipy's triangular solver: it has a pool of threads besides numpy's, and while the threads of one pool wait
    for more work, products in the other take twice as long.
    """
    xp = namespace(lower)
    triangles = [(rows, xp.linalg.inv(lower[rows, rows])) for rows in blocks(lower.shape[0], TRIANGLE)]

    def apply(b: Array) -> Array:
        z = xp.empty_like(b)
        for rows, inverse in triangles:
            z[rows, :] = inverse @ (b[rows, :] - lower[rows, : rows.start] @ z[: rows.start, :])
        for rows, inverse in reversed(triangles):
            z[rows, :] = inverse.T @ (z[rows, :] - lower[rows.stop :, rows].T @ z[rows.stop :, :])
        return z

    return apply


def free_memory(reference: Array) -> int:
    """Return the free bytes on the device of an array."""
    if is_cupy_namespace(namespace(reference)):
        return free_on_device()
    import psutil  # the mathematics alone needs only numpy

    return int(psutil.virtual_memory().available)


def free_on_device() -> int:
    """Return the free bytes on the current GPU, including those that cupy keeps for its next arrays."""
    import cupy

    return int(cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes())


def wait_for(array: Array) -> None:
    """Wait until an array is computed: a GPU may still work after a call returns."""
    if is_cupy_namespace(namespace(array)):
        import cupy

        cupy.cuda.get_current_stream().synchronize()


def blocks(n: int, size: int) -> Iterator[slice]:
    """Cut an axis of length ``n`` into consecutive blocks of at most ``size``."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


CACHE_BYTES = 1 << 20
"""Size of a block that stays in the cache of a core."""
DEVICE_BLOCK_BYTES = 256 << 20
"""Size of a block that keeps a whole GPU busy and leaves memory for other arrays."""


def block_rows(width: int, reference: Array) -> int:
    """Return how many rows of ``width`` numbers like those of ``reference`` make the best block; at least 1."""
    xp = namespace(reference)
    size = DEVICE_BLOCK_BYTES if is_cupy_namespace(xp) else CACHE_BYTES
    return max(8 * size // (width * xp.finfo(reference.dtype).bits), 1)


def joined(arrays: Sequence[Array], dtype: Any) -> Array:
    """Concatenate arrays along their first axis as one type; arrays of one type are converted once, after it."""
    xp = namespace(*{type(array): array for array in arrays}.values())  # one of each kind: there may be thousands
    if len({array.dtype for array in arrays}) > 1:
        arrays = [xp.astype(array, dtype, copy=False) for array in arrays]
    return xp.astype(xp.concat(arrays), dtype, copy=False)


def take_rows(table: Array, rows: np.ndarray) -> Array:
    """Look up rows, given by host indices: shape (n, m) and (k,) to (k, m)."""
    xp = namespace(table)
    return xp.take(table, xp.asarray(rows, device=device_of(table)), axis=0)


def take_columns(table: Array, columns: np.ndarray) -> Array:
    """Look up columns, given by host indices: shape (..., n) and (k,) to (..., k)."""
    xp = namespace(table)
    return xp.take(table, xp.asarray(columns, device=device_of(table)), axis=table.ndim - 1)


def take_each(table: Array, rows: np.ndarray) -> Array:
    """Look up one row in each column, given by host indices: shape (n, m) and (m,) to (m,)."""
    xp = namespace(table)
    index = rows * table.shape[1] + np.arange(table.shape[1])
    return xp.take(xp.reshape(table, (-1,)), xp.asarray(index, device=device_of(table)))


def scatter(values: Array, mask: np.ndarray) -> Array:
    """Put rows where a host mask is true, zeros elsewhere: shape (sum of mask, ...) to (n, ...) for a mask of (n,)."""
    xp, mask = namespace(values), to_numpy(mask)
    zero = xp.zeros((1, *values.shape[1:]), dtype=values.dtype, device=device_of(values))
    return take_rows(xp.concat([values, zero]), np.where(mask, np.cumsum(mask) - 1, values.shape[0]))


def to_numpy_together(arrays: Sequence[Array]) -> list[np.ndarray]:
    """Copy arrays of one dtype that differ in their last axis only to the host, which waits for a GPU once."""
    borders = np.cumsum([array.shape[-1] for array in arrays])[:-1]
    return np.split(to_numpy(namespace(*arrays).concat(list(arrays), axis=-1)), borders, axis=-1)


def at_once(array: Array, copies: int) -> int:
    """Return how many pieces of work to start together, each needing ``copies`` arrays of this size; at least 1.

    The host then waits once for a GPU. On a CPU this gains nothing, so it is 1.
    """
    xp = namespace(array)
    if not is_cupy_namespace(xp):
        return 1
    return max(int(free_memory(array) / 4 // (copies * array.size * xp.finfo(array.dtype).bits / 8)), 1)

"""Which solver to use: a written rule on shapes, number of penalties, device and memory.

Also an estimator's parameters in scikit-learn's manner, without scikit-learn, and checks of their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np
from array_api_compat import is_cupy_namespace

from distributed_trf.arrays import Array, free_memory, free_on_device, namespace, to_numpy
from distributed_trf.errors import ConfigError, DeviceError

SolverName = Literal["auto", "eigh", "cholesky", "dual"]
Precision = Literal["float64", "float32"]
ScalingRule = Literal["shared", "per_session"]

EIGH = {"cpu": 6.0, "cuda": 150.0}
"""Cost of an eigendecomposition in d^3 multiply-adds of a matrix product: it runs slower per operation.

These and those of ``CHOLESKY`` are what ``implied_costs`` makes of measured seconds: on a CPU those of
``scripts/bench_solvers``, on CUDA those that NVIDIA has published of cuSOLVER at d of some thousands in float64; no GPU
has been measured yet. ``scripts/gpu_check`` prints what they should be.
"""
CHOLESKY = {"cpu": (1.0, 1.5), "cuda": (1.0, 4.0)}
"""Cost of one factorisation in d^3 and of solving with it in d^2 U."""
ROTATION, FORM = 1.6, 0.6
"""Cost of bringing held-out products to eigenvectors in d^3, and of one penalty's quadratic forms in d^2 U."""
RESERVE = 0.8
"""Fraction of the free memory that a fit may take."""
REMEDIES = (
    "take the solver that needs less, fewer features, lags or layers side by side, fewer units at once (unit_block), "
    "precision float32, whose factors take half as much, or a machine with more memory"
)


def choose_solver(
    rows: int, d: int, *, n_alphas: int, n_units: int, n_folds: int, device: str = "cpu", free: float = float("inf")
) -> Literal["eigh", "cholesky", "dual"]:
    """Choose the cheapest way that fits into memory.

    Parameters
    ----------
    rows, d
        Training rows and lagged features.
    n_alphas, n_units, n_folds
        Penalties, units, folds.
    device
        ``cpu`` or ``cuda``.
    free
        Bytes that may be used.

    Returns
    -------
    str
        ``eigh``: one decomposition of X'X serves all penalties and units. ``cholesky``: one factorisation for each
        penalty. ``dual``: a decomposition of XX', for more lagged features than rows.

    Raises
    ------
    ConfigError
        If none fits, with the bytes that the smaller needs.

    Notes
    -----
    Costs are counted in multiply-adds of a matrix product, with factors for what is slower per operation: on a CPU
    those that fit ``scripts/bench_solvers``, whose table holds the rule against what is quickest; on CUDA from
    published timings of cuSOLVER.

    Examples
    --------
    >>> choose_solver(20_000, 1280, n_alphas=21, n_units=1718, n_folds=3)
    'eigh'
    >>> choose_solver(20_000, 1280, n_alphas=2, n_units=16, n_folds=3)
    'cholesky'
    >>> choose_solver(2_000, 12_800, n_alphas=21, n_units=64, n_folds=3)
    'dual'
    """
    eigh, (factor, solve) = EIGH[device], CHOLESKY[device]
    n, k, train = float(rows), n_folds, rows * (n_folds - 1) / n_folds
    cost: dict[Literal["eigh", "cholesky", "dual"], float] = {
        "eigh": ((k + 1) * eigh + k * ROTATION) * d**3 + k * (2 + n_alphas * FORM) * d * d * n_units,
        "cholesky": n_alphas * ((k + 1) * factor * d**3 + k * (solve + FORM) * d * d * n_units),
        "dual": eigh * (n**3 + k * train**3)
        + n * n * d
        + k * (train**3 + 1.5 * train**2 * d + (1.5 + n_alphas * FORM) * train**2 * n_units),
    }
    memory = bytes_needed(rows, d, n_units, n_folds)
    fitting = [method for method in cost if memory[method] <= free]
    if not fitting:
        raise ConfigError(f"{_lacking(memory, rows, d, free)}; {REMEDIES}")
    return min(fitting, key=lambda method: cost[method])


def choose_factorisation(n_alphas: int, device: str) -> Literal["eigh", "cholesky"]:
    """Choose how to solve for every unit at one of some penalties, without scoring them.

    Examples
    --------
    >>> choose_factorisation(3, "cpu"), choose_factorisation(9, "cpu"), choose_factorisation(9, "cuda")
    ('cholesky', 'eigh', 'cholesky')
    """
    return "cholesky" if n_alphas * CHOLESKY[device][0] < EIGH[device] else "eigh"


def check_choice(solver: str, precision: str, scaling: str) -> None:
    """Raise ConfigError for a solver, precision or scaling that does not exist."""
    for name, value, kind in (
        ("solver", solver, SolverName),
        ("precision", precision, Precision),
        ("scaling", scaling, ScalingRule),
    ):
        if value not in get_args(kind):
            raise ConfigError(f"{name}={value!r} must be one of {', '.join(get_args(kind))}")


def device_kind(reference: Array) -> str:
    """Return ``cuda`` for cupy arrays, ``cpu`` for all others."""
    return "cuda" if is_cupy_namespace(namespace(reference)) else "cpu"


def usable_memory(reference: Array) -> float:
    """Return the bytes that a fit may take where an array lives."""
    return RESERVE * free_memory(reference)


def bytes_needed(rows: int, d: int, n_units: int, n_folds: int) -> dict[Literal["eigh", "cholesky", "dual"], float]:
    """Return the bytes that each way to solve takes at most, with the sums; parameters as in ``choose_solver``."""
    primal = (2.5 * n_folds + 5) * float(d) ** 2 + (4 * n_folds + 2) * d * n_units
    dual = 7 * float(rows) ** 2 + (3 * n_folds + 2) * rows * n_units + 2.0 * d * n_units
    return {"eigh": 8 * primal, "cholesky": 8 * primal, "dual": 8 * dual}


def implied_costs(
    product: float, eigh: float, factorise: float, solve: float, *, d: int, n_units: int
) -> tuple[float, tuple[float, float]]:
    """Turn seconds measured on a device into its ``EIGH`` and ``CHOLESKY``.

    Parameters
    ----------
    product
        Of the product of two d x d matrices: d^3 multiply-adds.
    eigh, factorise
        Of an eigendecomposition and of a Cholesky factorisation of one.
    solve
        With the factor for ``n_units`` right-hand sides: both triangles.
    d, n_units
        Size of the matrices, and number of right-hand sides.

    Examples
    --------
    >>> implied_costs(1.0, 150.0, 0.8, 0.4, d=2000, n_units=200)
    (150.0, (0.8, 4.0))
    """
    return eigh / product, (factorise / product, solve / product * d / n_units)


@contextmanager
def explained_memory_error(
    what: str, rows: int, n_features: int, n_lags: int, n_units: int, n_folds: int
) -> Iterator[None]:
    """Where a GPU has no room for a fit, say what was fitted, how much memory it takes and what takes less.

    ``what`` names the features; ``rows`` are those of the training trials.

    Raises
    ------
    DeviceError
        Instead of cupy's ``OutOfMemoryError``.
    """
    try:
        yield
    except MemoryError as error:
        if not type(error).__module__.startswith("cupy"):
            raise
        d = n_features * n_lags
        lacking = _lacking(bytes_needed(rows, d, n_units, n_folds), rows, d, RESERVE * free_on_device())
        raise DeviceError(
            f"{what}: the GPU has no room for {n_features} features at {n_lags} lags and {n_units} units ({error}): "
            f"{lacking}; {REMEDIES}"
        ) from error


def _lacking(memory: Mapping[Literal["eigh", "cholesky", "dual"], float], rows: int, d: int, free: float) -> str:
    primal, dual = (memory[method] / 2**30 for method in ("eigh", "dual"))
    return (
        f"{rows} rows of {d} lagged features need at least {min(primal, dual):.1f} GiB, but {free / 2**30:.1f} GiB may "
        f"be used (solver eigh or cholesky: {primal:.1f} GiB, dual: {dual:.1f} GiB)"
    )


@dataclass(eq=False)
class Parameters:
    """A dataclass whose fields are the parameters; what is fitted are other attributes."""

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` needs them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name.

        Raises
        ------
        ConfigError
            If there is no such parameter.
        """
        parameters = {f.name for f in fields(self)}
        for name, value in params.items():
            if name not in parameters:
                raise ConfigError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(sorted(parameters))}"
                )
            setattr(self, name, value)
        return self


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number, whether Python's, numpy's or a float such as 7.0.

    Raises
    ------
    ConfigError
        If it is none, or below ``least``.
    """
    numbers = _numbers(value)
    if numbers is None or numbers.ndim or not np.isfinite(numbers) or numbers != np.floor(numbers) or numbers < least:
        raise ConfigError(f"{name}={value!r} must be a whole number, {least} or more")
    return int(numbers)


def number(name: str, value: object, unit: str) -> float:
    """Return a finite number.

    Raises
    ------
    ConfigError
        If it is none.
    """
    numbers = _numbers(value)
    if numbers is None or numbers.ndim or not np.isfinite(numbers):
        raise ConfigError(f"{name}={value!r} must be a finite number, in {unit}")
    return float(numbers)


def check_alphas(alphas: Sequence[float] | np.ndarray) -> list[float]:
    """Return the penalties as floats, or raise ConfigError if they are not positive and ascending."""
    numbers = _numbers(alphas)
    values = None if numbers is None else np.atleast_1d(numbers.astype(np.float64))
    if values is None or values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"alphas={_short(alphas)} must be a list of finite, real numbers")
    if (values <= 0).any() or (np.diff(values) <= 0).any():
        raise ConfigError(f"alphas={values.tolist()} must be a list of positive numbers in ascending order")
    return values.tolist()


def _numbers(value: object) -> np.ndarray | None:
    """Return host integers or floats of any kind as an array; None of any other."""
    if isinstance(value, np.ma.MaskedArray):
        return None
    try:
        numbers = to_numpy(value)
    except (TypeError, ValueError):  # lists of lists of different lengths, for one
        return None
    return numbers if numbers.dtype.kind in "iuf" else None


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}..."

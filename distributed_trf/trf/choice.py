"""Which way to solve: a written rule on shapes, number of penalties, device and memory."""

from __future__ import annotations

from typing import Literal, get_args

from array_api_compat import is_cupy_namespace

from distributed_trf.arrays import Array, free_memory, namespace
from distributed_trf.errors import ConfigError

SolverName = Literal["auto", "eigh", "cholesky", "dual"]
Precision = Literal["float64", "float32"]
ScalingRule = Literal["shared", "per_session"]

EIGH = {"cpu": 16.0, "cuda": 150.0}
"""Cost of an eigendecomposition in d^3, in units of a matrix product's operations: it runs slower per operation."""
CHOLESKY = {"cpu": (3.5, 8.0), "cuda": (1.0, 4.0)}
"""Cost of one factorisation in d^3 and of solving with it in d^2 U."""
RESERVE = 0.8
"""Fraction of the free memory that a fit may take."""


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
    Costs are counted in multiply-adds of a matrix product, with factors for what is slower per operation, measured by
    ``scripts/bench_trf`` (CPU) and taken from published timings (CUDA).

    Examples
    --------
    >>> choose_solver(20_000, 1280, n_alphas=21, n_units=1718, n_folds=3)
    'eigh'
    >>> choose_solver(20_000, 1280, n_alphas=2, n_units=16, n_folds=3)
    'cholesky'
    >>> choose_solver(2_000, 12_800, n_alphas=21, n_units=64, n_folds=3)
    'dual'
    """
    factor, solve = CHOLESKY[device]
    train = rows * (n_folds - 1) / n_folds
    cost: dict[Literal["eigh", "cholesky", "dual"], float] = {
        "eigh": n_folds * (EIGH[device] + 4) * d**3 + 2.0 * n_folds * n_alphas * d * d * n_units,
        "cholesky": n_folds * n_alphas * (factor * d**3 + (solve + 2) * d * d * n_units),
        "dual": EIGH[device] * rows**3
        + n_folds * ((EIGH[device] + 4) * train**3 + 4.0 * train * rows * d + 2.0 * n_alphas * train**2 * n_units),
    }
    memory = {method: 8.0 * n for method, n in _doubles(rows, d, n_units, n_folds).items()}
    fitting = [method for method in cost if memory[method] <= free]
    if not fitting:
        need = min(memory.values())
        raise ConfigError(
            f"{rows} rows of {d} lagged features need at least {need / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB may "
            "be used; take fewer features or lags, fewer units at once, or a machine with more memory"
        )
    return min(fitting, key=lambda method: cost[method])


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


def _doubles(rows: int, d: int, n_units: int, n_folds: int) -> dict[str, float]:
    primal = (2 * n_folds + 5) * float(d) ** 2 + (3 * n_folds + 2) * d * n_units
    return {
        "eigh": primal,
        "cholesky": primal,
        "dual": 7 * float(rows) ** 2 + (3 * n_folds + 2) * rows * n_units + 2.0 * d * n_units,
    }

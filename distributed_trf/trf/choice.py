"""Which way to solve: a written rule on shapes, number of penalties, device and memory."""

from __future__ import annotations

from typing import Literal, get_args

from array_api_compat import is_cupy_namespace

from distributed_trf.arrays import Array, free_memory, namespace
from distributed_trf.errors import ConfigError

SolverName = Literal["auto", "eigh", "cholesky", "dual"]
Precision = Literal["float64", "float32"]
ScalingRule = Literal["shared", "per_session"]

EIGH = {"cpu": 6.0, "cuda": 150.0}
"""Cost of an eigendecomposition in d^3 multiply-adds of a matrix product: it runs slower per operation."""
CHOLESKY = {"cpu": (1.0, 1.5), "cuda": (1.0, 4.0)}
"""Cost of one factorisation in d^3 and of solving with it in d^2 U."""
ROTATION, FORM = 1.6, 0.6
"""Cost of bringing held-out products to eigenvectors in d^3, and of one penalty's quadratic forms in d^2 U."""
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
    memory = {method: 8.0 * n for method, n in _doubles(rows, d, n_units, n_folds).items()}
    fitting = [method for method in cost if memory[method] <= free]
    if not fitting:
        need = min(memory.values())
        raise ConfigError(
            f"{rows} rows of {d} lagged features need at least {need / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB may "
            "be used; take fewer features or lags, fewer units at once, or a machine with more memory"
        )
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


def _doubles(rows: int, d: int, n_units: int, n_folds: int) -> dict[str, float]:
    primal = (2.5 * n_folds + 5) * float(d) ** 2 + (4 * n_folds + 2) * d * n_units
    return {
        "eigh": primal,
        "cholesky": primal,
        "dual": 7 * float(rows) ** 2 + (3 * n_folds + 2) * rows * n_units + 2.0 * d * n_units,
    }

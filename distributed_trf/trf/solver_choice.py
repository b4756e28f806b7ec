"""Which solver to use: a written rule on shapes, number of penalties, device and memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple, get_args

from array_api_compat import is_cupy_namespace

from distributed_trf.arrays import Array, free_memory, free_on_device, namespace
from distributed_trf.errors import ConfigError, DeviceError

SolverName = Literal["auto", "eigh", "cholesky", "dual"]
Method = Literal["eigh", "cholesky", "dual"]
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
SCREENED, BOUND = 2.5, 0.05
"""Penalties of a unit whose forms are computed, and what bounds cost of each in parts of one."""
FEW_HELD = 128
"""Held-out rows up to which the dual form predicts them at every penalty: it is quicker than taking their moments."""
ENTRY = 30.0
"""Cost of adding up an entry of a kernel from the products of rows."""
RESERVE = 0.8
"""Fraction of the free memory that a fit may take."""
REMEDIES = (
    "take the solver that needs less, fewer features, lags or layers side by side, fewer units at once (unit_block), "
    "precision float32, whose factors take half as much, or a machine with more memory"
)


def choose_solver(
    rows: int,
    d: int,
    *,
    n_alphas: int,
    n_units: int,
    n_folds: int,
    n_lags: int = 1,
    standardize: bool = True,
    device: str = "cpu",
    free: float = float("inf"),
) -> Method:
    """Choose the cheapest way that fits into memory.

    Parameters
    ----------
    rows, d
        Training rows and lagged features.
    n_alphas, n_units, n_folds
        Penalties, units, folds.
    n_lags
        Lags, of which products of rows have to be taken once where columns are not scaled.
    standardize
        Whether lagged columns are scaled.
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
    cost = solver_costs(
        rows,
        d,
        n_alphas=n_alphas,
        n_units=n_units,
        n_folds=n_folds,
        n_lags=n_lags,
        standardize=standardize,
        device=device,
    )
    memory = bytes_needed(rows, d, n_units, n_folds)
    fitting = {method: of for method, of in cost.items() if memory[method] <= free}
    if not fitting:
        raise ConfigError(f"{_lacking(memory, rows, d, free)}; {REMEDIES}")
    return cheapest(fitting)


class SolverCost(NamedTuple):
    """Multiply-adds of a matrix product that would take as long."""

    sums: float
    """What further splits of the same trials need not do again."""
    search: float
    """Projections, forms of penalties, weights."""
    factorisations: float


def solver_costs(
    rows: int, d: int, *, n_alphas: int, n_units: int, n_folds: int, n_lags: int, standardize: bool, device: str
) -> dict[Method, SolverCost]:
    """Count what each way to solve takes; parameters as in ``choose_solver``."""
    eigh, (factor, solve) = EIGH[device], CHOLESKY[device]
    n, k, U, wide = float(rows), n_folds, n_units, float(d) * d
    sums = n * d * (d / n_lags + U)
    screened = min(SCREENED + n_alphas * BOUND, n_alphas) * FORM
    each = k * (ROTATION * d + (2 + screened) * U) + 2 * U
    cholesky = n_alphas * k * (solve + FORM) * U + U
    # Kernels of scaled rows are each fold's own; others are parts of one, of which entries are added up lag by lag.
    held, train = n / k, n * (k - 1) / k
    own = d * (k * (train * train / 2 + held * train) + n * n / 2)
    shared = (d / n_lags / 2 + ENTRY * (k + 1)) * n * n
    by_rows = n_alphas * held * train * U if held <= FEW_HELD else (held * train + screened * train * U) * train
    found = k * (held * train * train + train * train * U + by_rows) + n * n * U + n * d * U
    return {
        "eigh": SolverCost(sums, each * wide, (k + 1) * eigh * wide * d),
        "cholesky": SolverCost(sums, cholesky * wide, (n_alphas * k + min(n_alphas, U)) * factor * wide * d),
        "dual": SolverCost(
            0.0 if standardize else shared,
            found + (own if standardize else 0.0),
            eigh * (n**3 + k * train**3),
        ),
    }


def cheapest(found: Mapping[Method, SolverCost]) -> Method:
    """Return the way that takes least."""
    return min(found, key=lambda method: sum(found[method]))


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


def bytes_needed(rows: int, d: int, n_units: int, n_folds: int) -> dict[Method, float]:
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


def _lacking(memory: Mapping[Method, float], rows: int, d: int, free: float) -> str:
    primal, dual = (memory[method] / 2**30 for method in ("eigh", "dual"))
    return (
        f"{rows} rows of {d} lagged features need at least {min(primal, dual):.1f} GiB, but {free / 2**30:.1f} GiB may "
        f"be used (solver eigh or cholesky: {primal:.1f} GiB, dual: {dual:.1f} GiB)"
    )

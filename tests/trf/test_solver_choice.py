"""The rule that chooses a way to solve."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import ConfigError, DeviceError
from distributed_trf.trf import solver_choice
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.fold_collector import FoldCollector, collect_trials
from distributed_trf.trf.kernel_folds import FoldTrials, KernelFolds
from distributed_trf.trf.moment_folds import MomentFolds, fit_moments
from distributed_trf.trf.solver_choice import choose_solver, device_kind, explained_memory_error, usable_memory
from distributed_trf.trf.stream import moments_of

STUDY = {"rows": 24_000, "d": 1280, "n_units": 1700, "n_folds": 3}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_alphas": 21}, "eigh"),
        ({"n_alphas": 1}, "cholesky"),
        ({"n_alphas": 2, "n_units": 16}, "cholesky"),
        ({"n_alphas": 21, "rows": 600}, "dual"),
        ({"n_alphas": 1, "rows": 100}, "dual"),
        ({"n_alphas": 21, "device": "cuda"}, "cholesky"),  # a GPU's eigh is slow beside its products
        ({"n_alphas": 200, "n_units": 100, "device": "cuda"}, "eigh"),
    ],
)
def test_rule__takes_the_cheapest(changes, expected):
    assert choose_solver(**{**STUDY, **changes}) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("n_units", [1, 100, 1000])
def test_rule__more_penalties_never_speak_for_cholesky(device, n_units):
    shape = {**STUDY, "n_units": n_units, "device": device}
    chosen = [choose_solver(**shape, n_alphas=n) for n in range(1, 400)]
    first = chosen.index("eigh") if "eigh" in chosen else len(chosen)
    assert set(chosen[:first]) <= {"cholesky"}
    assert set(chosen[first:]) <= {"eigh"}
    assert chosen[0] == "cholesky"


def test_rule__falls_to_what_fits_into_memory():
    """Products of 100 000 lagged features take 80 GB each; of 30 000 rows 7 GB."""
    shape = {"rows": 30_000, "d": 100_000, "n_alphas": 1, "n_units": 1, "n_folds": 3}
    assert choose_solver(**shape, free=100e9) == "dual"
    shape = {"rows": 100_000, "d": 30_000, "n_alphas": 21, "n_units": 1, "n_folds": 3}
    assert choose_solver(**shape, free=100e9) == "eigh"


def test_rule__says_how_many_gib_are_lacking():
    with pytest.raises(
        ConfigError,
        match=r"50000 rows of 80000 lagged features need at least 1\d\d\.\d GiB, but 1\.9 GiB .*lags",
    ):
        choose_solver(50_000, 80_000, n_alphas=21, n_units=100, n_folds=3, free=2e9)


def out_of_memory(module):
    """An error as one of cupy's: so is its class named where it is defined."""
    return type("OutOfMemoryError", (MemoryError,), {"__module__": module})("Out of memory allocating 8,000 bytes")


def test_memory_told__of_a_gpu_says_what_was_fitted_what_it_takes_and_what_takes_less(monkeypatch):
    monkeypatch.setattr(solver_choice, "free_on_device", lambda: 10 * 2**30)
    expected = (
        r"ast, layer 3: the GPU has no room for 16000 features at 5 lags and 100 units \(Out of memory allocating "
        r"8,000 bytes\): 2000 rows of 80000 lagged features need at least 0\.3 GiB, but 8\.0 GiB may be used "
        r"\(solver eigh or cholesky: 596\.9 GiB, dual: 0\.3 GiB\); .*fewer features, lags or layers.*float32"
    )
    with pytest.raises(DeviceError, match=expected), explained_memory_error("ast, layer 3", 2000, 16_000, 5, 100, 3):
        raise out_of_memory("cupy.cuda.memory")


def test_memory_told__of_a_cpu_is_its_own_error():
    with pytest.raises(MemoryError, match="8,000"), explained_memory_error("ast, layer 3", 2000, 16_000, 5, 100, 3):
        raise out_of_memory("numpy._core._exceptions")


def test_memory__is_a_part_of_what_is_free():
    assert 0 < usable_memory(np.ones(1)) < 2**50
    assert device_kind(np.ones(1)) == "cpu"


def data(n_bins=12, n_features=2, n_trials=6):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n_bins, n_features)) for _ in range(n_trials)]
    return X, [x[:, :1] + rng.normal(size=(n_bins, 2)) for x in X]


@pytest.mark.parametrize("solver", ["eigh", "cholesky", "dual"])
def test_forced_solver__is_used_whatever_the_rule(solver):
    X, Y = data()
    trf = TRF(0.0, 0.1, 10.0, solver=solver).fit(X, Y)
    assert trf.solver_ == solver
    if solver != "dual":
        folds = [moments_of(X[k::2], Y[k::2], [0, 1], 0) for k in range(2)]
        assert fit_moments(folds, [1.0], solver=solver).solver == solver


@pytest.mark.parametrize(
    ("n_bins", "n_features", "alphas", "expected"),
    [(12, 2, np.logspace(-5, 15, 21), "eigh"), (12, 2, [1.0], "cholesky"), (5, 400, np.logspace(-5, 15, 21), "dual")],
)
def test_auto__follows_the_rule(n_bins, n_features, alphas, expected):
    X, Y = data(n_bins, n_features)
    assert TRF(0.0, 0.1, 10.0, alphas=alphas).fit(X, Y).solver_ == expected


def test_more_lagged_features_than_memory_for_their_products__are_fitted_in_the_dual():
    """300 000 lagged features of 30 bins: X'X would take 720 GB."""
    X, Y = data(n_bins=5, n_features=100_000)
    trf = TRF(0.0, 0.2, 10.0, alphas=[1e-3, 1e3]).fit(X, Y)
    assert trf.solver_ == "dual"
    assert np.isfinite(trf.coef_).all()
    assert trf.coef_.shape == (2, 100_000, 3)


def test_collector__refuses_what_fits_nowhere_before_the_first_trial():
    collector = FoldCollector([0, 1], 0, 3, [2])
    with pytest.raises(ConfigError, match=r"need at least .* GiB"):
        collector.choose(1000, 1000, 21, device="cpu", free=1e3)


@pytest.mark.parametrize(("n_features", "kind"), [(2, MomentFolds), (400, KernelFolds)])
def test_collector__keeps_sums_or_trials_as_chosen(n_features, kind):
    X, Y = data(n_bins=5, n_features=n_features)
    collector = FoldCollector([0, 1], 0, 3, [2])
    collector.choose(30, n_features, 21, device="cpu", free=float("inf"))
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        collector.add(i % 3, x, y)
    assert type(collector.folds()) is kind


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"solver": "svd"}, "solver='svd' must be one of auto, eigh, cholesky, dual"),
        ({"precision": "float16"}, "precision='float16' must be one of float64, float32"),
        ({"scaling": "per_unit"}, "scaling='per_unit' must be one of shared, per_session"),
    ],
)
def test_unknown_names__are_refused_with_the_known(setting, message):
    X, Y = data()
    folds = [moments_of(X[k::2], Y[k::2], [0, 1], 0) for k in range(2)]
    with pytest.raises(ConfigError, match=message):
        fit_moments(folds, [1.0], **setting)
    trials = [FoldTrials(X[k::2], Y[k::2]) for k in range(2)]
    with pytest.raises(ConfigError, match=message):
        collect_trials(trials, [0, 1], 0, 1, **setting)
    if "scaling" not in setting:
        with pytest.raises(ConfigError, match=message):
            TRF(**setting).fit(X, Y)


def test_dual_on_moments__says_that_it_works_on_trials():
    X, Y = data()
    folds = [moments_of(X[k::2], Y[k::2], [0, 1], 0) for k in range(2)]
    with pytest.raises(ConfigError, match=r"solver='dual' works on trials, not on their moments; use collect_trials"):
        fit_moments(folds, [1.0], solver="dual")

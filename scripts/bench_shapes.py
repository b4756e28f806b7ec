"""One training set at shapes that other people's software is made for: few sounds, many lags, many targets.

The same rows, folds and penalties, in the same precision, in one process and in turns; columns are not standardised,
so that all solve one problem. Penalties of a peer are ours times the rows that train in a fold. Numbers are compared
before time counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from himalaya.kernel_ridge import KernelRidgeCV
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from himalaya.scoring import r2_score

from distributed_trf import TRF

LONG = 10.0
"""Seconds from which a peer is timed once."""
TARGETS_AT_ONCE = 512
"""Of himalaya: quickest here, and all of 30 000 targets exceed the memory."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one training set, whose trials are dealt into folds in turn."""

    n_trials: int
    n_bins: int
    n_features: int
    n_lags: int
    n_units: int
    n_folds: int
    alphas: np.ndarray
    """Penalties as ours are: relative to the number of rows."""
    alphas_float32: np.ndarray | None = None
    """Others for float32, whose range ends at 1e38."""


SHAPES = {
    "static": Shape(83, 1, 1024, 1, 7694, 5, np.logspace(-50, 49, 100), np.logspace(-30, 30, 100)),
    "wide": Shape(6, 300, 256, 210, 64, 3, np.logspace(-5, 15, 21)),
    "3000 targets": Shape(2400, 1, 1000, 1, 3000, 3, np.logspace(1, 20, 20) / 1600),
    "30000 targets": Shape(2400, 1, 1000, 1, 30_000, 3, np.logspace(1, 20, 20) / 1600),
}
PRECISIONS = ("float64", "float32")
AGREE = {"float64": 1e-6, "float32": 2e-3}
"""What predictions may differ by, relative to the largest."""
SAME = {"float64": 0.95, "float32": 0.8}
"""Units, at least, that choose the same penalty: where folds differ in size penalties are not quite the same, and in
float32 rounding chooses between those that predict equally well."""


class ShapeCase:
    """Simulated trials of one shape, whose units follow the features to different degrees."""

    def __init__(self, name: str, shape: Shape, precision: str) -> None:
        rng, s = np.random.default_rng(0), shape
        if precision == "float32" and s.alphas_float32 is not None:
            s = replace(s, alphas=s.alphas_float32)
        self.shape, self.precision = s, precision
        mix = rng.normal(size=(s.n_features, s.n_features)) * np.logspace(0, -1.5, s.n_features)
        readout = rng.normal(size=(s.n_features, s.n_units)) * rng.uniform(0, 0.05, s.n_units)
        self.X, self.Y = [], []
        for _ in range(s.n_trials):
            x = rng.normal(size=(s.n_bins, s.n_features)) @ mix
            y = x @ readout + 3 * rng.normal(size=(s.n_bins, s.n_units))
            self.X.append(x.astype(precision))
            self.Y.append(y.astype(precision))
        self.folds = [list(range(k, s.n_trials, s.n_folds)) for k in range(s.n_folds)]
        size = f"{s.n_trials * s.n_bins} rows x {s.n_features}" + (f" x {s.n_lags}" if s.n_lags > 1 else "")
        self.name = f"{name}: {size}, {s.n_units} units, {len(s.alphas)} penalties, {s.n_folds} folds, {precision}"

    @cached_property
    def y(self) -> np.ndarray:
        """Responses of all trials, shape (rows, U)."""
        return np.concatenate(self.Y)

    @cached_property
    def kernel(self) -> np.ndarray:
        """Products of all rows."""
        x = self.rows()
        return x @ x.T

    def rows(self) -> np.ndarray:
        """Make the lagged matrix, shape (rows, d)."""
        if self.shape.n_lags == 1:
            return np.concatenate(self.X)
        silence = np.zeros((self.shape.n_lags - 1, self.shape.n_features), dtype=self.precision)
        before = [np.concatenate([silence, x]) for x in self.X]
        last = self.shape.n_lags - 1
        return np.concatenate([np.hstack([x[last - a : len(x) - a] for a in range(last + 1)]) for x in before])

    @cached_property
    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Training and held-out rows of each fold."""
        trial = np.repeat(np.arange(self.shape.n_trials), self.shape.n_bins)
        held = [np.isin(trial, fold) for fold in self.folds]
        return [(np.flatnonzero(~h), np.flatnonzero(h)) for h in held]

    @cached_property
    def in_training(self) -> float:
        """Rows that train in a fold, mean over folds."""
        return float(np.mean([len(train) for train, _ in self.splits]))

    def trf(self, alphas: Sequence[float] | np.ndarray, **options: Any) -> TRF:
        """Prepare the fit of this package."""
        precision: Any = self.precision
        return TRF(0, self.shape.n_lags - 1, 1, alphas, standardize=False, precision=precision, **options)

    def ours(self) -> TRF:
        """Fit with this package, from trials to weights of the lagged columns."""
        return self.trf(self.shape.alphas, all_scores=False).fit(self.X, self.Y, folds=self.folds)

    def himalaya(self, kind: Any, x: np.ndarray, **options: Any) -> Any:
        """Search and fit with himalaya, given the lagged matrix, or its products where the kernel is ready."""
        solver = {"score_func": r2_score, "n_targets_batch": TARGETS_AT_ONCE}
        if kind is HimalayaRidgeCV:
            solver |= {"warn": False}
        else:
            options |= {"warn": False}
        alphas = (self.shape.alphas * self.in_training).astype(self.precision)
        return kind(alphas, cv=self.splits, fit_intercept=True, solver_params=solver, **options).fit(x, self.y)

    def check(self, peer: Any, x: np.ndarray) -> None:
        """Compare choices, where penalties differ, and predictions at the most frequent one."""
        chosen = np.asarray(peer.best_alphas_, dtype=float)
        mine, theirs = np.asarray(self.ours().alpha_), chosen / self.in_training
        # Its smallest penalties magnify the rounding of singular values that are zero, and win by chance.
        least = self.shape.alphas[self.shape.alphas >= 1e-3][0] * (1 - 1e-6)
        both = (mine >= least) & (theirs >= least)
        same = np.isclose(mine[both], theirs[both], rtol=1e-5).mean()
        assert both.mean() > 0.2, f"{both.mean():.0%} of the units chose a penalty of 1e-3 or more"
        assert same > SAME[self.precision], f"{same:.1%} of the penalties agree"
        values, counts = np.unique(chosen[both], return_counts=True)
        alpha = values[counts.argmax()]
        units = np.flatnonzero(chosen == alpha)[:50]
        fit = self.trf([alpha / len(self.y)], n_folds=2).fit(self.X, [y[:, units] for y in self.Y])
        mine, theirs = np.concatenate(fit.predict(self.X)), np.asarray(peer.predict(x))[:, units]
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=AGREE[self.precision] * np.abs(theirs).max())


@dataclass(frozen=True)
class ShapeMethod:
    """One way to fit."""

    run: Callable[[ShapeCase], tuple[float, Any]]
    """Seconds of the fit, and what was fitted."""
    check: Callable[[ShapeCase, Any], None]
    """Raise AssertionError if that is not what this package finds."""
    measured: str = "whole fit"


def ours(case: ShapeCase) -> tuple[float, Any]:
    """Time this package."""
    start = time.perf_counter()
    fitted = case.ours()
    return time.perf_counter() - start, fitted


def peer(kind: Any) -> ShapeMethod:
    """Let himalaya make the lagged matrix, and of it all else."""

    def run(case: ShapeCase) -> tuple[float, Any]:
        start = time.perf_counter()
        found = case.himalaya(kind, case.rows())
        return time.perf_counter() - start, found

    return ShapeMethod(run, lambda case, found: case.check(found, case.rows()))


def on_ready_kernel(case: ShapeCase) -> tuple[float, Any]:
    """Time himalaya from the products of all rows on."""
    start = time.perf_counter()
    found = case.himalaya(KernelRidgeCV, case.kernel, kernel="precomputed")
    return time.perf_counter() - start, found


METHODS = {
    "ours": ShapeMethod(ours, lambda case, found: None),
    "himalaya RidgeCV": peer(HimalayaRidgeCV),
    "himalaya KernelRidgeCV": peer(KernelRidgeCV),
    "himalaya KernelRidgeCV, kernel ready": ShapeMethod(
        on_ready_kernel, lambda case, found: case.check(found, case.kernel), "without the kernel"
    ),
}
PEERS = {
    "static": ["himalaya RidgeCV", "himalaya KernelRidgeCV"],
    "wide": ["himalaya KernelRidgeCV", "himalaya KernelRidgeCV, kernel ready"],
    "3000 targets": ["himalaya RidgeCV", "himalaya KernelRidgeCV"],
    "30000 targets": ["himalaya RidgeCV", "himalaya KernelRidgeCV"],
}
"""That could be the quickest; scikit-learn's is none of them here."""


def bench_case(
    case: ShapeCase, peers: Sequence[str], *, rounds: int = 3, memory: Callable[[str], float] | None = None
) -> list[str]:
    """Return rows of the table for one case: all in turns, ours before each peer."""
    times: dict[str, list[float]] = {name: [] for name in ["ours", *peers]}
    for turn in range(rounds):
        for name in peers:
            if turn and times[name][0] > LONG:
                continue
            times["ours"].append(METHODS["ours"].run(case)[0])
            spent, found = METHODS[name].run(case)
            if turn == 0:
                METHODS[name].check(case, found)
            times[name].append(spent)
            print(f"{case.name}: ours {times['ours'][-1]:.2f} s, {name} {spent:.2f} s", file=sys.stderr, flush=True)
    own = min(times["ours"])
    lines = []
    for name, seconds in times.items():
        used = "" if memory is None else f"{memory(name):.0f}"
        cells = [case.name, name, f"{min(seconds):.2f}", f"{min(seconds) / own:.1f}", len(seconds), used]
        lines.append("| " + " | ".join(map(str, [*cells, METHODS[name].measured])) + " |")
        print(lines[-1], flush=True)
    return lines


def case_of(name: str, precision: str) -> ShapeCase:
    """Simulate one of the shapes."""
    return ShapeCase(name, SHAPES[name], precision)

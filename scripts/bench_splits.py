"""Cross-validation of two shapes, voxels and EEG, against other people's software on the same trials and splits.

Work of a peer that is linear in splits, units or penalties may be measured on a part and multiplied; each says what it
measured. Numbers are compared before time counts.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from himalaya.kernel_ridge import KernelRidgeCV
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from himalaya.scoring import r2_score
from mtrf.matrices import covariance_matrices
from mtrf.model import TRF as MTRF
from mtrf.stats import nested_crossval
from sklearn.linear_model import RidgeCV

from distributed_trf import TRF, given_splits, nested_folds

SFREQ = 64.0


class Voxels:
    """One value of each voxel per sound, given splits of 85 training and 80 test sounds, and 100 penalties."""

    n_sounds, n_features, n_training, n_inner = 165, 1024, 85, 5
    alphas = np.logspace(-50, 49, 100)

    def __init__(self, n_units: int = 26_792, n_splits: int = 10) -> None:
        rng = np.random.default_rng(0)
        mix = rng.normal(size=(self.n_features, self.n_features)) * np.logspace(0, -1.5, self.n_features)
        self.x = rng.normal(size=(self.n_sounds, self.n_features)) @ mix
        readout = rng.normal(size=(self.n_features, n_units)) * rng.uniform(0, 0.05, n_units)
        self.y = self.x @ readout + 3 * rng.normal(size=(self.n_sounds, n_units))
        orders = [rng.permutation(self.n_sounds) for _ in range(n_splits)]
        training, test = [o[: self.n_training] for o in orders], [o[self.n_training :] for o in orders]
        self.splits = given_splits(self.n_sounds, training, test, self.n_inner, seed=0)
        self.name = f"{self.n_sounds} sounds x {n_units} voxels, {self.n_features} features, {n_splits} splits"

    def rows(self, k: int) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        """Training and test sounds of a split, and its inner folds as rows of the training sounds."""
        split = self.splits.splits[k]
        training, test = (np.array(self.splits.members(blocks)) for blocks in (split.training, split.test))
        inner = []
        for fold in split.folds:
            held = np.isin(training, self.splits.members(fold))
            inner.append((np.flatnonzero(~held), np.flatnonzero(held)))
        return training, test, inner

    @cached_property
    def in_training(self) -> float:
        """Rows that train in an inner fold: all have as many, so that penalties of peers are the same multiple."""
        return self.n_training * (1 - 1 / self.n_inner)

    @cached_property
    def found(self) -> Any:
        """What this package finds."""
        return self.ours()[1]

    def ours(self) -> tuple[float, Any]:
        """Cross-validate with this package."""
        X, Y = list(self.x[:, None, :]), list(self.y[:, None, :])
        start = time.perf_counter()
        found = TRF(0, 0, 1, self.alphas, n_folds=self.n_inner, standardize=False).cross_validate(X, Y, self.splits)
        return time.perf_counter() - start, found

    def sklearn(self, n_units: int = 10) -> tuple[float, Any]:
        """Loop over voxels with scikit-learn's ``RidgeCV`` (leave-one-out), on some voxels of the first split."""
        training, test, _ = self.rows(0)
        found = []
        start = time.perf_counter()
        for u in range(n_units):
            fit = RidgeCV(alphas=self.alphas).fit(self.x[training], self.y[training, u])
            found.append((fit.alpha_, fit.predict(self.x[test])))
        spent = time.perf_counter() - start
        return spent * len(self.splits.splits) * self.y.shape[1] / n_units, found

    def check_sklearn(self, found: Any) -> None:
        """Compare predictions of the first split at the penalty that each voxel chose."""
        training, test, _ = self.rows(0)
        for u, (alpha, predicted) in enumerate(found):
            mine = TRF(0, 0, 1, [alpha / len(training)], standardize=False)
            mine.fit(list(self.x[training, None, :]), list(self.y[training, None, u : u + 1]))
            ours = np.concatenate(mine.predict(list(self.x[test, None, :])))[:, 0]
            np.testing.assert_allclose(ours, predicted, rtol=1e-6, atol=1e-8)

    def himalaya(self, kind: Any, n_splits: int = 1) -> tuple[float, Any]:
        """Search on the same inner folds with himalaya, all voxels of some splits."""
        found = []
        start = time.perf_counter()
        for k in range(n_splits):
            training, test, inner = self.rows(k)
            options = {"solver_params": {"score_func": r2_score}, "fit_intercept": True}
            fit = kind(alphas=self.alphas * self.in_training, cv=inner, **options)
            fit.fit(self.x[training], self.y[training])
            predicted = fit.predict(self.x[test])
            found.append((np.asarray(fit.best_alphas_), np.asarray(predicted)))
        return (time.perf_counter() - start) * len(self.splits.splits) / n_splits, found

    def check_himalaya(self, found: Any) -> None:
        """Compare choices, where penalties differ, and predictions at the most frequent one."""
        alphas, predicted = found[0]
        training, test, _ = self.rows(0)
        mine, theirs = self.found.alpha[0], alphas / self.in_training
        # Its smallest penalties magnify the rounding of singular values that are zero, and win by chance.
        both = (mine >= 1) & (theirs >= 1)
        same = np.isclose(mine[both], theirs[both], rtol=1e-6).mean()
        assert both.mean() > 0.2, f"{both.mean():.0%} of the voxels chose a penalty of 1 or more"
        assert same > 0.99, f"{same:.1%} of the penalties agree"
        values, counts = np.unique(alphas[both], return_counts=True)
        alpha = values[counts.argmax()]
        units = np.flatnonzero(alphas == alpha)[:50]
        fit = TRF(0, 0, 1, [alpha / len(training)], standardize=False)
        fit.fit(list(self.x[training, None, :]), list(self.y[training][:, None, units]))
        ours = np.concatenate(fit.predict(list(self.x[test, None, :])))
        np.testing.assert_allclose(ours, predicted[:, units], rtol=1e-5, atol=1e-6)


class EEG:
    """Channels, and features at lags, in five long trials: each is left out, and of the others each in turn."""

    n_features, n_lags, n_trials = 16, 40, 5
    alphas = np.logspace(-4, 5, 10)

    def __init__(self, n_units: int = 128, minutes: float = 30) -> None:
        rng = np.random.default_rng(0)
        rows = int(minutes * 60 * SFREQ / self.n_trials)
        mix = rng.normal(size=(self.n_features, self.n_features))
        readout = (
            rng.normal(size=(self.n_lags, self.n_features, n_units)) * np.hanning(self.n_lags + 2)[1:-1, None, None]
        )
        silence = np.zeros((self.n_lags, self.n_features))
        self.X, self.Y = [], []
        for _ in range(self.n_trials):
            x = rng.normal(size=(rows - 2 * self.n_lags, self.n_features)) @ mix
            x = np.concatenate([silence, x - x.mean(axis=0), silence])  # conventions of edges make no difference
            y = sum(np.roll(x, lag, axis=0) @ readout[lag] for lag in range(self.n_lags))
            y += 300 * rng.normal(size=y.shape)
            self.X.append(x)
            self.Y.append(y - y.mean(axis=0))
        self.splits = nested_folds(range(self.n_trials), self.n_trials, self.n_trials - 1, seed=0)
        self.rows = rows
        self.tmax = (self.n_lags - 1) / SFREQ
        self.name = f"{n_units} channels, {self.n_features} x {self.n_lags}, {minutes:g} min at {SFREQ:g} Hz"

    def ours(self) -> tuple[float, Any]:
        """Cross-validate with this package."""
        start = time.perf_counter()
        trf = TRF(0, self.tmax, SFREQ, self.alphas, n_folds=4, standardize=False)
        found = trf.cross_validate(self.X, self.Y, self.splits)
        return time.perf_counter() - start, found

    def mtrfpy(self) -> tuple[float, Any]:
        """Nested cross-validation of mTRFpy over one penalty, without its sums ten times, and its sums once."""
        start = time.perf_counter()
        covariance_matrices(self.X, self.Y, np.arange(self.n_lags), zeropad=True)
        sums = time.perf_counter() - start
        # Its lambda is beside X'X of one trial on average, in seconds: alpha rows / sfreq.
        lambdas = [self.alphas[4] * self.rows / SFREQ]
        start = time.perf_counter()
        found = nested_crossval(MTRF(), self.X, self.Y, SFREQ, 0, self.tmax, lambdas, verbose=False)
        one = time.perf_counter() - start
        return sums + len(self.alphas) * max(one - sums, 0), found

    def check_mtrfpy(self, found: Any) -> None:
        """Compare r of each outer fold, mean over channels, at the penalties that mTRFpy chose."""
        r, chosen = found
        mine = {
            a: TRF(0, self.tmax, SFREQ, [a * SFREQ / self.rows], standardize=False)
            .cross_validate(self.X, self.Y, self.splits)
            .r_folds.mean(axis=1)
            for a in set(chosen)
        }
        for k, split in enumerate(self.splits.splits):
            (tested,) = self.splits.members(split.test)
            np.testing.assert_allclose(mine[chosen[tested]][k], r[tested], rtol=1e-9)

    def mne(self) -> tuple[float, Any]:
        """Fit and predict once with MNE's ``TimeDelayingRidge``; a grid takes 5 x 4 x 10 such fits and 5 more."""
        from mne import set_log_level
        from mne.decoding import TimeDelayingRidge

        set_log_level("error")  # no bars
        x, y = (np.stack(trials[:3], axis=1) for trials in (self.X, self.Y))
        fit = TimeDelayingRidge(0, self.tmax, SFREQ, alpha=self.alphas[4] * 3 * self.rows, n_jobs=1)
        fit.fit(x[:2000], y[:2000])  # what it compiles is not counted
        start = time.perf_counter()
        fit.fit(x, y)
        predicted = fit.predict(np.stack(self.X[3:4], axis=1))
        spent = time.perf_counter() - start
        n = len(self.splits.splits)
        return spent * (n * (n - 1) * len(self.alphas) + n), (fit.coef_, predicted)

    def check_mne(self, found: Any) -> None:
        """Compare weights and predictions."""
        coef, predicted = found
        mine = TRF(0, self.tmax, SFREQ, [self.alphas[4]], standardize=False).fit(self.X[:3], self.Y[:3])
        np.testing.assert_allclose(mine.coef_, coef, rtol=1e-6, atol=1e-9 * np.abs(coef).max())
        np.testing.assert_allclose(mine.predict(self.X[3:4])[0], predicted.reshape(self.rows, -1), rtol=1e-6, atol=1e-6)


@dataclass(frozen=True)
class SplitMethod:
    """One way to cross-validate."""

    run: Callable[[], tuple[float, Any]]
    """Seconds of the whole, and what was found."""
    check: Callable[[Any], None]
    """Raise AssertionError if that is not what this package finds."""
    measured: str


SHAPES = ("voxels", "eeg")


def bench_shape(shape: str, *, rounds: int = 3) -> list[str]:
    """Return rows of the table for one shape: peers once, ours before the first and after each."""
    case: Voxels | EEG = Voxels() if shape == "voxels" else EEG()
    methods = voxel_methods(case) if isinstance(case, Voxels) else eeg_methods(case)
    times: dict[str, list[float]] = {name: [] for name in methods}
    for name, method in methods.items():
        spent, found = method.run()
        method.check(found)
        times[name].append(spent)
        print(f"{case.name}: {name} {spent:.2f} s", file=sys.stderr, flush=True)
        if name != "ours" and len(times["ours"]) < rounds:
            times["ours"].append(methods["ours"].run()[0])
    own = statistics.median(times["ours"])
    lines = []
    for name, found in times.items():
        spent = statistics.median(found)
        cells = [case.name, name, f"{spent:.2f}", f"{spent / own:.1f}", len(found), methods[name].measured]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(lines[-1], flush=True)
    return lines


def voxel_methods(case: Voxels) -> dict[str, SplitMethod]:
    """Ways to cross-validate voxels."""
    return {
        "ours": SplitMethod(case.ours, lambda found: None, "whole"),
        "scikit-learn RidgeCV, voxel by voxel": SplitMethod(
            case.sklearn, case.check_sklearn, "10 voxels of 1 split (leave-one-out); multiplied"
        ),
        "himalaya RidgeCV": SplitMethod(
            lambda: case.himalaya(HimalayaRidgeCV), case.check_himalaya, "1 split; multiplied"
        ),
        "himalaya KernelRidgeCV": SplitMethod(
            lambda: case.himalaya(KernelRidgeCV), case.check_himalaya, "1 split; multiplied"
        ),
    }


def eeg_methods(case: EEG) -> dict[str, SplitMethod]:
    """Ways to cross-validate EEG."""
    return {
        "ours": SplitMethod(case.ours, lambda found: None, "whole"),
        "mTRFpy": SplitMethod(
            case.mtrfpy, case.check_mtrfpy, "1 of 10 penalties, one for all channels; multiplied but for the sums"
        ),
        "MNE TimeDelayingRidge": SplitMethod(
            case.mne, case.check_mne, "1 of 205 fits, and its predictions; multiplied"
        ),
    }

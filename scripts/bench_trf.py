"""The fit against the published procedure, scikit-learn, himalaya and mTRFpy: same data, one process, in turns.

Numbers must agree before time is reported. Work of a peer that is linear in folds, penalties, sessions or units may be
measured on a part and multiplied; the table says of each what was measured.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from mtrf.model import TRF as MTRF
from sklearn.linear_model import Ridge, RidgeCV

from distributed_trf import TRF

ALPHAS, N_FOLDS, BINS, LEAD_IN, SFREQ = np.logspace(-5, 15, 21), 3, 50, 7, 20.0
SESSIONS = 41
"""Of 1718 units; the published procedure fits them one by one."""


class Case:
    """Simulated sentences: correlated features with a decaying spectrum, counts that follow them at several lags."""

    def __init__(self, n_features: int, n_lags: int, n_units: int, rows: int = 24_000) -> None:
        rng = np.random.default_rng(0)
        self.n_lags, self.n_units, self.rows = n_lags, n_units, rows
        mix = rng.normal(size=(n_features, n_features)) * np.logspace(0, -1.5, n_features)
        self.X = [np.maximum(rng.normal(size=(LEAD_IN + BINS, n_features)) @ mix, 0) for _ in range(rows // BINS)]
        readout = rng.normal(size=(n_features, n_units)) * rng.uniform(0, 0.15, n_units) / np.sqrt(n_features)
        self.Y = []
        for x in self.X:
            drive = sum(x[LEAD_IN - lag : len(x) - lag] @ readout for lag in range(min(3, n_lags)))
            self.Y.append(rng.poisson(np.exp(np.clip(drive, -3, 2))).astype(np.float64))
        self.folds = [list(range(k, len(self.X), N_FOLDS)) for k in range(N_FOLDS)]
        self.name = f"{n_features} x {n_lags}, {n_units} units, {rows} rows"
        self.d = n_features * n_lags

    def lagged(self) -> tuple[np.ndarray, np.ndarray]:
        """The explicit lagged matrix, z-scored, and centred responses."""
        rows = [np.hstack([x[LEAD_IN - lag : len(x) - lag] for lag in range(self.n_lags)]) for x in self.X]
        z, y = np.concatenate(rows), np.concatenate(self.Y)
        return (z - z.mean(0)) / (z.std(0) + 1e-6), y - y.mean(0)

    def split(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the training trials and of fold k."""
        fold = np.repeat([i in set(self.folds[k]) for i in range(len(self.X))], BINS)
        return np.flatnonzero(~fold), np.flatnonzero(fold)


def ours(case: Case, alphas: np.ndarray = ALPHAS, *, all_scores: bool = False) -> TRF:
    """Fit with this package."""
    trf = TRF(0.0, (case.n_lags - 1) / SFREQ, SFREQ, alphas=alphas, lead_in=LEAD_IN, all_scores=all_scores)
    return trf.fit(case.X, case.Y, folds=case.folds)


def published(case: Case) -> float:
    """Seconds of the published procedure: one fold and penalty, and one unit's final fit, measured and multiplied."""
    in_session = max(1, case.n_units // SESSIONS) if case.n_units > 1000 else case.n_units
    sessions = case.n_units / in_session
    start = time.perf_counter()
    z, y = case.lagged()
    building = time.perf_counter() - start
    train, held = case.split(0)
    start = time.perf_counter()
    x, m = z[train], len(train)
    w = np.linalg.solve(x.T @ x + m * 10.0 * np.eye(case.d), x.T @ y[train, :in_session])
    residual = ((y[held, :in_session] - z[held] @ w) ** 2).sum(0)
    assert np.isfinite(residual).all()
    one_fold = time.perf_counter() - start
    start = time.perf_counter()
    np.linalg.solve(z.T @ z + len(z) * 10.0 * np.eye(case.d), z.T @ y[:, :1])
    one_unit = time.perf_counter() - start
    return sessions * (building + N_FOLDS * len(ALPHAS) * one_fold) + case.n_units * one_unit


def sklearn_loo(case: Case) -> RidgeCV:
    """scikit-learn's leave-one-out search, its fast path."""
    z, y = case.lagged()
    return RidgeCV(alphas=ALPHAS * len(z), alpha_per_target=True, fit_intercept=False).fit(z, y)


def sklearn_grid(case: Case) -> float:
    """Seconds of scikit-learn's ``Ridge`` on the same folds: one fold and two penalties measured and multiplied."""
    start = time.perf_counter()
    z, y = case.lagged()
    building = time.perf_counter() - start
    train, held = case.split(0)
    start = time.perf_counter()
    for alpha in ALPHAS[5:7]:
        Ridge(alpha=alpha * len(train), fit_intercept=False).fit(z[train], y[train]).predict(z[held])
    return building + (time.perf_counter() - start) / 2 * (N_FOLDS * len(ALPHAS) + 1)


def himalaya(case: Case, n_folds: int = N_FOLDS) -> HimalayaRidgeCV:
    """Himalaya's search on the same folds."""
    z, y = case.lagged()
    splits = [case.split(k) for k in range(n_folds)]
    return HimalayaRidgeCV(
        alphas=ALPHAS * len(z) * 2 / 3, cv=splits, fit_intercept=False, solver_params={"n_alphas_batch": 3}
    ).fit(z, y)


def himalaya_part(case: Case) -> float:
    """Seconds of himalaya's search: one fold and the refit, twice, which is less than three folds and the refit."""
    start = time.perf_counter()
    himalaya(case, n_folds=1)
    return 2 * (time.perf_counter() - start)


def mtrfpy(case: Case) -> float:
    """Seconds of mTRFpy on the same rows as six long trials: two of the penalties measured and multiplied."""
    x = [np.concatenate([x[LEAD_IN:] for x in case.X[k::6]]) for k in range(6)]
    y = [np.concatenate(case.Y[k::6]) for k in range(6)]
    start = time.perf_counter()
    peer = MTRF()
    peer.train(x, y, SFREQ, 0.0, (case.n_lags - 1) / SFREQ, list(ALPHAS[5:7] * 1e3), k=N_FOLDS, verbose=False)
    return (time.perf_counter() - start) / 2 * len(ALPHAS)


def agree(case: Case) -> None:
    """Raise AssertionError unless the peers' numbers are ours."""
    z, y = case.lagged()
    fitted = ours(case, np.array([1e-2]))
    peer = Ridge(alpha=1e-2 * len(z), fit_intercept=False).fit(z, y)
    mine = np.concatenate(fitted.predict(case.X)) - np.concatenate(case.Y).mean(0)
    np.testing.assert_allclose(mine, peer.predict(z), rtol=1e-6, atol=1e-8, err_msg="scikit-learn")
    raw = np.concatenate([np.hstack([x[LEAD_IN - lag : len(x) - lag] for lag in range(case.n_lags)]) for x in case.X])
    train, held = case.split(0)
    pairs = (train, held), (held, train)
    explicit = sum(_score(raw, np.concatenate(case.Y), a, b, case.d) for a, b in pairs) / 2
    only = TRF(0.0, (case.n_lags - 1) / SFREQ, SFREQ, alphas=[1e-2], lead_in=LEAD_IN)
    halves = [case.folds[0], sorted(case.folds[1] + case.folds[2])]
    mine = only.fit(case.X, case.Y, folds=halves).cv_scores_[0]
    np.testing.assert_allclose(mine, explicit, rtol=1e-8, atol=1e-9, err_msg="published procedure")


def agree_himalaya(case: Case, fitted: HimalayaRidgeCV) -> None:
    """Raise AssertionError unless himalaya chose the same penalties on the same folds and predicts the same."""
    mine = TRF(0.0, (case.n_lags - 1) / SFREQ, SFREQ, alphas=ALPHAS, lead_in=LEAD_IN)
    mine.fit(case.X, case.Y, folds=case.folds)
    same = fitted.best_alphas_ / (len(np.concatenate(case.Y)) * 2 / 3) / mine.alpha_
    assert np.mean(np.abs(same - 1) < 1e-6) > 0.95, f"{np.mean(np.abs(same - 1) < 1e-6):.0%} of the penalties agree"


def _score(raw: np.ndarray, y: np.ndarray, train: np.ndarray, held: np.ndarray, d: int) -> np.ndarray:
    scaled = (raw - raw[train].mean(0)) / (raw[train].std(0) + 1e-6)
    centred = y[train] - y[train].mean(0)
    w = np.linalg.solve(scaled[train].T @ scaled[train] + len(train) * 1e-2 * np.eye(d), scaled[train].T @ centred)
    truth = y[held]
    return 1 - ((truth - y[train].mean(0) - scaled[held] @ w) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)


def counted_flops(case: Case) -> float:
    """Floating-point operations of the plain method: sums, four decompositions of 9 d^3, projections, search, fit."""
    d, u, n = float(case.d), case.n_units, case.rows
    sums = 2 * n * d * (d / case.n_lags + u)
    per_fold = 9 * d**3 + 4 * d**3 + 4 * d * d * u + 2 * len(ALPHAS) * d * d * u
    return sums + N_FOLDS * per_fold + 9 * d**3 + 4 * d * d * u


def product_rate(d: int) -> float:
    """Floating-point operations per second of a float64 d x d matrix product."""
    a = np.random.default_rng(0).normal(size=(d, d))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * float(d) ** 3 / min(times)


METHODS: dict[str, tuple[Callable[[Case], object], str]] = {
    "ours": (ours, "whole fit"),
    "published procedure": (published, "1 of 63 solves of a session, 1 unit's final fit; multiplied"),
    "scikit-learn RidgeCV": (sklearn_loo, "whole fit (leave-one-out)"),
    "scikit-learn Ridge grid": (sklearn_grid, "2 of 63 solves; multiplied"),
    "himalaya RidgeCV": (himalaya, "whole fit"),
    "himalaya RidgeCV, in part": (himalaya_part, "1 of 3 folds and the refit, times 2"),
    "mTRFpy": (mtrfpy, "2 of 21 penalties, one penalty for all units; multiplied"),
}


def seconds(name: str, case: Case) -> float:
    """Time a method once; those that multiply return their own seconds."""
    start = time.perf_counter()
    result = METHODS[name][0](case)
    spent = time.perf_counter() - start
    if isinstance(result, HimalayaRidgeCV):
        agree_himalaya(case, result)
    return result if isinstance(result, float) else spent


def added_mib(method: Callable[[Case], object], case: Case) -> float:
    """Peak of this process's resident memory while a method runs, less what it has now."""
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    method(case)
    done.set()
    watcher.join()
    return (peak - before) / 2**20


def peak_mib(name: str, shape: list[int]) -> float:
    """Peak memory that a method adds to a process that holds the data, in a process of its own."""
    command = [sys.executable, __file__, "--memory", name, "--shape", *map(str, shape)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def bench(shape: list[int], peers: list[str], *, rounds: int, memory: list[str], quick: bool = False) -> list[str]:
    """Rows of the table for one size."""
    case = Case(*shape)
    agree(case) if case.d <= 1500 else None
    times: dict[str, list[float]] = {name: [] for name in ["ours", *peers]}
    for turn in range(rounds):
        for name in times:
            if turn and (name.startswith("himalaya") or (quick and times[name][0] > 20 and name != "ours")):
                continue  # minutes; not worth another turn
            times[name].append(seconds(name, case))
            print(f"{case.name}: {name} {times[name][-1]:.2f} s", file=sys.stderr, flush=True)
    own = statistics.median(times["ours"])
    rate = counted_flops(case) / own / product_rate(min(case.d, 3000))
    lines = []
    for name, found in times.items():
        spent = statistics.median(found)
        used = f"{peak_mib(name, shape):.0f}" if name in memory else ""
        extra = f"{rate:.0%}" if name == "ours" else ""
        cells = [case.name, name, f"{spent:.2f}", f"{spent / own:.1f}", len(found), used, extra, METHODS[name][1]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(lines[-1], flush=True)
    return lines


HEADLINE = [256, 5, 256]
SKIPPED = {True: "himalaya RidgeCV", False: "himalaya RidgeCV, in part"}


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the headline size only, in under five minutes")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--memory", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(added_mib(METHODS[arguments.memory][0], Case(*arguments.shape)))
        return
    measured = ["ours", "scikit-learn RidgeCV"]
    peers = [name for name in METHODS if name not in ("ours", SKIPPED[arguments.quick])]
    lines = bench(HEADLINE, peers, rounds=2, memory=measured, quick=arguments.quick)
    if not arguments.quick:
        some = ["published procedure", "scikit-learn RidgeCV"]
        for shape in ([128, 5, 64], [128, 5, 1718], [256, 5, 64]):
            lines += bench(shape, some, rounds=2, memory=[])
        for shape in ([256, 5, 430], [256, 5, 859], [256, 5, 1718], [256, 5, 1718, 12_000], [256, 5, 1718, 48_000]):
            lines += bench(shape, some[:1], rounds=2, memory=["ours"])
        for shape in ([768, 5, 64], [768, 5, 1718], [512, 11, 64], [512, 11, 1718]):
            lines += bench(shape, some[:1], rounds=1, memory=[])
    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn", "himalaya", "mtrf"))
    text = "\n".join(
        [
            "# The fit against its peers",
            "",
            f"Made by `scripts/bench_trf{' --quick' if arguments.quick else ''}` on {datetime.now(UTC):%Y-%m-%d}: "
            f"{cpu}, 2 cores, Python {platform.python_version()}, {libraries}.",
            f"{len(ALPHAS)} penalties, {N_FOLDS} folds, float64. Peers' numbers agree with ours before time counts. "
            "Memory is what a fit adds to the data.",
            "",
            "| features x lags | method | seconds | x ours | turns | MiB added | of the product rate | measured |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )
    print("\n" + text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()

"""Time the fit against the published procedure, scikit-learn, himalaya and mTRFpy: same data, one process, in turns.

Numbers must agree before time is reported.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from bench_chance import BINS, REPEATS, SESSIONS, SHIFTS, bench_chance
from bench_missing import FEATURES, LAGS, ROWS, bench_missing
from bench_peers import METHODS, Case, Method
from bench_published import ALPHAS, N_FOLDS
from bench_sentences import added_mib, machine
from bench_shapes import METHODS as SHAPE_METHODS
from bench_shapes import PEERS, PRECISIONS, bench_case, case_of
from bench_spaces import CANDIDATES, FOLDS, UNITS, bench_spaces
from bench_splits import SHAPES, bench_shape

HEADLINE = [256, 5, 256]
"""Features, lags and units at which every peer is timed."""
LONG = 10.0
"""Seconds from which a peer's time is taken once: minutes of it would not change the ratio."""


def counted_flops(case: Case) -> float:
    """Count the operations of the plain method: sums, four decompositions of 9 d^3, projections, search, final fit."""
    d, u, n = float(case.d), case.n_units, case.rows
    sums = 2 * n * d * (d / case.n_lags + u)
    per_fold = 9 * d**3 + 4 * d**3 + 4 * d * d * u + 2 * len(ALPHAS) * d * d * u
    return sums + N_FOLDS * per_fold + 9 * d**3 + 4 * d * d * u


def product_rate(d: int) -> float:
    """Measure the floating-point operations per second of a float64 d x d matrix product, the best of three."""
    a = np.random.default_rng(0).normal(size=(d, d))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * float(d) ** 3 / min(times)


def turns(case: Case, methods: dict[str, Method], rounds: int) -> dict[str, list[float]]:
    """Time methods one after another, and again; the first time each is checked."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds):
        for name, method in methods.items():
            if turn and times[name][0] > LONG and name != "ours":
                continue
            spent, found = method.run(case)
            if turn == 0:
                method.check(case, found)
            times[name].append(spent)
            print(f"{case.name}: {name} {spent:.2f} s", file=sys.stderr, flush=True)
    return times


def peak_mib(name: str, shape: Sequence[int | str]) -> float:
    """Measure the memory that a method adds to a process that holds the data, in a process of its own.

    ``shape`` are sizes of a ``Case``, or name and precision of a ``ShapeCase``.
    """
    command = [sys.executable, __file__, "--memory", name, "--shape", *map(str, shape)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_of(name: str, shape: Sequence[str]) -> Callable[[], object]:
    """Return a method on the data of a shape as ``peak_mib`` gives it."""
    if shape[0] in PEERS:
        of_shape = case_of(*shape)
        return lambda: SHAPE_METHODS[name].run(of_shape)
    case = Case(*map(int, shape))
    return lambda: METHODS[name].run(case)


def bench(shape: Sequence[int], peers: Sequence[str], *, rounds: int = 2, memory: Sequence[str] = ()) -> list[str]:
    """Return rows of the table for one size."""
    case = Case(*shape)
    times = turns(case, {name: METHODS[name] for name in ["ours", *peers]}, rounds)
    own = statistics.median(times["ours"])
    rate = counted_flops(case) / own / product_rate(min(case.d, 3000))
    lines = []
    for name, found in times.items():
        spent = statistics.median(found)
        used = f"{peak_mib(name, shape):.0f}" if name in memory else ""
        extra = f"{rate:.0%}" if name == "ours" else ""
        cells = [case.name, name, f"{spent:.2f}", f"{spent / own:.1f}", len(found), used, extra, METHODS[name].measured]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(lines[-1], flush=True)
    return lines


def quick() -> list[str]:
    """Time every peer at one size."""
    peers = [name for name in METHODS if name not in ("ours", "himalaya RidgeCV")]
    return bench(HEADLINE, peers, memory=["ours", "scikit-learn RidgeCV"])


def whole() -> list[str]:
    """Time every peer at one size, the quicker ones at others, and how time grows with rows and units."""
    peers = [name for name in METHODS if name not in ("ours", "himalaya RidgeCV, in part")]
    lines = bench(HEADLINE, peers, rounds=3, memory=["ours", "scikit-learn RidgeCV"])
    some = ["published procedure", "scikit-learn RidgeCV"]
    for shape in ([128, 5, 64], [128, 5, 1718], [256, 5, 64], [256, 5, 1718]):
        lines += bench(shape, some, memory=["ours"])
    for shape in ([256, 5, 430], [256, 5, 859], [256, 5, 1718, 12_000], [256, 5, 1718, 48_000]):
        lines += bench(shape, [], rounds=3, memory=["ours"])
    for shape in ([768, 5, 64], [768, 5, 1718], [512, 11, 64], [512, 11, 1718]):
        lines += bench(shape, some[:1], rounds=1, memory=["ours"])
    return lines


def section(title: str, command: str, words: str, header: str, lines: Sequence[str]) -> str:
    """Return a table with its title and what made it."""
    libraries = ("numpy", "scipy", "scikit-learn", "himalaya", "mtrf", "mne")
    made = f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {machine(libraries)}."
    rule = "|" + "---|" * header.count(" | ") + "---|"
    return "\n".join([f"## {title}", "", made, "", words, "", header, rule, *lines, ""])


def whole_fit(*, only_quick: bool) -> str:
    """Return the section on fits of a training set."""
    return section(
        "One training set",
        f"scripts/bench_trf{' --quick' if only_quick else ''}",
        f"{len(ALPHAS)} penalties, {N_FOLDS} folds, float64; medians, in turns. Peers' numbers agree with ours before "
        "time counts. Memory is what a fit adds to the data. The rate is that of the counted work beside a matrix "
        "product's; shared and float32 products take it above 100 %.",
        "| features x lags | method | seconds | x ours | turns | MiB added | of the product rate | measured |",
        quick() if only_quick else whole(),
    )


def cross_validation(shape: str) -> str:
    """Return the section on cross-validation of one shape."""
    return section(
        f"Cross-validation: {shape}",
        f"scripts/bench_trf --only {shape}",
        "All splits with their inner folds, float64; medians, ours before and after each peer. Peers' numbers agree "
        "with ours before time counts.",
        "| shape | method | seconds | x ours | turns | measured |",
        bench_shape(shape),
    )


MANY = "30000 targets"


def shapes(*, only_quick: bool) -> str:
    """Return the section on shapes of peers' own."""
    names = ["static"] if only_quick else [name for name in PEERS if name != MANY]
    return _of_shapes("Shapes that peers are made for", f"shapes{' --quick' if only_quick else ''}", names)


def targets() -> str:
    """Return the section on more targets than himalaya's own benchmark has."""
    return _of_shapes("Many targets", "targets", [MANY])


def _of_shapes(title: str, only: str, names: Sequence[str]) -> str:
    lines = []
    for name in names:
        for precision in PRECISIONS:
            memory = partial(peak_mib, shape=[name, precision])
            lines += bench_case(case_of(name, precision), PEERS[name], memory=memory)
    return section(
        title,
        f"scripts/bench_trf --only {only}",
        "Unstandardised columns, so that all solve one problem, in the same precision; shortest times, in turns. From "
        "trials to weights; the lagged matrix, where there are lags, is work of the peer. Peers' numbers agree with "
        "ours before time counts. Memory is what a fit adds to the data.",
        "| shape | method | seconds | x ours | turns | MiB added | measured |",
        lines,
    )


def chance() -> str:
    """Return the section on comparing predictions with chance."""
    return section(
        "Better than chance",
        "scripts/bench_trf --only chance",
        f"{SHIFTS} shifted copies of the predictions of {len(BINS)} test sentences of {sum(BINS.values())} bins, with "
        f"{REPEATS} repeats in {SESSIONS} sessions, one after another; all scores are r_p, r2_er, its interval and "
        "cc_norm, beside r. The first fit of a worker also computes what they need of the responses, which later ones "
        "find. Seconds of all cores, medians of scores, the fit once. The last column is of units whose responses have "
        "nothing to do with the prediction. A loop over copies agrees before time counts.",
        "| features x lags | fit s | r s | r_p s, later fits | all scores s, first fit | all scores s, later fits | "
        "later, of the fit | p < 0.05 by chance |",
        bench_chance(),
    )


def subsets() -> str:
    """Return the section on subsets of feature spaces."""
    return section(
        "Subsets of six feature spaces",
        "scripts/bench_trf --only spaces",
        f"{UNITS} units, {FOLDS} folds, 21 penalties, float64, band weights by the rule of `n_candidates` of "
        f"{CANDIDATES} for all six. Seconds per choice of band weights are measured on three (one space has one) "
        "and multiplied; the last column is in parts of the fit of all six.",
        "| subsets of so many spaces | lagged columns | band weights | seconds each | seconds | x the full model |",
        bench_spaces(),
    )


def missing() -> str:
    """Return the section on groups of units that lack stimuli."""
    return section(
        "Groups of units that lack stimuli",
        "scripts/bench_trf --only missing",
        f"{FEATURES} features at {LAGS} lags, {ROWS} rows, 3 folds, 21 penalties, float64, from sums that are there; "
        "the least of three turns. Separate fits are of each group alone; their weights agree to 1e-6.",
        "| units | seconds | x one group | separate fits take x as long |",
        bench_missing(),
    )


def replaced(text: str, new: str) -> str:
    """Put a section in place of the one with its title, or at the end."""
    title = new.splitlines()[0]
    parts = [part.rstrip() for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)]
    place = next((i for i, part in enumerate(parts) if part.splitlines()[:1] == [title]), len(parts))
    return "\n\n".join([*parts[:place], new.rstrip(), *parts[place + 1 :]]) + "\n"


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size only, in under five minutes")
    parser.add_argument(
        "--only",
        choices=[*SHAPES, "shapes", "targets", "spaces", "chance", "missing"],
        help="cross-validation of one shape, shapes of peers' own, many targets, subsets of spaces, p-values, or "
        "groups that lack stimuli",
    )
    parser.add_argument("--output", type=Path, help="put what was measured in its place in this file as well")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--shape", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(added_mib(run_of(arguments.memory, arguments.shape)))
        return
    if arguments.only:
        others = {
            "shapes": partial(shapes, only_quick=arguments.quick),
            "targets": targets,
            "spaces": subsets,
            "chance": chance,
            "missing": missing,
        }
        sections = [others[arguments.only]() if arguments.only in others else cross_validation(arguments.only)]
    else:
        sections = [whole_fit(only_quick=arguments.quick)]
        if not arguments.quick:
            sections += [shapes(only_quick=False), targets()]
            sections += [*(cross_validation(shape) for shape in SHAPES), subsets(), chance(), missing()]
    text = "# The fit against its peers\n\n"
    if arguments.output and arguments.output.exists():
        text = arguments.output.read_text()
    for new in sections:
        print("\n" + new)
        text = replaced(text, new)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()

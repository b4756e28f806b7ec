"""How often tests find what is not there, and what is: tables of false positives, of power and of chosen layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr
from calibrate_studies import Sessions, of_equals, of_layers, of_positions, of_units

from distributed_trf import best_layer, compare, compare_areas, cutoff_tests, layer_tests, peak_layer, power

CORRELATIONS = (0.0, 0.1, 0.3)
"""Of units of one session."""
AT = (0.05, 0.01)
ALLOWED = {0.05: 0.015, 0.01: 0.006}
"""How far a rate of false positives may be from its level."""
BIASED = 0.005
UNREACHED = "–"
"""Where the smallest p is not below the level."""
BLOCK = 250
"""Studies at a time where each has several networks."""


def rejected(p: np.ndarray, smallest: float) -> list[str]:
    """Write the share of p below each level; in bold what is too far off."""
    cells = []
    for level in AT:
        if smallest >= level:
            cells.append(UNREACHED)
            continue
        rate = float((p < level).mean())
        # where p has steps, the largest that is below the level is what can be held
        attainable = np.floor(np.nextafter(level, 0) / smallest) * smallest if smallest > 1e-3 else level
        off = rate > level + ALLOWED[level] or rate < attainable - ALLOWED[level]
        cells.append(f"**{rate:.3f}**" if off else f"{rate:.3f}")
    return cells


def blocks(studies: int) -> Iterator[int]:
    """Share studies into blocks that fit into memory."""
    for start in range(0, studies, BLOCK):
        yield min(BLOCK, studies - start)


Tested = tuple[np.ndarray, float]
"""Values of p, one for each study, and the smallest that there can be."""


def paired_nulls(sessions: Sessions, studies: int, seed: int, level: str) -> Tested:
    """``compare`` of fits that are as good as each other."""
    ds = of_units(sessions, np.random.default_rng(seed), studies)
    found = compare(ds, xr.zeros_like(ds), level=level)
    return found["p"].values, float(found["smallest_p"].max())


def layer_nulls(sessions: Sessions, studies: int, seed: int, level: str) -> Tested:
    """Values of p of ``layer_tests``, not adjusted, against untrained layers and a spectrogram."""
    found = layer_tests(of_layers(sessions, np.random.default_rng(seed), studies // 2), level=level)
    return found["p"].values.ravel(), float(found["smallest_p"].max())


def area_nulls(sessions: Sessions, studies: int, seed: int, level: str, pool: tuple[str, ...]) -> Tested:
    """``compare_areas`` of areas that prefer the same, networks together or each for itself."""
    rng, p, smallest = np.random.default_rng(seed), [], 0.0
    for n in blocks(studies):
        ds = of_positions(sessions, rng, n)
        found = compare_areas(ds if pool else ds.isel(network=[0]), pool=pool, level=level)
        p.append(found["p"].values.ravel())
        smallest = max(smallest, float(found["smallest_p"].max()))
    return np.concatenate(p), smallest


def cutoff_nulls(sessions: Sessions, studies: int, seed: int, level: str, by: str) -> Tested:
    """``cutoff_tests`` of four cut-offs that are as good: the best against one of the others."""
    rng, p, smallest = np.random.default_rng(seed), [], 0.0
    for n in blocks(studies):
        ds = of_equals(sessions, rng, n, 4, "lowpass_bin", np.array([20.0, 40.0, 100.0, 400.0]))
        found = cutoff_tests(ds, by=by, level=level)
        others = found["p"].where(~found["is_best"]).transpose("study", "lowpass_bin").values
        first = (~np.isnan(others)).argmax(axis=1)
        p.append(others[np.arange(n), first])
        smallest = max(smallest, float(found["smallest_p"].max()))
    return np.concatenate(p), smallest


NULLS: dict[str, Callable[[Sessions, int, int, str], Tested]] = {
    "`compare`": paired_nulls,
    "`layer_tests`": layer_nulls,
    "`compare_areas`, networks pooled": lambda *of: area_nulls(*of, pool=("network",)),
    "`compare_areas`, one network": lambda *of: area_nulls(*of, pool=()),
    "`cutoff_tests`, chosen by cv_score": lambda *of: cutoff_nulls(*of, by="cv_score"),
    "`cutoff_tests`, chosen by test rho": lambda *of: cutoff_nulls(*of, by="rho"),
}


NULLS_HEAD = (
    "| test | sessions | correlation | smallest p | session: p < 0.05 | p < 0.01 | unit: p < 0.05 | p < 0.01 |",
    "|---|---|---|---|---|---|---|---|",
)


def rejections(name: str, count: int, studies: int) -> list[str]:
    """Make rows of false positives of a test with so many sessions."""
    rows = []
    for correlation in CORRELATIONS:
        sessions = Sessions(count, correlation)
        found = {level: NULLS[name](sessions, studies, count, level) for level in ("session", "unit")}
        cells = [cell for level in found for cell in rejected(*found[level])]
        rows.append(f"| {name} | {count} | {correlation} | {found['session'][1]:.2g} | {' | '.join(cells)} |")
    return rows


POWER_HEAD = ("| sessions | units | correlation | effect | session | unit |", "|---|---|---|---|---|---|")


def powers(count: int, studies: int) -> list[str]:
    """Make rows of power with so many sessions; effects are in standard deviations over units."""
    sizes, rows = Sessions(count, 0).sizes.tolist(), []
    for correlation in CORRELATIONS:
        effects = np.round(np.array([0, 1, 2, 3]) / sum(sizes) ** 0.5 * (1 + correlation * 20) ** 0.5, 2)
        found = [
            power(sizes, effects, spread=1, icc=correlation, level=level, simulations=studies)
            for level in ("session", "unit")
        ]
        for k, effect in enumerate(effects):
            cells = " | ".join(f"{of['power'].values[k, 0]:.3f}" for of in found)
            rows.append(f"| {count} | {sum(sizes)} | {correlation} | {effect or 'none'} | {cells} |")
    return rows


LAYERS_HEAD = (
    "| sessions | correlation | best by test rho | by cv_score | each unit's peak by test rho | by cv_score |",
    "|---|---|---|---|---|---|",
)


def biases(count: int, studies: int) -> list[str]:
    """Make rows of what the best of 21 equal layers reaches above the truth, with so many sessions."""
    rows = []
    for correlation in CORRELATIONS:
        sessions = Sessions(count, correlation)
        rng, sums = np.random.default_rng(count), np.zeros(4)
        for n in blocks(studies):
            ds = of_equals(sessions, rng, n, 21, "layer", np.arange(21))
            for k, by in enumerate(("rho", "cv_score")):
                sums[k] += (best_layer(ds, by=by)["median"] - 0.5).sum().item()
                sums[2 + k] += (peak_layer(ds, by=by)["peak"].median("unit") - 0.5).sum().item()
        cells = [f"**{bias:+.4f}**" if abs(bias) > BIASED else f"{bias:+.4f}" for bias in sums / studies]
        rows.append(f"| {count} | {correlation} | {' | '.join(cells)} |")
    return rows

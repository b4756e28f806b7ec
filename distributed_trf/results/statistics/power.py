"""How often a test over sessions finds an effect, and how many sessions it takes: by simulating the test itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError, shown
from distributed_trf.results.statistics.area_tests import AREAS, compare_areas
from distributed_trf.results.statistics.checks import check_draws, check_share
from distributed_trf.results.statistics.compare import compare
from distributed_trf.results.statistics.permutations import Alternative
from distributed_trf.results.statistics.planned_sessions import PlannedSessions, Sessions, plan_sessions
from distributed_trf.results.units import correction_of

EFFECT, SIMULATION, TEST = "effect", "simulation", "test"
"""Dimensions of simulated studies."""
VALUE = "value"
BLOCK = 2_000_000
"""Numbers of units that are simulated at a time, about."""
COVERAGE = 0.95
"""Of the interval of a simulated share."""
POWER = {
    "power": "share of simulated studies in which the effect is found",
    "low": "lower end of the 95 % interval of the share, by the number of simulations (Wilson)",
    "high": "upper end of that interval",
}


def power(
    of: Sessions,
    effect: float | Sequence[float],
    *,
    sessions: int | Sequence[int] | None = None,
    between: Literal["fits", "areas"] = "fits",
    areas: tuple[str, str] = AREAS,
    variable: str | None = None,
    untrained: str = "reset",
    kept: float = 1.0,
    spread: float | None = None,
    icc: float | None = None,
    level: Literal["session", "unit"] = "session",
    two_sided: bool = False,
    alpha: float = 0.05,
    correction: str | None = None,
    family: int = 1,
    true: int = 1,
    target: float = 0.8,
    simulations: int = 1000,
    draws: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate how often a true effect is found, with the sessions of a study or with more or fewer.

    Parameters
    ----------
    of
        Whose sessions, and what varies: results of ``open_results`` (of selected units), whose differences of trained
        and untrained networks count, or what ``peak_layer`` returns for ``areas``; an array of numbers of units that is
        tested, such as ``ds.rho.sel(weights="trained") - ds.rho.sel(network="cochleagram", ...)``; or, before there are
        results, the settings of a study, a list of the units of each session, or such a list for each area.
    effect
        True differences, zero or more: between fits in the mean of every unit, between areas of the second above the
        first. In units of the variable.
    sessions
        How many sessions there could be, of sizes as those of ``of`` (their quantiles); by default as many as these.
    between
        ``fits``: the paired test of ``compare``; ``areas``: that of ``compare_areas``.
    areas
        The two areas.
    variable
        By default ``rho`` between fits, ``position`` between areas.
    untrained
        The weights that trained ones are compared with.
    kept
        Part of the units of each session that a selection will keep.
    spread, icc
        Standard deviation over units of what is tested, and its intraclass correlation within sessions; by default
        those of the results, the mean over all their fits.
    level
        As of ``compare``. Where units of a session are alike, the level ``unit`` also "finds" what is not there.
    two_sided
        Else the test is one-sided, in the direction of the effect.
    alpha
        An effect is found if p, or p corrected, is below it.
    correction, family, true
        For how many tests p is corrected (as of ``layer_tests``), and in how many of them there is the effect; tests
        of a family are simulated as independent.
    target
        The power that ``sessions_needed`` reaches.
    simulations, draws, seed
        Studies; rearrangements of each test; of all draws. Studies of all effects share their noise.

    Returns
    -------
    xarray.Dataset
        Over (effect, sessions): ``power`` with its 95 % interval ``low`` to ``high``; over sessions ``units``, of all
        sessions together, and ``smallest_p``, which so many sessions allow; over effects ``sessions_needed``, the
        fewest of ``sessions`` from which on the target is reached, NaN if it is not.

    Raises
    ------
    DataError
        If spread or icc is not known, or a setting cannot be used.

    Examples
    --------
    >>> found = power([10] * 12, effect=[0.0, 0.05], spread=0.1, icc=0.1, simulations=200)
    >>> found.sizes["effect"], found.smallest_p.item() < 0.001
    (2, True)

    Notes
    -----
    Numbers of units are ``effect + spread * (sqrt(icc) z + sqrt(1 - icc) e)``, z of each session and e of each unit
    standard normal.
    """
    check_draws(draws, seed)
    check_share("alpha", alpha)
    check_share("target", target)
    effects = np.atleast_1d(np.asarray(effect))
    _check(effects, between, family, true, simulations)
    effects = effects.astype(np.float64)
    between_areas = areas if between == "areas" else None
    planned = plan_sessions(
        of,
        areas=between_areas,
        variable=variable or ("position" if between_areas else "rho"),
        untrained=untrained,
        kept=kept,
        spread=spread,
        icc=icc,
    )
    counts = [planned.count] if sessions is None else np.atleast_1d(sessions).tolist()
    if not counts or not all(isinstance(n, int) for n in counts):
        raise DataError(f"sessions is {shown(sessions)}; expected whole numbers of sessions")
    adjust = correction_of(correction)
    alternative: Alternative = "two-sided" if two_sided else ("less" if between_areas else "greater")
    share = np.zeros((effects.size, len(counts)))
    units, smallest = np.zeros(len(counts), dtype=int), np.zeros(len(counts))
    attrs: dict[str, str] = {}
    for k, n in enumerate(counts):
        rng = np.random.default_rng([seed, n])
        studies = _studies(planned, n, effects, family, true, simulations, rng)
        for study in studies:
            if between_areas:
                found = compare_areas(
                    study, VALUE, areas=areas, pool=(), alternative=alternative, level=level, draws=draws, seed=seed
                )
            else:
                found = compare(
                    study, xr.zeros_like(study), VALUE, alternative=alternative, level=level, draws=draws, seed=seed
                )
            p = found["p"].transpose(EFFECT, SIMULATION, TEST).values
            if adjust is not None:
                p = np.apply_along_axis(adjust, -1, p)
            share[:, k] += (p[..., :true] < alpha).mean(axis=-1).sum(axis=-1)
            units[k], smallest[k] = study.sizes[names.UNIT], found["smallest_p"].max()
            attrs = {"test": str(found.attrs["test"])}
    low, high = _wilson(share / simulations, simulations)
    dims = (EFFECT, "sessions")
    numbers = {"power": share / simulations, "low": low, "high": high}
    ds = xr.Dataset(
        {name: (dims, of_name, {"long_name": POWER[name], "units": "1"}) for name, of_name in numbers.items()}
        | {
            "units": ("sessions", units, {"long_name": "units of all sessions"}),
            "smallest_p": ("sessions", smallest, {"long_name": "smallest p-value that so many sessions allow"}),
            "sessions_needed": (EFFECT, _needed(numbers["power"], counts, target), {"long_name": "sessions needed"}),
        },
        {EFFECT: effects, "sessions": counts},
    )
    never = [n for n, p in zip(counts, smallest, strict=True) if not p < alpha]
    return ds.assign_attrs(
        attrs,
        between=between,
        level=level,
        alternative=alternative,
        alpha=alpha,
        correction=correction or "none",
        family=family,
        true=true,
        spread=planned.spread,
        icc=planned.icc,
        target=target,
        simulations=simulations,
        draws=draws,
        seed=seed,
        note=f"no p of {', '.join(map(str, never))} sessions can be below {alpha:g}" if never else "",
    )


def _check(effects: np.ndarray, between: str, family: int, true: int, simulations: int) -> None:
    if between not in ("fits", "areas"):
        raise DataError(f"between is {between!r}; take fits or areas")
    if not effects.size or effects.dtype.kind not in "iuf" or not (effects >= 0).all():
        raise DataError(f"effect is {effects.tolist()}; expected numbers of zero or more, in the direction of the test")
    if not 1 <= true <= family:
        raise DataError(f"true is {true} and family {family}; of the tests of a family one or more have the effect")
    if simulations < 1:
        raise DataError(f"simulations is {simulations}; expected one or more")


def _studies(
    planned: PlannedSessions,
    sessions: int,
    effects: np.ndarray,
    family: int,
    true: int,
    simulations: int,
    rng: np.random.Generator,
) -> Iterator[xr.Dataset]:
    """Draw studies in blocks: ``value`` over (effect, simulation, test, unit), with session, channel and area."""
    of_area = planned.scaled(sessions)
    sizes = [n for of in of_area for n in of]
    session = np.repeat(np.arange(len(sizes)), sizes)
    area = np.repeat(np.repeat(np.arange(len(of_area)), [len(of) for of in of_area]), sizes)
    # Between areas the second is higher, else every unit has the effect.
    has = (area == 1) if planned.areas else np.ones(area.size, dtype=bool)
    has = has & (np.arange(family) < true)[:, None]
    coords = {
        "session": (names.UNIT, session.astype(str)),
        "channel": (names.UNIT, np.arange(session.size).astype(str)),
        "area": (names.UNIT, np.array(planned.areas or ("",))[area]),
    }
    rows = max(1, BLOCK // (effects.size * family * session.size))
    for start in range(0, simulations, rows):
        shape = (min(rows, simulations - start), family)
        shared = rng.normal(size=(*shape, len(sizes)))[..., session]
        own = rng.normal(size=(*shape, session.size))
        noise = planned.spread * (np.sqrt(planned.icc) * shared + np.sqrt(1 - planned.icc) * own)
        value = noise + effects[:, None, None, None] * has
        yield xr.Dataset({VALUE: ((EFFECT, SIMULATION, TEST, names.UNIT), value)}, coords)


def _wilson(share: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a share of n (Wilson 1927)."""
    z = scipy.special.ndtri((1 + COVERAGE) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def _needed(reached: np.ndarray, counts: list[int], target: float) -> np.ndarray:
    """Return the fewest sessions from which on the target is reached, of powers of shape (effects, sessions)."""
    order = np.argsort(counts)
    enough = np.flip(np.logical_and.accumulate(np.flip(reached[:, order] >= target, axis=1), axis=1), axis=1)
    return np.where(enough.any(axis=1), np.array(counts, dtype=np.float64)[order][enough.argmax(axis=1)], np.nan)

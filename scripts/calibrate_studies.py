"""Many simulated studies at once, of which the truth is known, for the calibration of tests and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from distributed_trf import names

MEAN_SIZE, LARGEST = 12, 45
AREAS = ("core", "non-primary")
SPREAD = 0.06
"""Standard deviation of differences of rho over units."""


@dataclass(frozen=True)
class Sessions:
    """Sessions, and what their units have in common."""

    count: int
    correlation: float
    unequal: bool = True
    skewed: bool = False

    @property
    def sizes(self) -> np.ndarray:
        """Units of each session: 12 each, or 1 to 45 in equal ratios and in mixed order."""
        if not self.unequal:
            return np.full(self.count, MEAN_SIZE)
        sizes = np.round(np.geomspace(1, LARGEST, self.count)).astype(int)
        return np.random.default_rng(self.count).permutation(sizes)

    @property
    def session(self) -> np.ndarray:
        """Which session each unit is of, shape (units,)."""
        return np.repeat(np.arange(self.count), self.sizes)

    def draw(self, rng: np.random.Generator, *shape: int) -> np.ndarray:
        """Draw numbers of mean 0 and standard deviation 1 that are correlated in sessions, shape (*shape, units).

        Those of sessions and of units are normal, or exponential less their mean, whose skewness is 2.
        """
        shared, own = (self._one(rng, (*shape, n)) for n in (self.count, self.session.size))
        return np.sqrt(self.correlation) * shared[..., self.session] + np.sqrt(1 - self.correlation) * own

    def median(self) -> float:
        """Return the median of the numbers that are drawn."""
        if not self.skewed:
            return 0.0
        alone = Sessions(1_000_000, self.correlation, unequal=False, skewed=True)
        shared, own = (alone._one(np.random.default_rng(k), (alone.count,)) for k in range(2))
        return float(np.median(np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own))

    def coords(self) -> dict[str, tuple[str, np.ndarray]]:
        """Return labels of units; every other session is of the core, sizes in turns."""
        place = np.empty(self.count, dtype=int)
        place[np.argsort(self.sizes, kind="stable")] = np.arange(self.count) % 2
        return {
            "session": (names.UNIT, np.array([f"s{k:02d}" for k in self.session])),
            "channel": (names.UNIT, np.arange(self.session.size).astype(str)),
            "subject": (names.UNIT, np.array(["a", "b", "c"])[self.session % 3]),
            "area": (names.UNIT, np.array(AREAS)[place[self.session]]),
        }

    def _one(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.exponential(size=shape) - 1 if self.skewed else rng.normal(size=shape)


def of_units(sessions: Sessions, rng: np.random.Generator, studies: int, variable: str = "rho") -> xr.Dataset:
    """Draw a number for each unit of each study: (study, unit)."""
    return xr.Dataset(
        {variable: (("study", names.UNIT), SPREAD * sessions.draw(rng, studies))}, sessions.coords()
    ).assign_coords(study=np.arange(studies))


def of_layers(sessions: Sessions, rng: np.random.Generator, studies: int) -> xr.Dataset:
    """Draw results of one layer, trained and reset, and of a spectrogram, all as good: a study is a stimulus set."""
    rho = np.full((studies, 2, 3, 1, 1, sessions.session.size), np.nan)
    for network, weights in ((0, 0), (0, 1), (1, 2)):
        rho[:, network, weights, 0, 0] = 0.5 + SPREAD / 2**0.5 * sessions.draw(rng, studies)
    coords = {
        names.STIMULI: [f"set{k}" for k in range(studies)],
        names.NETWORK: ["network", "cochleagram"],
        names.WEIGHTS: ["trained", "reset", "fixed"],
        names.LAYER: [0],
        names.BIN_WIDTH: [50.0],
        "layer_type": ((names.NETWORK, names.LAYER), [["conv"], ["spectrogram"]]),
    }
    return xr.Dataset({"rho": (names.RESULT_DIMS, rho)}, coords | sessions.coords())


def of_positions(sessions: Sessions, rng: np.random.Generator, studies: int, networks: int = 6) -> xr.Dataset:
    """Draw preferred positions in networks, alike in both areas; a third of the variance is of all networks."""
    shared, own = sessions.draw(rng, studies, 1), sessions.draw(rng, studies, networks)
    position = 0.4 + 0.2 * (np.sqrt(1 / 3) * shared + np.sqrt(2 / 3) * own)
    return xr.Dataset(
        {"position": (("study", names.NETWORK, names.UNIT), position)},
        {names.NETWORK: [f"n{k}" for k in range(networks)], "study": np.arange(studies), **sessions.coords()},
    )


def of_equals(
    sessions: Sessions, rng: np.random.Generator, studies: int, equals: int, dim: str, labels: np.ndarray
) -> xr.Dataset:
    """Draw test r and cross-validated scores of layers or cut-offs that are as good for every unit.

    Errors of the tested rho are 0.04, of the cross-validated one 0.01, as in ``simulate_results``; the true rho is 0.5.
    """
    tested, validated = (0.5 + error * sessions.draw(rng, studies, equals) for error in (0.04, 0.01))
    dims = ("study", dim, names.UNIT)
    return xr.Dataset(
        {"rho": (dims, tested), "cv_score": (dims, validated**2)},
        {"study": np.arange(studies), dim: labels, **sessions.coords()},
    )

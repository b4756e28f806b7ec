"""Published results beside the grid of fits, stored as a study stores its own."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.pipeline.items import BootstrapTest, BootstrapTraining, FitLowpass
from distributed_trf.results.published.gather import Column, Gathered
from distributed_trf.store.analyses import lay_analysis, unit_coords
from distributed_trf.store.result_grid import Place
from distributed_trf.store.study_store import StudyStore


def write_lowpass(store: StudyStore, gathered: Gathered) -> None:
    """Write fits on low-passed features, for ``open_lowpass``."""
    units = unit_coords(store.results)
    for (place, lowpass_bin), fit in gathered.lowpass.items():
        columns = {**fit.values, "cv_score": np.full(len(units[names.UNIT]), np.nan)}
        ds = xr.Dataset({name: (names.UNIT, column) for name, column in columns.items()})
        key = FitLowpass(*place, lowpass_bin).key
        lay_analysis(store, key, ds.merge(units), _labels(place) | {"lowpass_bin": lowpass_bin})


def write_draws(store: StudyStore, gathered: Gathered) -> None:
    """Write bootstraps, for ``open_bootstraps``.

    Draws are the identifiers in natural order; where some percentage has fewer, NaN follows.
    """
    units = unit_coords(store.results)
    for kind in ("bootstrap-training", "bootstrap-test"):
        of_kind = {key: draws for key, draws in gathered.draws.items() if key[0] == kind}
        n_draws = max((len(draws) for draws in of_kind.values()), default=0)
        for place in dict.fromkeys(place for _, place, _, _ in of_kind):
            draws = {key[2:]: _stacked(found, n_draws) for key, found in of_kind.items() if key[1] == place}
            write = _write_training if kind == "bootstrap-training" else _write_test
            write(store, place, draws, units)


def _write_training(
    store: StudyStore, place: Place, draws: dict[tuple[float, float], dict[str, np.ndarray]], units: xr.Dataset
) -> None:
    for (percent, _), values in draws.items():
        ds = xr.Dataset({name: (("draw", names.UNIT), stacked) for name, stacked in values.items()})
        key = BootstrapTraining(*place, percent).key
        lay_analysis(store, key, ds.merge(units), _labels(place) | {"training_percent": percent})


def _write_test(
    store: StudyStore, place: Place, draws: dict[tuple[float, float], dict[str, np.ndarray]], units: xr.Dataset
) -> None:
    percents, repeats = (sorted({key[k] for key in draws}) for k in range(2))
    first = next(iter(draws.values()))["r"]
    r = np.full((len(percents), len(repeats), *first.shape), np.nan)
    for (percent, n_repeats), values in draws.items():
        r[percents.index(percent), repeats.index(n_repeats)] = values["r"]
    ds = xr.Dataset(
        {"r": (("test_percent", "n_repeats", "draw", names.UNIT), r)},
        coords={"test_percent": percents, "n_repeats": [int(n) for n in repeats]},
    )
    lay_analysis(store, BootstrapTest(*place).key, ds.merge(units), _labels(place))


def _stacked(draws: dict[str, Column], n_draws: int) -> dict[str, np.ndarray]:
    """Return values of shape (draw, unit) by name."""
    found = [draws[identifier].values for identifier in sorted(draws, key=_natural)]
    missing = [{name: np.full_like(column, np.nan) for name, column in found[0].items()}] * (n_draws - len(found))
    return {name: np.stack([values[name] for values in (*found, *missing)]) for name in found[0]}


def _natural(identifier: str) -> list[tuple[int, int, str]]:
    """Sort ``e2`` before ``e10``."""
    parts = re.split(r"(\d+)", identifier)
    return [(k % 2, int(part) if k % 2 else 0, part) for k, part in enumerate(parts)]


def _labels(place: Place) -> dict[str, Any]:
    return dict(zip(names.GRID, place, strict=True))

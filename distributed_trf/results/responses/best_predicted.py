"""Units to show: those that are predicted best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.results.layers import spectrograms
from distributed_trf.store.result_grid import Place


@dataclass(frozen=True)
class Example:
    """One unit, and one fit that predicts it."""

    session: str
    channel: str
    network: str
    layer: int
    weights: str = "trained"
    stimulus: str | None = None
    """A test stimulus; None for the first."""


def best_predicted(ds: xr.Dataset, places: Iterable[Place], n: int = 2) -> list[Example]:
    """Choose the unit of highest rho in the best layer of each of several networks.

    Parameters
    ----------
    ds
        Results of ``open_results``, of units whose rho can be trusted: see ``select_units`` and its ``delta``.
    places
        Fits to choose among: (stimuli, network, weights, layer, bin width in ms).
    n
        How many examples.

    Returns
    -------
    list of Example
        Of the networks whose best layer has the highest median rho over units, of each with the weights and layer that
        reach it; spectrograms only where there are fewer than ``n`` networks. Each network has another unit. Fewer
        than ``n`` where networks or units are fewer.
    """
    best: dict[str, tuple[float, Place]] = {}
    for place in places:
        rho = _rho(ds, place)
        if np.isfinite(rho).any():
            median = float(np.nanmedian(rho))
            if place[1] not in best or median > best[place[1]][0]:
                best[place[1]] = median, place
    last = spectrograms(ds)
    chosen: list[Example] = []
    taken = np.zeros(ds.sizes[names.UNIT], dtype=bool)
    for network in sorted(best, key=lambda network: (network in last, -best[network][0])):
        _, place = best[network]
        rho = np.where(taken, np.nan, _rho(ds, place))
        if len(chosen) == n or not np.isfinite(rho).any():
            break
        unit = int(np.nanargmax(rho))
        taken[unit] = True
        session, channel = (str(ds[name].values[unit]) for name in ("session", "channel"))
        chosen.append(Example(session, channel, network, place[3], place[2]))
    return chosen


def _rho(ds: xr.Dataset, place: Place) -> np.ndarray:
    return ds["rho"].sel(dict(zip(names.GRID, place, strict=True))).values

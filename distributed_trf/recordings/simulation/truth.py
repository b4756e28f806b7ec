"""What a simulated recording set was made from, kept beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf.recordings.simulation.neurons import Neurons

TRUTH_STORE = "truth.zarr"


@dataclass(frozen=True)
class SessionTruth:
    """The neurons of one session, in the reader's order of channels."""

    session: str
    channels: tuple[str, ...]
    neurons: Neurons
    ceiling: np.ndarray
    """Shape (n_units,)."""
    rate: np.ndarray
    """Expected counts in the bins of all sentences one after another, shape (n_bins, n_units)."""


def collect_truth(
    sessions: list[SessionTruth], *, lag: np.ndarray, stimulus: list[str], attrs: dict[str, Any]
) -> xr.Dataset:
    """Put the neurons of all sessions side by side.

    Parameters
    ----------
    sessions
        In the reader's order.
    lag
        Seconds, shape (n_lags,).
    stimulus
        Stimulus id of each bin of ``rate``.
    attrs
        What the whole simulation was made with.

    Returns
    -------
    xr.Dataset
        Variables over ``unit``; the rate of a unit is ``max(intercept + sum(trf * features), floor * mean)``.
    """

    def neurons(name: str) -> np.ndarray:
        return np.concatenate([getattr(s.neurons, name) for s in sessions])

    per_bin = {"units": "counts per bin"}
    return xr.Dataset(
        {
            "trf": (("unit", "feature", "lag"), neurons("trf"), {"units": "counts per bin per unit of feature"}),
            "intercept": ("unit", neurons("intercept"), per_bin),
            "mean": ("unit", neurons("mean"), {**per_bin, "long_name": "expected counts outside the sentences"}),
            "driven": ("unit", neurons("driven"), {"long_name": "whether the sound does anything to the unit"}),
            "ceiling": (
                "unit",
                np.concatenate([s.ceiling for s in sessions]),
                {"units": "1", "long_name": "Pearson r of the known rate with each test repeat, mean over repeats"},
            ),
            "rate": (
                ("unit", "stim_bin"),
                np.concatenate([s.rate.T for s in sessions]).astype(np.float32),
                {**per_bin, "long_name": "expected counts"},
            ),
        },
        coords={
            "lag": ("lag", lag, {"units": "s"}),
            "session": ("unit", _strings([s.session for s in sessions for _ in s.channels])),
            "channel": ("unit", _strings([channel for s in sessions for channel in s.channels])),
            "stimulus": ("stim_bin", _strings(stimulus)),
        },
        attrs=attrs,
    )


def write_truth(truth: xr.Dataset, path: Path) -> None:
    """Write the truth of the recording set at ``path``."""
    truth.to_zarr(path / TRUTH_STORE, zarr_format=3, consolidated=False)


def open_truth(path: str | Path) -> xr.Dataset | None:
    """Read what the recording set at ``path`` was simulated from; None if it was not simulated.

    Returns
    -------
    xr.Dataset or None
        In memory: ``trf(unit, feature, lag)``, ``intercept(unit)``, ``mean(unit)``, ``rate(unit, stim_bin)``,
        ``driven(unit)`` and ``ceiling(unit)``, with coordinates ``session(unit)``, ``channel(unit)``, ``lag`` in
        seconds and ``stimulus(stim_bin)``.
    """
    store = Path(path) / TRUTH_STORE
    if not store.is_dir():
        return None
    with xr.open_zarr(store, consolidated=False) as truth:
        return truth.load()


def _strings(values: list[str]) -> np.ndarray:
    """Strings of the one type that zarr 3 has a specification for."""
    return np.array(values, dtype=np.dtypes.StringDType())

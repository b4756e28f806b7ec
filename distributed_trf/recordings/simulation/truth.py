"""What a simulated recording set was made from, kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from distributed_trf.features.spectrograms.mel_whisper import N_MELS
from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet
from distributed_trf.store.zarr_arrays import codecs

TRUTH_STORE = "truth.zarr"
UNITS_PER_CHUNK = 16
_PER_BIN = {"units": "counts per bin"}
_VARIABLES: dict[str, tuple[tuple[str, ...], type, dict[str, Any]]] = {
    "trf": (("unit", "feature", "lag"), np.float64, {"units": "counts per bin per unit of feature"}),
    "intercept": (("unit",), np.float64, _PER_BIN),
    "mean": (("unit",), np.float64, {**_PER_BIN, "long_name": "expected counts outside the stimuli"}),
    "driven": (("unit",), np.bool_, {"long_name": "whether sounds do anything to the unit"}),
    "ceiling": (
        ("stimuli", "unit"),
        np.float64,
        {"units": "1", "long_name": "Pearson r of the known rate with each test repeat, mean over repeats"},
    ),
    "normaliser": (
        ("stimuli", "unit"),
        np.float64,
        {"units": "1", "long_name": "expected Pearson r between two repeats of the test stimuli"},
    ),
    "rate": (("unit", "stim_bin"), np.float32, {**_PER_BIN, "long_name": "expected counts"}),
}


@dataclass(frozen=True)
class TruthWriter:
    """The truth of a recording set, filled session by session."""

    store: Path

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        units: Sequence[tuple[str, str]],
        sets: Sequence[StimulusSet],
        lag: np.ndarray,
        attrs: dict[str, Any],
    ) -> TruthWriter:
        """Lay out the truth of the recording set at ``path``.

        Parameters
        ----------
        path
            Folder of the recording set.
        units
            Session and channel of each unit, in the reader's order.
        sets
            All stimulus sets.
        lag
            Seconds, shape (n_lags,).
        attrs
            What the whole simulation was made with.
        """
        stimulus = [i for s in sets for i in s.stimulus_of_bin]
        coords = {
            "lag": ("lag", lag, {"units": "s"}),
            "session": ("unit", _strings([session for session, _ in units])),
            "channel": ("unit", _strings([channel for _, channel in units])),
            "stimuli": ("stimuli", _strings([s.name for s in sets])),
            "stimulus_set": ("stim_bin", _strings([s.name for s in sets for _ in range(s.bins.sum())])),
            "stimulus": ("stim_bin", _strings(stimulus)),
        }
        store = path / TRUTH_STORE
        xr.Dataset(coords=coords, attrs=attrs).to_zarr(store, zarr_format=3, consolidated=False)
        sizes = {
            "unit": len(units),
            "feature": N_MELS,
            "lag": lag.size,
            "stimuli": len(sets),
            "stim_bin": len(stimulus),
        }
        group = zarr.open_group(store, mode="r+")
        for name, (dims, dtype, about) in _VARIABLES.items():
            group.create_array(
                name,
                shape=tuple(sizes[dim] for dim in dims),
                chunks=tuple(min(sizes[dim], UNITS_PER_CHUNK) if dim == "unit" else sizes[dim] for dim in dims),
                dtype=dtype,
                fill_value=False if dtype is np.bool_ else np.nan,
                dimension_names=dims,
                attributes=about,
                compressors=codecs(),
            )
        return cls(store)

    def write(self, first: int, session: SimulatedSession) -> None:
        """Write the units of one session, the first of which is unit ``first`` of all."""
        group, neurons = zarr.open_group(self.store, mode="r+"), session.neurons
        here = slice(first, first + neurons.mean.size)
        for name in ("trf", "intercept", "mean", "driven"):
            _array(group, name)[here] = getattr(neurons, name)
        borders = np.cumsum([0, *(rate.shape[0] for rate in session.rates)])
        rate = np.full((neurons.mean.size, borders[-1]), np.nan, dtype=np.float32)
        for k in range(len(session.sets)):
            if session.heard(k):
                rate[:, borders[k] : borders[k + 1]] = session.rates[k].T
                _array(group, "ceiling")[k, here] = session.ceiling(k)
                _array(group, "normaliser")[k, here] = session.normaliser(k)
        _array(group, "rate")[here] = rate


def open_truth(path: str | Path) -> xr.Dataset | None:
    """Read what the recording set at ``path`` was simulated from; None if it was not simulated.

    Returns
    -------
    xr.Dataset or None
        In memory: ``trf(unit, feature, lag)``, ``intercept(unit)``, ``mean(unit)``, ``driven(unit)``,
        ``ceiling(stimuli, unit)``, ``normaliser(stimuli, unit)`` and ``rate(unit, stim_bin)``, with coordinates
        ``session(unit)``, ``channel(unit)``, ``lag`` in seconds, ``stimuli``, ``stimulus_set(stim_bin)`` and
        ``stimulus(stim_bin)``. The rate of a unit is ``max(intercept + sum(trf * features), floor * mean)``; what
        belongs to a stimulus set that its session did not hear is NaN.
    """
    store = Path(path) / TRUTH_STORE
    if not store.is_dir():
        return None
    with xr.open_zarr(store, consolidated=False) as truth:
        return truth.load()


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]


def _strings(values: list[str]) -> np.ndarray:
    """Strings of the one type that zarr 3 has a specification for."""
    return np.array(values, dtype=np.dtypes.StringDType())

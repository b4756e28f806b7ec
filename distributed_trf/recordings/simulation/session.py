"""One simulated session: its neurons, its trials and its responses; and the file that keeps what was simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from distributed_trf.features.spectrograms.mel_of_networks import N_MELS
from distributed_trf.recordings.simulation.neurons import Neurons, SpikeTrains, draw_neurons, draw_spikes
from distributed_trf.recordings.simulation.plan import SimulatedTrials, StimulusSet, first_stimulus
from distributed_trf.reliability.ceilings import known_rate_ceiling
from distributed_trf.store.zarr_store import codecs


@dataclass(frozen=True)
class SimulatedSession:
    """Everything about a session but its name."""

    neurons: Neurons
    sets: tuple[StimulusSet, ...]
    """All stimulus sets of the recording set, presented in this session or not."""
    table: SimulatedTrials
    rates: tuple[np.ndarray, ...]
    """Per stimulus set, expected counts in the bins of all its stimuli one after another, shape (n_bins, n_units)."""
    trains: SpikeTrains

    def was_presented(self, k: int) -> bool:
        """Return whether any stimulus of set ``k`` was presented."""
        first, last = first_stimulus(self.sets)[k : k + 2]
        return bool(((self.table.stimulus >= first) & (self.table.stimulus < last)).any())

    def ceiling(self, k: int) -> np.ndarray:
        """Return the correlation of the known rate with each test repeat of set ``k``, mean over repeats, (n_units,).

        Zero for units that do not respond to sound: their rate is constant, so it predicts nothing.
        """
        stimuli = first_stimulus(self.sets)[k] + np.flatnonzero(self.sets[k].is_test)
        trials = [np.flatnonzero(self.table.stimulus == i) for i in stimuli]
        drawn = self.trains.trial_counts()
        repeats = zip(*trials, strict=True)  # every test stimulus of a set is presented equally often
        counts = np.stack([np.concatenate([drawn[trial] for trial in repeat]) for repeat in repeats])
        driven = self.neurons.driven
        ceiling = np.zeros(driven.size)
        rate = self.rates[k][self.sets[k].is_test_bin]
        ceiling[driven] = known_rate_ceiling(rate[:, driven], counts[:, :, driven].astype(np.float64))
        return ceiling

    def normaliser(self, k: int) -> np.ndarray:
        """Return the correlation to be expected between two test repeats of set ``k``, shape (n_units,).

        Poisson counts have the variance of their rate over time plus, on average, its mean; repeats share the former.
        Of repeats with few spikes the mean of r is lower, see ``expected_r``.
        """
        rate = self.rates[k][self.sets[k].is_test_bin]
        shared = np.where(self.neurons.driven, rate.var(axis=0), 0.0)
        return shared / (shared + rate.mean(axis=0))


def simulate_session(
    sets: Sequence[StimulusSet], table: SimulatedTrials, *, n_units: int, bin_width: float, seed: np.random.SeedSequence
) -> SimulatedSession:
    """Draw the neurons of a session and its spikes.

    Parameters
    ----------
    sets
        All stimulus sets of the recording set.
    table
        The trials of this session.
    n_units
        At least 1; of several units the last does not respond to sound.
    bin_width
        Milliseconds.
    seed
        Source of every choice.
    """
    neuron_seed, spike_seed = seed.spawn(2)
    features = [rows for s in sets for rows in s.features]
    rng = np.random.default_rng(neuron_seed)
    neurons = draw_neurons(features, n_units=n_units, bin_width=bin_width, rng=rng)
    rates = neurons.rates(features)
    bins = np.concatenate([s.bins for s in sets])
    trains = draw_spikes(table, rates, bins, neurons.mean, bin_width=bin_width, seed=spike_seed)
    borders = np.cumsum([s.bins.sum() for s in sets])[:-1]
    return SimulatedSession(neurons, tuple(sets), table, tuple(np.split(rates, borders)), trains)


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
        """Allocate the truth of the recording set at ``path``.

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
            if session.was_presented(k):
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
        belongs to a stimulus set that was not presented in its session is NaN.
    """
    store = Path(path) / TRUTH_STORE
    if not store.is_dir():
        return None
    with xr.open_zarr(store, consolidated=False, chunks=None) as truth:  # without Dask, which takes a second to load
        return truth.load()


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]


def _strings(values: list[str]) -> np.ndarray:
    """Strings of the one type that zarr 3 has a specification for."""
    return np.array(values, dtype=np.dtypes.StringDType())

"""One simulated session: its neurons, what it heard and how it responded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.simulation.neurons import Neurons, draw_neurons
from distributed_trf.recordings.simulation.spike_trains import SpikeTrains, draw_spikes
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet, first_stimulus
from distributed_trf.recordings.simulation.trial_table import TrialTable
from distributed_trf.reliability.known_rates import known_rate_ceiling


@dataclass(frozen=True)
class SimulatedSession:
    """Everything about a session but its name."""

    neurons: Neurons
    sets: tuple[StimulusSet, ...]
    """All that the recording set has, whether this session heard them or not."""
    table: TrialTable
    rates: tuple[np.ndarray, ...]
    """Per stimulus set, expected counts in the bins of all its stimuli one after another, shape (n_bins, n_units)."""
    trains: SpikeTrains

    def heard(self, k: int) -> bool:
        """Tell whether any stimulus of set ``k`` was presented."""
        first, last = first_stimulus(self.sets)[k : k + 2]
        return bool(((self.table.stimulus >= first) & (self.table.stimulus < last)).any())

    def ceiling(self, k: int) -> np.ndarray:
        """Return the correlation of the known rate with each test repeat of set ``k``, mean over repeats, (n_units,).

        Zero for units that hear nothing: their rate is constant, so it predicts nothing.
        """
        stimuli = first_stimulus(self.sets)[k] + np.flatnonzero(self.sets[k].is_test)
        trials = [np.flatnonzero(self.table.stimulus == i) for i in stimuli]
        drawn = self.trains.trial_counts()
        repeats = zip(*trials, strict=True)  # every test stimulus of a set is heard equally often
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
    sets: Sequence[StimulusSet], table: TrialTable, *, n_units: int, bin_width: float, seed: np.random.SeedSequence
) -> SimulatedSession:
    """Draw the neurons of a session and its spikes.

    Parameters
    ----------
    sets
        All stimulus sets of the recording set.
    table
        What this session heard.
    n_units
        At least 1; of several units the last hears nothing.
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

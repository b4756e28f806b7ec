"""One simulated session: its neurons, what it heard and how it responded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.simulation.neurons import Neurons, draw_neurons
from distributed_trf.recordings.simulation.spike_trains import SpikeTrains, draw_spikes
from distributed_trf.recordings.simulation.trial_table import TrialTable, draw_trial_table
from distributed_trf.recordings.ucsf.layout import TEST_IDS
from distributed_trf.reliability.known_rates import known_rate_ceiling


@dataclass(frozen=True)
class SimulatedSession:
    """Everything about a session but its name."""

    neurons: Neurons
    table: TrialTable
    rates: dict[int, np.ndarray]
    """Expected counts in the bins of each sentence, shape (n_bins, n_units), by position from 1."""
    trains: SpikeTrains

    def ceiling(self) -> np.ndarray:
        """Return the correlation of the known rate with each test repeat, mean over repeats, shape (n_units,).

        Zero for units that hear nothing: their rate is constant, so it predicts nothing.
        """
        rate = np.concatenate([self.rates[i] for i in TEST_IDS])
        trials = [np.flatnonzero(self.table.sentence == i) for i in TEST_IDS]
        repeats = zip(*trials, strict=True)  # every test sentence is heard equally often
        counts = np.stack([np.concatenate([self.trains.counts[k] for k in repeat]) for repeat in repeats])
        ceiling = np.zeros(rate.shape[1])
        driven = self.neurons.driven
        ceiling[driven] = known_rate_ceiling(rate[:, driven], counts[:, :, driven].astype(np.float64))
        return ceiling


def simulate_session(
    features: Mapping[int, np.ndarray],
    durations: Mapping[int, float],
    *,
    n_units: int,
    bin_width: float,
    seed: np.random.SeedSequence,
) -> SimulatedSession:
    """Draw the neurons of a session, the order of its trials and its spikes.

    Parameters
    ----------
    features
        Of each sentence by position from 1, see ``neurons.driving_features``.
    durations
        Seconds from onset to offset of each sentence, by the same positions.
    n_units
        At least 1; the last hears nothing.
    bin_width
        Milliseconds.
    seed
        Source of every choice.
    """
    neuron_rng, order_rng, spike_rng = (np.random.default_rng(child) for child in seed.spawn(3))
    rows = list(features.values())
    neurons = draw_neurons(rows, n_units=n_units, bin_width=bin_width, rng=neuron_rng)
    borders = np.cumsum([row.shape[0] - neurons.lead_in for row in rows])[:-1]
    rates = dict(zip(features, np.split(neurons.rates(rows), borders), strict=True))
    table = draw_trial_table(durations, order_rng)
    trains = draw_spikes(table, rates, neurons.mean, bin_width=bin_width, rng=spike_rng)
    return SimulatedSession(neurons, table, rates, trains)

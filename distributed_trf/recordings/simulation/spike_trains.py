"""Poisson spikes of simulated neurons on the recording clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.simulation.trial_table import CLOCK, NOTHING, TrialTable

ON_BORDER = 0.02
"""Share of the spikes within bins that fall exactly on the border where their bin begins."""


@dataclass(frozen=True)
class SpikeTrains:
    """Spikes of one session: counts of all units, times of one unit at a time, so that memory holds one unit's."""

    counts: np.ndarray
    """What was drawn in each stretch of time, shape (n_stretches, n_units)."""
    start: np.ndarray
    """Tick at which each stretch begins, shape (n_stretches,)."""
    length: np.ndarray
    """Ticks, shape (n_stretches,)."""
    trial: np.ndarray
    """Trial of each stretch counted from 1, or 0 before the first, shape (n_stretches,)."""
    in_bin: np.ndarray
    """Whether a stretch is a bin of a stimulus, rather than the time around it, shape (n_stretches,)."""
    seeds: tuple[np.random.SeedSequence, ...]
    """Per unit, of the places of its spikes."""

    def unit(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Spread the spikes of unit ``k`` evenly within their stretches.

        Returns
        -------
        ticks, trial
            Ascending ticks, and the trial of each spike counted from 1, or 0 before the first; shape (n_spikes,).
        """
        rng = np.random.default_rng(self.seeds[k])
        spikes = self.counts[:, k]
        place = np.floor(rng.random(spikes.sum()) * np.repeat(self.length - 1, spikes)).astype(np.int64) + 1
        place[(rng.random(place.size) < ON_BORDER) & np.repeat(self.in_bin, spikes)] = 0
        return np.sort(np.repeat(self.start, spikes) + place), np.repeat(self.trial, spikes)

    def trial_counts(self) -> list[np.ndarray]:
        """Return what was drawn in the bins of each trial, shape (n_bins, n_units); none where nothing was heard."""
        n_trials = self.trial[-1]
        n_bins = np.bincount(self.trial[self.in_bin], minlength=n_trials + 1)[1:]
        return np.split(self.counts[self.in_bin], np.cumsum(n_bins)[:-1])


def draw_spikes(
    table: TrialTable,
    rates: np.ndarray,
    bins: np.ndarray,
    baseline: np.ndarray,
    *,
    bin_width: float,
    seed: np.random.SeedSequence,
) -> SpikeTrains:
    """Draw counts for each presentation on its own and spread them evenly inside their bins.

    Of the spikes in bins, ``ON_BORDER`` fall exactly where their bin begins: bins are left-closed. No other spike falls
    on a border. Where a sound ends within its last bin and later spikes do not count, all spikes of that bin fall
    before the end.

    Parameters
    ----------
    table
        The trials.
    rates
        Expected counts in the bins of all stimuli one after another, shape (n_bins, n_units).
    bins
        Bins of each stimulus, shape (n_stimuli,).
    baseline
        Expected counts per bin outside the stimuli, shape (n_units,).
    bin_width
        Milliseconds, a whole number of ticks.
    seed
        Source of every choice.
    """
    bin_ticks = round(bin_width / 1000 * CLOCK)
    heard = table.stimulus != NOTHING
    n_bins = np.where(heard, bins[table.stimulus], 0)
    borders, trial, in_bin = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=bool)]
    for k, n in enumerate(n_bins):  # the wait before the onset, the bins, the wait after them
        edges = np.minimum(table.onset[k] + bin_ticks * np.arange(n + 1), max(table.limit[k], table.onset[k]))
        borders += [table.start[k : k + 1], edges]
        trial.append(np.full(n + 2, k + 1))
        in_bin.append(np.arange(n + 2) % (n + 1) > 0)
    edges = np.concatenate([*borders, table.end[-1:]])
    binned = np.concatenate(in_bin)

    expected = np.diff(edges)[:, np.newaxis] / bin_ticks * baseline  # (stretches of time, units)
    first = np.cumsum(bins) - bins
    of_trial = [np.arange(first[i], first[i] + bins[i]) for i in table.stimulus[heard]]
    expected[binned] = rates[np.concatenate(of_trial)]
    counts_seed, place_seed = seed.spawn(2)
    return SpikeTrains(
        counts=np.random.default_rng(counts_seed).poisson(expected),
        start=edges[:-1],
        length=np.diff(edges),
        trial=np.concatenate(trial),
        in_bin=binned,
        seeds=tuple(place_seed.spawn(baseline.size)),
    )

"""Poisson spikes of simulated neurons on the recording clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.simulation.trial_table import CLOCK, TrialTable


@dataclass(frozen=True)
class SpikeTrains:
    """Spikes of one session."""

    ticks: tuple[np.ndarray, ...]
    """Per unit, ascending, shape (n_spikes,)."""
    trial: tuple[np.ndarray, ...]
    """Per unit, the trial of each spike counted from 1, or 0 before the first, shape (n_spikes,)."""
    counts: tuple[np.ndarray, ...]
    """Per trial, what was drawn in the bins of its sentence, shape (n_bins, n_units)."""


def draw_spikes(
    table: TrialTable,
    rates: Mapping[int, np.ndarray],
    baseline: np.ndarray,
    *,
    bin_width: float,
    rng: np.random.Generator,
) -> SpikeTrains:
    """Draw counts for each presentation on its own and spread them evenly inside their bins.

    No spike falls on the border of a bin, so the counts can be had back exactly by any rule for borders.

    Parameters
    ----------
    table
        The trials.
    rates
        Expected counts in the bins of each sentence, shape (n_bins, n_units), by position from 1.
    baseline
        Expected counts per bin outside the sentences, shape (n_units,).
    bin_width
        Milliseconds, a whole number of ticks.
    rng
        Source of every choice.
    """
    bin_ticks = round(bin_width / 1000 * CLOCK)
    n_bins = np.array([rates[i].shape[0] if i else 0 for i in table.sentence.tolist()])
    edges, trial, in_bin = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=bool)]
    for k, n in enumerate(n_bins):  # the wait before the onset, the bins, the wait after them
        edges += [table.start[k : k + 1], table.onset[k] + bin_ticks * np.arange(n + 1)]
        trial.append(np.full(n + 2, k + 1))
        in_bin.append(np.arange(n + 2) % (n + 1) > 0)
    borders = np.concatenate([*edges, table.end[-1:]])
    start, length = borders[:-1], np.diff(borders)

    expected = length[:, np.newaxis] / bin_ticks * baseline  # (stretches of time, units)
    binned = np.concatenate(in_bin)
    expected[binned] = np.concatenate([rates[i] for i in table.sentence.tolist() if i])
    counts = rng.poisson(expected)

    ticks, trials = [], []
    for unit in counts.T:
        inside = np.floor(rng.random(unit.sum()) * np.repeat(length - 1, unit)).astype(np.int64) + 1
        ticks.append(np.sort(np.repeat(start, unit) + inside))
        trials.append(np.repeat(np.concatenate(trial), unit))
    return SpikeTrains(tuple(ticks), tuple(trials), tuple(np.split(counts[binned], np.cumsum(n_bins)[:-1])))

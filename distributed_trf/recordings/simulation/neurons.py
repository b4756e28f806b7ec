"""Simulated neurons: what in a sound drives them, their expected counts, and Poisson spikes on the recording clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.features.resample import to_bins
from distributed_trf.features.spectrograms.mel_of_networks import N_MELS, WHISPER_SFREQ, mel_whisper
from distributed_trf.recordings.recording_set import n_bins
from distributed_trf.recordings.simulation.plan import CLOCK, NOTHING, SimulatedTrials

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
    """Per unit, of the times of its spikes."""

    def unit(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Spread the spikes of unit ``k`` evenly within their stretches.

        Returns
        -------
        ticks, trial
            Ascending ticks, and the trial of each spike counted from 1, or 0 before the first; shape (n_spikes,).
        """
        rng = np.random.default_rng(self.seeds[k])
        spikes = self.counts[:, k]
        offset = np.floor(rng.random(spikes.sum()) * np.repeat(self.length - 1, spikes)).astype(np.int64) + 1
        offset[(rng.random(offset.size) < ON_BORDER) & np.repeat(self.in_bin, spikes)] = 0
        return np.sort(np.repeat(self.start, spikes) + offset), np.repeat(self.trial, spikes)

    def trial_counts(self) -> list[np.ndarray]:
        """Return the counts in the bins of each trial, shape (n_bins, n_units); none where nothing was presented."""
        n_trials = self.trial[-1]
        n_bins = np.bincount(self.trial[self.in_bin], minlength=n_trials + 1)[1:]
        return np.split(self.counts[self.in_bin], np.cumsum(n_bins)[:-1])


def draw_spikes(
    table: SimulatedTrials,
    rates: np.ndarray,
    bins: np.ndarray,
    baseline: np.ndarray,
    *,
    bin_width: float,
    seed: np.random.SeedSequence,
) -> SpikeTrains:
    """Draw counts for each presentation independently and spread them evenly inside their bins.

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
    is_stimulus = table.stimulus != NOTHING
    n_bins = np.where(is_stimulus, bins[table.stimulus], 0)
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
    of_trial = [np.arange(first[i], first[i] + bins[i]) for i in table.stimulus[is_stimulus]]
    expected[binned] = rates[np.concatenate(of_trial)]
    counts_seed, times_seed = seed.spawn(2)
    return SpikeTrains(
        counts=np.random.default_rng(counts_seed).poisson(expected),
        start=edges[:-1],
        length=np.diff(edges),
        trial=np.concatenate(trial),
        in_bin=binned,
        seeds=tuple(times_seed.spawn(baseline.size)),
    )


FEATURE = "mel_whisper"
LEAD_IN = 0.35
"""Seconds of silence that the sound of a feature starts with, as in Ahmed et al. (2025)."""
LAG_MAX = 0.2
"""Seconds of past sound that a neuron sees."""
FLOOR = 0.05
"""Lowest expected count as a fraction of the mean: suppression silences a neuron, but not for sure."""


@dataclass(frozen=True)
class Neurons:
    """Linear neurons with a floor: ``rate = max(intercept + sum(trf * features), FLOOR * mean)``."""

    trf: np.ndarray
    """Counts per bin per unit of feature, shape (n_units, n_features, n_lags)."""
    intercept: np.ndarray
    """Counts per bin, shape (n_units,)."""
    mean: np.ndarray
    """Counts per bin of silence between trials, and on average over all stimuli, shape (n_units,)."""
    driven: np.ndarray
    """Whether the sound does anything at all, shape (n_units,)."""
    lead_in: int
    """Feature rows before the first bin of a stimulus."""

    def rates(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the expected counts in the bins of all stimuli one after another, shape (n_bins, n_units).

        ``features`` come from ``driving_feature``.
        """
        return np.maximum(self.intercept + _drive(self.trf, features, self.lead_in), FLOOR * self.mean)


def driving_feature(sound: np.ndarray, seconds: float, bin_width: float) -> np.ndarray:
    """Compute the features that drive the neurons, with rows for the silence before the sound.

    Parameters
    ----------
    sound
        As its reader offers it, at 16 kHz, shape (n_samples,).
    seconds
        From onset to offset, as its reader says.
    bin_width
        Milliseconds.

    Returns
    -------
    np.ndarray
        Shape (lead-in bins + bins of the sound, 80).
    """
    silence = np.zeros(round(LEAD_IN * WHISPER_SFREQ))
    frames = mel_whisper(np.concatenate([silence, sound]))
    return to_bins(frames, n_bins(LEAD_IN, bin_width) + n_bins(seconds, bin_width))


def draw_neurons(
    features: Sequence[np.ndarray], *, n_units: int, bin_width: float, rng: np.random.Generator
) -> Neurons:
    """Draw neurons that prefer a band of frequencies at a latency and are suppressed a little later.

    The drive of each is scaled over ``features`` so that the sound moves the expected count by 40 to 60 percent of its
    mean (standard deviation). Of several neurons the last does not respond to sound; a single one is driven.

    Parameters
    ----------
    features
        From ``driving_feature``, of all stimuli.
    n_units
        At least 1.
    bin_width
        Milliseconds.
    rng
        Source of every choice.
    """

    def uniform(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, size=(n_units, 1))

    band = _bell(np.arange(N_MELS), uniform(6, 74), uniform(4, 12))
    lag = lags(bin_width)
    latency, width = uniform(0.03, 0.1), uniform(0.02, 0.04)
    late = latency + uniform(0.06, 0.1)
    time = _bell(lag, latency, width) - uniform(0.2, 0.6) * _bell(lag, late, 1.5 * width)
    shape = band[:, :, np.newaxis] * time[:, np.newaxis, :]

    mean = rng.uniform(1.5, 3, size=n_units) * bin_width / 50
    depth = rng.uniform(0.4, 0.6, size=n_units)
    if n_units > 1:
        depth[-1] = 0
    lead_in = n_bins(LEAD_IN, bin_width)
    drive = _drive(shape, features, lead_in)
    gain = mean * depth / drive.std(axis=0)
    return Neurons(
        trf=shape * gain[:, np.newaxis, np.newaxis],
        intercept=mean - gain * drive.mean(axis=0),
        mean=mean,
        driven=depth > 0,
        lead_in=lead_in,
    )


def lags(bin_width: float) -> np.ndarray:
    """Return the lags of the neurons in seconds, 0 to ``LAG_MAX`` in steps of a bin, shape (n_lags,)."""
    width = bin_width / 1000
    return np.arange(round(LAG_MAX / width) + 1) * width


def _drive(trf: np.ndarray, features: Sequence[np.ndarray], lead_in: int) -> np.ndarray:
    """Convolve, on purpose not with the code that fits: shape (n_bins of all stimuli, n_units)."""
    drive = [
        sum(rows[lead_in - k : rows.shape[0] - k] @ trf[:, :, k].T for k in range(trf.shape[2])) for rows in features
    ]
    return np.concatenate(drive)


def _bell(x: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((x - centre) / width) ** 2)

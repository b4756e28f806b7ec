"""Signals on time bins, without aliases.

With ``step`` samples in a bin of width ``bw``, bin k of a trial is the weighted mean of the samples around its centre,

    y_k = sum_i h(d_ik) x_i / sum_i h(d_ik),    d_ik = (centre of sample i - centre of bin k) / bw,
    h(d) = sinc(d) I0(BETA sqrt(1 - (d / HALF)^2)) / I0(BETA)    for |d| < HALF, otherwise 0:

a low-pass filter at half of the bins' rate, windowed by Kaiser (1974), in the very place of each bin, whatever the
rates. It leaves what is slower than 0.4 / bw as it is, and takes out what is faster than 0.6 / bw to one part in a
thousand. Where bins are as long as samples and begin with them (to a microsecond), ``h`` is 0 at all samples but one,
and bins are the samples themselves: what was brought to the rate of the bins before is not filtered again. It reaches
``HALF`` bins beyond a trial, where the samples recorded then are used; where the recording ends, those that there are.

At 1000 ms, where a stimulus is one bin, that is the mean of the samples from onset to offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.binning import arrange
from distributed_trf.recordings.continuous import SignalTrials, ValueTrials
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import ROUNDING, WHOLE_STIMULUS, Stimulus, stimulus_bins
from distributed_trf.store.stored_recordings import BinnedResponses

HALF, BETA = 10.0, 6.4
"""Bins on either side that a bin is made of, and the shape of the window over them."""
LEAST_WEIGHT = 1e-12
"""Weights below it are rounding of zeros of the sinc."""
READ_VALUES = 1 << 22
"""Samples times units that are read at once."""
BLOCK = 16
"""Bins made by one product."""
FLAT = 1e-13
"""Relative range within which values are one and the same up to rounding."""
MOST_WEIGHTS = 64
"""Blocks whose weights are kept for others that lie alike to the samples."""


@dataclass(frozen=True)
class Binned:
    """Responses on bins, and what is to be said of them."""

    responses: BinnedResponses
    notes: tuple[str, ...] = ()
    """What was left out."""
    doubts: tuple[str, ...] = ()
    """What looks wrong."""


def bin_signal(
    signal: SignalTrials,
    stimuli: tuple[Stimulus, ...],
    bin_width: float,
    *,
    units: tuple[str, ...],
    session: str,
    delay: float = 0.0,
) -> Binned:
    """Bring the signal of a session to bins, trial by trial.

    Parameters
    ----------
    signal
        Of the session.
    stimuli
        The stimulus set; trials of stimuli outside it are left out.
    bin_width
        Milliseconds, at least those of a sample.
    units
        Labels of its units.
    session
        Name for error messages.
    delay
        Seconds after the onset of the sound at which the first bin begins.

    Returns
    -------
    Binned
        All presentations of training and test stimuli that lie within the signal and need no sample that is NaN.

    Raises
    ------
    RecordingError
        If a sample is longer than a bin, the session lacks test stimuli or has no training stimulus, or samples are
        missing and ``gaps`` is ``refuse``.
    """
    if bin_width / 1000 * signal.rate < 1 - 1e-6:
        raise RecordingError(
            f"session {session}: bins of {bin_width:g} ms are shorter than the samples of its signal at "
            f"{signal.rate:g} Hz; expected bin_widths of {1000 / signal.rate:.6g} ms or more"
        )
    durations = {s.id: s.duration for s in stimuli}
    known = [k for k, stimulus in enumerate(signal.stimulus) if stimulus in durations]
    grids = {k: _Grid.of(signal, k, durations[signal.stimulus[k]], bin_width, delay) for k in known}
    inside = [k for k in known if grids[k].inside(signal.n_samples)]
    doubts = []
    if len(inside) < len(known):
        doubts.append(
            f"{len(known) - len(inside)} of {len(known)} trials left out, which are not within the signal (from "
            f"{signal.start:g} to {signal.end:g} s); expected onsets on the clock of the signal, whose rate is "
            f"{signal.rate:g} Hz and which starts at {signal.start:g} s"
        )
    if not inside:
        raise RecordingError(f"session {session}: {doubts[0] if doubts else 'no trial of a known sound'}")
    rows = {k: np.empty((grids[k].n_bins, len(units))) for k in inside}
    pieces = [(k, *piece) for k in inside for piece in grids[k].pieces(signal.n_samples, len(units))]
    weights: dict[tuple[float, int, int], np.ndarray] = {}
    read = signal.stretches([(first, last) for *_, first, last in pieces])
    for (k, begin, stop, first, _), samples in zip(pieces, read, strict=True):
        rows[k][begin:stop] = grids[k].bins(samples, first, begin, stop, weights)
    binned = _arranged(signal, rows, stimuli, bin_width, units=units, session=session, response="signal")
    return replace(binned, doubts=(*doubts, *binned.doubts))


def bin_values(
    values: ValueTrials, stimuli: tuple[Stimulus, ...], bin_width: float, *, units: tuple[str, ...], session: str
) -> Binned:
    """Take the values of a session as responses of one bin per stimulus; arguments as in ``bin_signal``.

    Raises
    ------
    RecordingError
        If bins are not of 1000 ms, the session lacks test stimuli or has no training stimulus, or values are missing
        and ``gaps`` is ``refuse``.
    """
    if bin_width != WHOLE_STIMULUS:
        raise RecordingError(
            f"session {session}: has one value per sound, which has no bins of {bin_width:g} ms; expected "
            f"bin_widths: [{WHOLE_STIMULUS:g}], at which a stimulus is one bin"
        )
    known = {s.id for s in stimuli}
    rows = {k: values.values[k : k + 1] for k, stimulus in enumerate(values.stimulus) if stimulus in known}
    return _arranged(values, rows, stimuli, bin_width, units=units, session=session, response="values")


@dataclass(frozen=True)
class _Grid:
    """The bins of one trial, in samples from the first one of the signal."""

    origin: float
    """Where the first bin begins."""
    step: float
    """Samples in a bin."""
    n_bins: int
    length: float
    """Samples of the stimulus, where it is one bin; otherwise 0."""

    @classmethod
    def of(cls, signal: SignalTrials, trial: int, duration: float, bin_width: float, delay: float) -> _Grid:
        origin, step = (signal.onset[trial] + delay - signal.start) * signal.rate, bin_width / 1000 * signal.rate
        if abs(origin - np.round(origin)) <= max(ROUNDING * signal.rate, 1e-6):
            origin = np.round(origin)
        if abs(step - np.round(step)) <= ROUNDING * step:
            step = np.round(step)
        whole = bin_width == WHOLE_STIMULUS
        return cls(float(origin), float(step), stimulus_bins(duration, bin_width), duration * signal.rate * whole)

    def inside(self, n_samples: int) -> bool:
        """Whether the centres of the first and of the last bin are within the signal."""
        if self.length:
            first, last = self._whole()
            return first >= 0 and first < last <= n_samples
        return self.origin + self.step / 2 >= 0 and self.origin + (self.n_bins - 0.5) * self.step <= n_samples

    def pieces(self, n_samples: int, units: int) -> Iterator[tuple[int, int, int, int]]:
        """Runs of bins that are read at once: first bin, the one after the last, and so of the samples needed."""
        if self.length:
            yield (0, 1, *self._whole())
            return
        most = max(BLOCK, int(READ_VALUES / units / self.step) // BLOCK * BLOCK)
        for begin in range(0, self.n_bins, most):
            stop = min(begin + most, self.n_bins)
            yield (begin, stop, *self._reach(begin, stop, n_samples))

    def bins(
        self, samples: np.ndarray, first: int, begin: int, stop: int, known: dict[tuple[float, int, int], np.ndarray]
    ) -> np.ndarray:
        """Make bins of the samples from number ``first`` on; NaN where a sample that counts is not finite."""
        if self.length:
            return samples.mean(axis=0, keepdims=True)
        if self.step == 1 and self.origin == np.round(self.origin):  # all weights but one are zero
            at = int(self.origin) + begin - first
            return samples[at : at + stop - begin]
        missing = ~np.isfinite(samples)
        filled = np.where(missing, 0.0, samples) if missing.any() else samples
        made = []
        for k in range(begin, stop, BLOCK):
            end = min(k + BLOCK, stop)
            low, high = self._reach(k, end, first + samples.shape[0])
            low = max(low, first)
            # Blocks that lie alike to the samples, as all do where bins are a whole number of them, share weights.
            key = (round(self.origin + (k + 0.5) * self.step - low, 9), high - low, end - k)
            if key not in known:
                if len(known) > MOST_WEIGHTS:
                    known.clear()
                known[key] = self._weights(low, high, k, end)
            used = slice(low - first, high - first)
            y = known[key] @ filled[used]
            if missing[used].any():
                y[((known[key] != 0).astype(float) @ missing[used]) > 0] = np.nan
            made.append(y)
        return np.concatenate(made)

    def _weights(self, low: int, high: int, begin: int, stop: int) -> np.ndarray:
        """Weights of samples in bins, shape (bins, samples); each row sums to 1."""
        centres = self.origin + (np.arange(begin, stop) + 0.5) * self.step
        distance = (np.arange(low, high) + 0.5 - centres[:, np.newaxis]) / self.step
        window = np.i0(BETA * np.sqrt(np.maximum(1 - (distance / HALF) ** 2, 0))) * (np.abs(distance) < HALF)
        weights = np.sinc(distance) * window / np.i0(BETA)
        weights[np.abs(weights) < LEAST_WEIGHT] = 0
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def _reach(self, begin: int, stop: int, n_samples: int) -> tuple[int, int]:
        """First sample that bins are made of, and the one after the last."""
        low = self.origin + (begin + 0.5 - HALF) * self.step - 0.5
        high = self.origin + (stop - 0.5 + HALF) * self.step - 0.5
        return max(int(np.ceil(low)), 0), min(int(np.floor(high)) + 1, n_samples)

    def _whole(self) -> tuple[int, int]:
        """Samples whose centres lie between the onset of the stimulus and its end."""
        return int(np.ceil(self.origin - 0.5)), int(np.ceil(self.origin + self.length - 0.5))


def _arranged(
    trials: SignalTrials | ValueTrials,
    rows: Mapping[int, np.ndarray],
    stimuli: tuple[Stimulus, ...],
    bin_width: float,
    *,
    units: tuple[str, ...],
    session: str,
    response: Literal["signal", "values"],
) -> Binned:
    """Leave out presentations with missing values, scale units if that is wished, and sort by stimulus."""
    labels = np.array(units, dtype=object)
    complete = {k: np.isfinite(y).all(axis=0) for k, y in rows.items()}
    never = ~np.any(list(complete.values()), axis=0)
    usable = [k for k, of_units in complete.items() if (of_units | never).all()]
    gaps = np.array([not of_units[~never].all() for of_units in complete.values()])
    notes, doubts = list(trials.notes), []
    if (never.any() or gaps.any()) and trials.gaps == "refuse":
        lacking = labels[~np.all(list(complete.values()), axis=0)]
        first = next(k for k, of_units in complete.items() if not of_units.all())
        raise RecordingError(
            f"session {session}: {_units(lacking)} NaN or Inf in {sum(not c.all() for c in complete.values())} of "
            f"{len(rows)} trials, the first of them trial {first + 1} ({trials.stimulus[first]}); expected numbers. "
            "Repair them, leave these units out, or write `gaps: mask` in session.yaml to leave out the trials"
        )
    if never.any():
        doubts.append(f"{_units(labels[never])} no number throughout in any trial; taken as 0, so that r is NaN")
    if gaps.any():
        lacking = labels[~np.all([of_units | never for of_units in complete.values()], axis=0)]
        notes.append(f"{gaps.sum()} of {gaps.size} trials left out, for {_units(lacking)} NaN or Inf in them")
    if not usable or never.all():
        raise RecordingError(f"session {session}: no trial is left; {'; '.join([*doubts, *notes])}")
    kept = np.concatenate([rows[k] for k in usable])
    kept[:, never] = 0
    flat = (np.ptp(kept, axis=0) <= FLAT * np.abs(kept).max(axis=0)) & ~never
    kept[:, flat] = kept[0, flat]
    if flat.any():
        doubts.append(f"{_units(labels[flat])} the same value in all trials; their r is NaN")
    if trials.zscore:
        kept = _scaled(kept)
    ends = np.cumsum([rows[k].shape[0] for k in usable])
    parts = dict(zip(usable, np.split(kept, ends[:-1]), strict=True))

    def cut(chosen: list[int]) -> np.ndarray:
        return np.concatenate([parts[k] for k in chosen])

    found = arrange(trials.stimulus, usable, cut, stimuli, bin_width, session=session, response=response)
    return Binned(found, tuple(notes), tuple(doubts))


def _scaled(y: np.ndarray) -> np.ndarray:
    """Bring each unit to mean 0 and standard deviation 1 (over the number of rows); one that is flat becomes 0."""
    centred = y - y.mean(axis=0)
    deviation = centred.std(axis=0)
    return np.where(np.ptp(y, axis=0) > 0, centred / np.where(deviation > 0, deviation, 1), 0)


def _units(names: np.ndarray) -> str:
    return f"unit {names[0]} has" if len(names) == 1 else f"units {some_of(names.tolist())} have"

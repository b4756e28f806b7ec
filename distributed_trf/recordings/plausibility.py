"""Doubts about spikes and trials that do not fit together, as where one has another clock or unit, and their limits.

Nothing is refused: a recording may be unusual. What is unusual enough is reported, with the likely cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import Extent, Session, SpikeTrials, Stimulus

FEWEST_SPIKES = 20
"""Spikes of a unit or session below which its span says nothing: of 20 spikes at random times the first and the last
leave out a tenth of the recording on average."""
FEWEST_ONSETS = 0.95
"""Part of the trials that lie within the span of spikes in a recording that began before the first and ended after the
last; a few may be lost at either end."""
MARGIN_INTERVALS, MARGIN_PART = 20, 0.25
"""Mean intervals between spikes by which their span may end before the trials do, at most this part of the trials'
span: between spikes at random times an interval is 20 times the mean once in 5e8, between bursts more often."""
HIGHEST_RATE = 500.0
"""Spikes per second that no unit reaches: two refractory periods of 1 ms a spike; many sites together stay below."""
LOWEST_RATE = 0.01
"""Spikes per second and unit below which an hour has 36 spikes, too few to fit anything to."""
MOST_TWINS = 0.4
"""Part of a unit's spikes at the very time of another: half where a table was written twice, 21 % at 500 spikes per
second in whole milliseconds."""
MOST_LATE = 0.1
"""Part of the spikes of trials that come after the next trial began, which can belong to it only."""
MOST_OVERLAPS = 0.5
"""Part of the sounds that would not have ended when the next begins."""
LEAST_EXPECTED = 5
"""Spikes expected in sounds from which on having none is not chance: once in 150 where they are at random times."""
LONG_SPAN = 300
"""Span of spikes over that of trials that needs a reason other than a recording that went on (five minutes of a day are
a 288th), where there is less than one spike per second: units fire more, and in milliseconds no more."""
UNITS = {
    "milliseconds": (LONG_SPAN, 4000.0),
    "samples": (4000.0, 200_000.0),
    "microseconds": (200_000.0, 4_000_000.0),
}
"""Span of times in these units over the span of trials: up to 4 times 1000, 50 kHz and 1e6, as a recording outlasts its
trials, and little below, as it may have ended before them."""
SAME_SPAN = 5.0
"""Times by which spans may differ and still be of one recording on two clocks."""
EXPECTED = "expected seconds on one clock"


@dataclass(frozen=True)
class Spans:
    """Where a session's trials, and its spikes or those of one unit, begin and end, in what the files call seconds."""

    onset: np.ndarray
    """Of the trials of known sounds, shape (n_trials,)."""
    end: float
    """Of the last sound."""
    n: int
    """Number of spikes."""
    first: float
    last: float

    @property
    def ratio(self) -> float:
        """Span of spikes over that of trials."""
        return (self.last - self.first) / max(self.end - self.onset.min(), 1e-3)

    def covered(self) -> float:
        """Return which part of the trials begins within the span of spikes, or little outside of it."""
        between = (self.last - self.first) / max(self.n - 1, 1)
        margin = min(MARGIN_INTERVALS * between, MARGIN_PART * (self.end - self.onset.min()))
        return float(np.mean((self.onset >= self.first - margin) & (self.onset <= self.last + margin)))

    @property
    def apart(self) -> bool:
        """Whether all spikes come before the first trial or after the last."""
        return self.first > self.end or self.last < self.onset.min()

    @property
    def is_long(self) -> bool:
        """Whether spikes span so much more than trials, so thinly, that another unit explains it best."""
        return self.ratio > LONG_SPAN and self.n < self.last - self.first and self.unit() != ""

    def __str__(self) -> str:
        begin = self.onset.min()
        return f"spikes are from {self.first:.6g} to {self.last:.6g}, trials from {begin:.6g} to {self.end:.6g} s"

    def unit(self) -> str:
        """Say which of the two looks like another unit than seconds, and which unit; nothing if none does."""
        # Recordings outlast their trials: that stretches the one ratio and shortens the other, by up to 4.
        for name, ratio, bound in (("spike times", self.ratio, "less"), ("onsets", 4 / max(self.ratio, 1e-12), "more")):
            for unit, (least, most) in UNITS.items():
                if least < ratio <= most:
                    rate = ratio if bound == "less" else ratio / 4
                    return f"{name} look like {unit}{f' at {rate:.3g} Hz or {bound}' if unit == 'samples' else ''}"
        return ""

    def cause(self) -> str:
        """Say what would explain that these do not fit."""
        later = self.first - float(self.onset.min())
        if self.unit():
            return self.unit()
        if self.covered() >= FEWEST_ONSETS:
            return "units that fire between sounds only, or another clock by less than shows"
        if not 1 / SAME_SPAN <= self.ratio <= SAME_SPAN:
            return "another clock or unit, or recorded in part"
        how = f"spikes start {abs(later):.6g} s {'later' if later > 0 else 'earlier'} than trials"
        return f"another clock{'' if self.apart else ', or recorded in part'}: {how}"


def with_doubts(spikes: SpikeTrials, stimuli: Sequence[Stimulus], session: Session) -> SpikeTrials:
    """Return the spikes with ``doubts``: what in them does not fit together. Their notes hold the doubts too."""
    doubts = tuple(_doubts(spikes, {s.id: s.duration for s in stimuli}, np.array(session.channels)))
    return replace(spikes, notes=tuple(dict.fromkeys((*spikes.notes, *doubts))), doubts=doubts)


def extent_of(spikes: SpikeTrials) -> Extent:
    """Return what the files hold of each unit's spikes; of formats that do not say it, those within trials."""
    if spikes.extent is not None:
        return spikes.extent
    return Extent.of([spikes.onset[trial] + times for times, trial in zip(spikes.times, spikes.trial, strict=True)])


def in_sounds(spikes: SpikeTrials, durations: dict[str, float]) -> np.ndarray:
    """Count each unit's spikes between the onset and the end of sounds, shape (units,)."""
    length = np.array([durations.get(i, 0.0) for i in spikes.stimulus])
    pairs = zip(spikes.times, spikes.trial, strict=True)
    return np.array([np.count_nonzero((times >= 0) & (times < length[trial])) for times, trial in pairs])


def mean_rate(extent: Extent, least_span: float = 1e-3) -> np.ndarray:
    """Return spikes per second of each unit, shape (units,), over the session's span of spikes, or that if longer."""
    fired = extent.n > 0
    span = float(extent.last[fired].max() - extent.first[fired].min()) if fired.any() else 0.0
    return extent.n / max(span, least_span)


def _doubts(spikes: SpikeTrials, durations: dict[str, float], channels: np.ndarray) -> list[str]:
    known = np.array([i in durations for i in spikes.stimulus], dtype=bool)
    if not known.any():
        return []
    lengths = np.array([durations.get(i, 0.0) for i in spikes.stimulus])
    onset, end = spikes.onset[known], float((spikes.onset + lengths)[known].max())
    extent, inside = extent_of(spikes), in_sounds(spikes, durations)
    if not extent.n.any():
        return ["no unit has a spike; expected some in trials"]
    spans = [Spans(onset, end, int(n), *ends) for n, *ends in zip(extent.n, extent.first, extent.last, strict=True)]
    odd = np.array([_is_odd(*unit, float(lengths.sum())) for unit in zip(spans, inside, extent.whole, strict=True)])
    found = _of_trials(spikes, lengths) + _of_clocks(spans, odd, inside, extent, channels)
    rates = mean_rate(extent, max(float(lengths.sum()), 1e-3))
    if not found:
        high = channels[rates > HIGHEST_RATE]
        if high.size:
            found.append(
                f"{_units(high)} more than {HIGHEST_RATE:g} spikes per second (up to {rates.max():.4g}); expected "
                "times of spikes, not of samples"
            )
        low = extent.n.mean() / max(end - float(onset.min()), 1e-3)
        if low < LOWEST_RATE:
            found.append(
                f"units have {low:.2g} spikes per second on average; expected at least {LOWEST_RATE:g}: "
                "perhaps spikes are missing, or their times are in another unit"
            )
    twins = channels[(extent.n >= FEWEST_SPIKES) & (extent.twins > MOST_TWINS * extent.n)]
    if twins.size:
        found.append(f"{_units(twins)} most spikes twice, at the very same times; perhaps they were written twice")
    return found


def _is_odd(spans: Spans, inside: int, whole: bool, sounds: float) -> bool:  # noqa: FBT001
    """Return whether one unit's spikes cannot be on the clock of the trials."""
    if spans.n < FEWEST_SPIKES:
        return False
    if whole or spans.is_long:
        return True
    expected = spans.n * sounds / max(spans.last - spans.first, sounds)
    return inside == 0 and (expected >= LEAST_EXPECTED or spans.covered() < FEWEST_ONSETS)


def _of_clocks(
    spans: list[Spans], odd: np.ndarray, inside: np.ndarray, extent: Extent, channels: np.ndarray
) -> list[str]:
    """Say where spikes and trials are on different clocks: of some units, or of all together."""
    judged = np.array([s.n >= FEWEST_SPIKES for s in spans])
    fired = extent.n > 0
    some = odd.any() and not odd[judged].all()
    rest = fired & ~odd if some else fired
    together = Spans(
        spans[0].onset,
        spans[0].end,
        int(extent.n[rest].sum()),
        float(extent.first[rest].min(initial=np.inf)),
        float(extent.last[rest].max(initial=-np.inf)),
    )
    found = []
    if some:
        one = spans[int(np.argmax(odd))]
        found.append(
            f"{_units(channels[odd])} spikes on another clock than the others: {one}; {one.cause()} ({EXPECTED})"
        )
    if not rest.any():
        return found
    n, lies = together.n, int(inside[rest].sum())
    if (
        not some
        and odd.any()
        and extent.whole[rest].all()
        and together.covered() >= FEWEST_ONSETS
        and not together.unit()
    ):
        cause = "whole numbers, as samples and milliseconds are"
    elif (
        (lies == 0 and (n >= FEWEST_SPIKES or together.apart))
        or (not some and odd.any())
        or (n >= FEWEST_SPIKES and together.covered() < FEWEST_ONSETS)
    ):
        cause = together.cause()
    else:
        return found
    lie = f"none of the {n} spikes lies" if lies == 0 else f"{lies} of {n} spikes lie"
    share = f"{together.covered():.0%} of the trials begin while there are spikes"
    return [*found, f"{lie} in a trial, and {share}: {together}; {cause} ({EXPECTED})"]


def _of_trials(spikes: SpikeTrials, lengths: np.ndarray) -> list[str]:
    """Say where sounds last into the next trial, or spikes of a trial come after it."""
    found, apart = [], np.diff(spikes.onset)
    over = np.count_nonzero(apart < lengths[:-1] - 1e-3)
    if over and over > MOST_OVERLAPS * apart.size:
        found.append(
            f"{over} of {apart.size} sounds last into the next trial (half of them {np.median(lengths):.4g} s or more, "
            f"trials {np.median(apart):.4g} s apart); perhaps the sounds' sampling rate or the onsets' unit is wrong"
        )
    room = np.append(apart, np.inf)
    times, trial = (np.concatenate(parts) for parts in (spikes.times, spikes.trial))
    late = np.count_nonzero(times > room[trial.astype(np.int64)] + 1e-3)
    if late >= FEWEST_SPIKES and late > MOST_LATE * times.size:
        longest = float(np.median(times[times > 0])) / max(float(np.median(apart)), 1e-3)
        look = "milliseconds" if longest <= UNITS["milliseconds"][1] else "samples"
        found.append(
            f"{late} of {times.size} spikes of trials come after the next trial began, half of all after "
            f"{np.median(times):.4g} s; their times look like {look}, or are not from the onset of their trial"
        )
    return found


def _units(names: np.ndarray) -> str:
    return f"unit {names[0]} has" if len(names) == 1 else f"units {some_of(names.tolist())} have"

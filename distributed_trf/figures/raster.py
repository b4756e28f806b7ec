"""The raster: what one unit did in every presentation of one sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.figures.panels.panel_grid import draw_spectrogram
from distributed_trf.figures.style import needing_matplotlib
from distributed_trf.recordings.open_recordings import find_session, find_stimulus, find_unit, some_of
from distributed_trf.recordings.rasters import PSTH_BIN_WIDTH, presentations, psth, raster
from distributed_trf.recordings.recording_set import RecordingSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_COLOUR = "#0072B2"
WIDTH, HEIGHT = 3.4, 3.8
"""Inches; the width is that of a page column."""


def raster_figure(
    recordings: RecordingSet,
    session: str,
    unit: str,
    stimulus: str,
    *,
    stimuli: str | None = None,
    bin_width: float = PSTH_BIN_WIDTH,
) -> Figure:
    """Draw the spectrogram of a sound, a unit's spikes in each of its repeats, and the rate over repeats.

    All three share the time axis, from the onset of the sound to its offset or the end of the last bin, which may be
    half a bin later: not every recording set keeps spikes outside the sounds.

    Parameters
    ----------
    recordings
        What ``open_recordings`` returns.
    session, unit, stimulus
        Names of the session, of its unit (channel) and of the sound.
    stimuli
        The stimulus set; by default the only one that has such a sound.
    bin_width
        Of the rate, milliseconds.

    Raises
    ------
    ConfigError
        If there is no such session, unit or stimulus, or several stimulus sets have one of this name.
    RecordingError
        If the files cannot be read or the sound was not presented in the session.
    MissingExtraError
        If matplotlib is not installed.
    """
    with needing_matplotlib():
        from matplotlib.figure import Figure

    of_session = find_session(recordings, session)
    index = find_unit(of_session, unit)
    stimuli, sound = find_stimulus(recordings, stimulus, stimuli)
    presented = [s.name for s in recordings.heard(stimuli)]
    if session not in presented:
        raise RecordingError(f"{stimuli} was not presented in session {session}; choose one of {some_of(presented)}")
    spikes = recordings.spikes(of_session, stimuli)
    edges, rate = psth(spikes, sound, bin_width)
    end = max(sound.duration, edges[-1])
    times, repeat = raster(spikes, sound, index, end=end)
    n_repeats = len(presentations(spikes, sound.id))
    sounds, sfreq = recordings.sounds(stimuli)

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1.1, 1.6, 1.1))
    draw_spectrogram(top, sounds[sound.id], sfreq)
    _rows(middle, times, repeat, n_repeats)
    bottom.stairs(rate[:, index], edges, fill=True, color=BAR_COLOUR)
    bottom.set_ylabel("rate (spikes/s)")
    bottom.set_xlabel("time from sound onset (s)")
    bottom.set_xlim(0, end)
    for axis in (top, middle, bottom):
        axis.tick_params(labelsize="small")
        axis.yaxis.label.set_size("small")
        axis.spines[["top", "right"]].set_visible(False)
    bottom.xaxis.label.set_size("small")
    figure.align_ylabels()
    repeats = f"{n_repeats} repeats" if n_repeats > 1 else "1 presentation"
    figure.suptitle(
        f"session {session}, unit {unit}\n{stimuli} {stimulus}: {repeats}, {bin_width:g} ms bins", fontsize="small"
    )
    return figure


def _rows(axis: Axes, times: np.ndarray, repeat: np.ndarray, n_repeats: int) -> None:
    """Draw one row of ticks per repeat, the first on top."""
    rows = [times[repeat == k] for k in range(n_repeats)]
    axis.eventplot(rows, lineoffsets=list(range(1, n_repeats + 1)), linelengths=0.8, linewidths=0.7, colors="black")
    axis.set_ylim(n_repeats + 0.5, 0.5)
    axis.set_yticks([1, *range(5, n_repeats + 1, 5)])
    axis.set_ylabel("repeat")

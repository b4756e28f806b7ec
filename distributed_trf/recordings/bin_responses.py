"""Responses of any kind on bins, by the rule of each kind."""

from __future__ import annotations

from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.continuous import Responses, SignalTrials, ValueTrials
from distributed_trf.recordings.recording_set import Session, Stimulus
from distributed_trf.recordings.signal_binning import Binned, bin_signal, bin_values


def bin_responses(
    found: Responses, stimuli: tuple[Stimulus, ...], bin_width: float, *, session: Session, delay: float = 0.0
) -> Binned:
    """Bring what a session has to bins: counts of spikes, weighted means of a signal, or values as they are.

    Parameters
    ----------
    found
        What ``continuous.responses`` returns.
    stimuli
        The stimulus set; trials of stimuli outside it are left out.
    bin_width
        Milliseconds.
    session
        That it is of.
    delay
        Seconds after the onset of the sound at which the first bin begins; values have no bins in time.

    Returns
    -------
    Binned
        All presentations of training and test stimuli that can be used.

    Raises
    ------
    RecordingError
        If the session lacks test stimuli or has no training stimulus, or cannot be brought to these bins.
    """
    units, name = session.channels, session.name
    if isinstance(found, SignalTrials):
        return bin_signal(found, stimuli, bin_width, units=units, session=name, delay=delay)
    if isinstance(found, ValueTrials):
        return bin_values(found, stimuli, bin_width, units=units, session=name)
    return Binned(bin_spikes(found, stimuli, bin_width, session=name, delay=delay))

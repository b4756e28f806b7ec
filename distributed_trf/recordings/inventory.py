"""What a recording set holds: how much of each stimulus set was presented in each session, and if responses fit it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from distributed_trf.errors import RecordingError
from distributed_trf.names import COORDS, STIMULI, Variable
from distributed_trf.recordings.continuous import SignalTrials, responses
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.plausibility import extent_of, in_sounds, mean_rate, with_doubts
from distributed_trf.recordings.recording_set import RecordingSet, Session, SpikeTrials, Stimulus, Trials
from distributed_trf.recordings.signal_plausibility import Looked

SESSION = "session"
OF_STIMULI = {
    "n_train": Variable("training stimuli of the set", "1"),
    "n_test": Variable("test stimuli of the set", "1"),
    "train_seconds": Variable("duration of all training stimuli", "s", "each once, without padding"),
    "test_seconds": Variable("duration of all test stimuli", "s", "each once, without padding"),
}
OF_SESSION = {"n_units": Variable("units of the session", "1")}
COUNTED = {
    "n_trials": Variable("presentations", "1"),
    "train_stimuli": Variable("training stimuli that were presented", "1"),
    "missing": Variable("training stimuli that were not presented", "1"),
    "test_stimuli": Variable("test stimuli that were presented", "1"),
    "repeats_min": Variable("presentations of the test stimulus that was presented least", "1", "may be 0"),
    "repeats_max": Variable("presentations of the test stimulus that was presented most", "1"),
    "further": Variable("presentations of training stimuli beyond the first", "1", "used if `training` is mean or all"),
}
"""Numbers of one session and stimulus set."""
OF_SPIKES = {
    "onset_first": Variable("first onset of a sound", "s", "on the session's clock"),
    "onset_last": Variable("end of the last sound", "s", "on the session's clock"),
    "spike_first": Variable(
        "first spike of any unit", "s", "in the session's files; of some formats within trials only"
    ),
    "spike_last": Variable("last spike of any unit", "s", "in the session's files; of some formats within trials only"),
    "rate": Variable("mean firing rate of the units", "1/s", "over the span of spikes"),
    "in_sounds": Variable("part of the spikes that come during a sound of the set", "1"),
}
"""Numbers that need the spikes of a session."""
OF_OTHERS = {
    "signal_first": Variable("begin of the signal", "s", "on the session's clock; NaN where the response is no signal"),
    "signal_last": Variable("end of the signal", "s", "on the session's clock; NaN where the response is no signal"),
    "sampling_rate": Variable("samples per second of the signal", "Hz"),
    "flat": Variable("units that never vary in the trials", "1", "of a signal or values"),
    "gaps": Variable("units that are NaN or Inf somewhere in the trials", "1", "of a signal or values"),
}
"""Numbers that need the signal or the values of a session."""
READ = OF_SPIKES | OF_OTHERS
HEARD = Variable("whether the set is known to be presented in the session", "1")
RESPONSE = Variable("what was recorded of units", "", "spikes, signal or values")
PROBLEM = Variable(
    "what is wrong", "", "why the session could not be read, or what prevents an analysis; empty where fine"
)


def inventory(recordings: RecordingSet, *, spikes: bool = True) -> xr.Dataset:
    """Count what was presented of every stimulus set in every session, and check whether the spikes fit it.

    A session that cannot be read does not stop the others: its numbers are NaN and ``problem`` says why.

    Parameters
    ----------
    recordings
        What ``open_recordings`` returns.
    spikes
        Whether spikes, signals and values are read, as ``problem`` then names responses on another clock than the
        onsets. It takes as long as reading them for a study; without, their numbers are NaN.

    Returns
    -------
    xr.Dataset
        Over (stimuli, session): ``heard`` (bool), the text ``problem``, and as float64 ``n_trials``,
        ``train_stimuli``, ``missing``, ``test_stimuli``, ``repeats_min``, ``repeats_max`` and ``further``, and in
        seconds ``onset_first``, ``onset_last``; of spikes ``spike_first``, ``spike_last``, ``rate`` and ``in_sounds``,
        of others ``signal_first``, ``signal_last``, ``sampling_rate``, ``flat`` and ``gaps``. They are NaN where they
        do not apply, the set was not presented or the session cannot be read (and the repeats also where the set has
        no test stimulus). Over stimuli: ``n_train``, ``n_test``, and in seconds ``train_seconds`` and
        ``test_seconds``. Over session: ``n_units``, and the coordinates ``area``, ``subject``, ``x``, ``y`` and
        ``response``. The recording set's notes are in ``attrs``, one a line.

    Raises
    ------
    RecordingError
        If the sounds of a stimulus set cannot be read, or there is no stimulus set.
    """
    sets, sessions = recordings.stimulus_sets, recordings.sessions
    if not sets:
        raise RecordingError(
            f"{recordings.path}: the files of no stimulus set are there; {'; '.join(recordings.notes) or 'add them'}"
        )
    shape = (len(sets), len(sessions))
    counted = {name: np.full(shape, np.nan) for name in COUNTED | READ}
    presented, problem = np.zeros(shape, dtype=bool), np.full(shape, "", dtype=object)
    of_stimuli: dict[str, list[float]] = {name: [] for name in OF_STIMULI}
    for i, stimulus_set in enumerate(sets):
        stimuli = recordings.stimuli(stimulus_set)
        for name, value in _extent(stimuli).items():
            of_stimuli[name].append(value)
        named = {session.name for session in recordings.heard(stimulus_set)}
        for j, session in enumerate(sessions):
            presented[i, j] = session.name in named
            if presented[i, j]:
                numbers, problems = _count(recordings, session, stimulus_set, stimuli)
                if spikes and numbers.get("n_trials"):
                    read = _of_spikes if session.response == "spikes" else _of_others
                    of_responses, doubts = read(recordings, session, stimulus_set, stimuli)
                    numbers, problems = numbers | of_responses, [*problems, *doubts]
                problem[i, j] = "; ".join(problems)
                for name, value in numbers.items():
                    counted[name][i, j] = value

    both = (STIMULI, SESSION)
    variables = {
        "heard": (both, presented, HEARD.attrs),
        **{name: (both, values, (COUNTED | READ)[name].attrs) for name, values in counted.items()},
        "problem": (both, problem.astype(str), PROBLEM.attrs),
        **{name: (STIMULI, np.array(values), OF_STIMULI[name].attrs) for name, values in of_stimuli.items()},
        "n_units": (SESSION, np.array([len(s.channels) for s in sessions]), OF_SESSION["n_units"].attrs),
    }
    coords = {
        STIMULI: (STIMULI, np.array(sets, dtype=str), COORDS[STIMULI].attrs),
        SESSION: (SESSION, np.array([s.name for s in sessions]), COORDS[SESSION].attrs),
        **{
            name: (SESSION, np.array([getattr(s, name) for s in sessions]), COORDS[name].attrs)
            for name in ("area", "subject", "x", "y")
        },
        "response": (SESSION, np.array([s.response for s in sessions], dtype=str), RESPONSE.attrs),
    }
    return xr.Dataset(variables, coords, {"path": str(recordings.path), "notes": "\n".join(recordings.notes)})


def _extent(stimuli: tuple[Stimulus, ...]) -> dict[str, float]:
    """Number and seconds of the stimuli of each kind, in the order of ``OF_STIMULI``."""
    train = [s.duration for s in stimuli if not s.is_test]
    test = [s.duration for s in stimuli if s.is_test]
    return dict(zip(OF_STIMULI, (len(train), len(test), sum(train), sum(test)), strict=True))


def _count(
    recordings: RecordingSet, session: Session, stimulus_set: str, stimuli: tuple[Stimulus, ...]
) -> tuple[dict[str, float], list[str]]:
    """Numbers of a session in which a stimulus set was presented, none where it cannot be read, and its problems."""
    try:
        trials = recordings.trials(session, stimulus_set)
    except (RecordingError, OSError) as error:
        return {}, [" ".join(str(error).split())]
    presented = Counter(trials.stimulus)
    train = [presented[s.id] for s in stimuli if not s.is_test]
    test = [presented[s.id] for s in stimuli if s.is_test]
    numbers: dict[str, float] = {
        "n_trials": len(trials.stimulus),
        "train_stimuli": len(train) - train.count(0),
        "missing": train.count(0),
        "test_stimuli": len(test) - test.count(0),
        "repeats_min": min(test, default=np.nan),
        "repeats_max": max(test, default=np.nan),
        "further": sum(n - 1 for n in train if n),
    }
    return numbers, _problems(trials, stimuli)


def _of_spikes(
    recordings: RecordingSet, session: Session, stimulus_set: str, stimuli: tuple[Stimulus, ...]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Where trials and spikes begin and end, how many there are and fit, as in ``OF_SPIKES``; and what looks wrong."""
    try:
        spikes = with_doubts(recordings.spikes(session, stimulus_set), stimuli, session)
    except (RecordingError, OSError) as error:
        return {}, (" ".join(str(error).split()),)
    durations, extent = {s.id: s.duration for s in stimuli}, extent_of(spikes)
    ends = spikes.onset + np.array([durations.get(i, 0.0) for i in spikes.stimulus])
    fired = extent.n > 0
    first, last = extent.first[fired].min(initial=np.inf), extent.last[fired].max(initial=-np.inf)
    inside = in_sounds(spikes, durations).sum() / extent.n.sum() if fired.any() else np.nan
    found = (spikes.onset.min(), ends.max(), first, last, mean_rate(extent).mean(), inside)
    return {
        name: float(x) if np.isfinite(x) else np.nan for name, x in zip(OF_SPIKES, found, strict=True)
    }, spikes.doubts


def _of_others(
    recordings: RecordingSet, session: Session, stimulus_set: str, stimuli: tuple[Stimulus, ...]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Where trials and the signal begin and end, its rate, and how many units are flat or have gaps: ``OF_OTHERS``."""
    try:
        found = responses(recordings, session, stimulus_set)
        assert not isinstance(found, SpikeTrials)
        looked = Looked.at(found, stimuli, session)
    except (RecordingError, OSError) as error:
        return {}, (" ".join(str(error).split()),)
    numbers = {"flat": float(looked.flat.sum()), "gaps": float(looked.gaps.sum())}
    if isinstance(found, SignalTrials):
        durations = {s.id: s.duration for s in stimuli}
        ends = found.onset + np.array([durations.get(i, 0.0) for i in found.stimulus])
        numbers |= {"onset_first": float(found.onset.min()), "onset_last": float(ends.max())}
        numbers |= {"signal_first": found.start, "signal_last": found.end, "sampling_rate": found.rate}
    return numbers, looked.doubts


def _problems(trials: Trials, stimuli: tuple[Stimulus, ...]) -> list[str]:
    """What prevents an analysis of these trials, though nothing fails while counting them."""
    if not trials.stimulus:
        return ["nothing of this stimulus set was presented"]
    presented = Counter(trials.stimulus)
    never = [s.id for s in stimuli if s.is_test and presented[s.id] == 0]
    once = [s.id for s in stimuli if s.is_test and presented[s.id] == 1]
    unknown = sorted(set(trials.stimulus) - {s.id for s in stimuli})
    found = []
    if never:
        found.append(f"test stimuli never presented: {some_of(never)}")
    if once:
        found.append(f"test stimuli presented once only, which leaves no pair of repeats: {some_of(once)}")
    if not any(presented[s.id] for s in stimuli if not s.is_test):
        found.append("no training stimulus was presented")
    if unknown:
        found.append(f"stimuli presented that are not in the set: {some_of(unknown)}")
    return found

"""Signals and values of formats of other packages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.bin_responses import bin_responses
from distributed_trf.recordings.continuous import SignalTrials, ValueTrials, responses
from tests.hand_made import SESSIONS, HandMade

X = np.random.default_rng(0).normal(size=(3000, 2))


def of(response):
    return tuple(replace(session, response=response) for session in SESSIONS)


@dataclass
class WithSignals(HandMade):
    """A format whose sessions have signals at 100 Hz."""

    def signals(self, session, stimulus_set):
        trials = self.trials(session, stimulus_set)
        return SignalTrials(trials.stimulus, trials.onset, 100.0, 0.0, len(X), lambda spans: (X[a:b] for a, b in spans))


@dataclass
class WithValues(HandMade):
    """A format whose sessions have values."""

    def values(self, session, stimulus_set):
        trials = self.trials(session, stimulus_set)
        return ValueTrials(trials.stimulus, trials.onset, X[: len(trials.stimulus)])


def test_formats_of_spikes__need_no_other_methods():
    recordings = HandMade()
    found = responses(recordings, recordings.sessions[0], "words")
    binned = bin_responses(found, recordings.stimuli("words"), 50, session=recordings.sessions[0])
    assert (binned.responses.response, binned.responses.train.dtype) == ("spikes", np.uint16)


@pytest.mark.parametrize(("kind", "bin_width"), [(WithSignals, 50), (WithValues, 1000)])
def test_formats__offer_signals_or_values_by_a_method(kind, bin_width):
    recordings = kind(sessions=of("signal" if kind is WithSignals else "values"))
    session = recordings.sessions[0]
    found = responses(recordings, session, "words")
    binned = bin_responses(found, recordings.stimuli("words"), bin_width, session=session).responses
    assert binned.response == session.response
    assert binned.train.dtype == np.float64
    assert binned.repeats == (4, 1)  # of "tactutt"
    if kind is WithValues:
        assert binned.test_trials["t"][:, 0].tolist() == X[[0, 3, 5, 6]].tolist()


@pytest.mark.parametrize(("response", "expected"), [("signal", "method signals"), ("values", "method values")])
def test_formats_without_the_method__are_named(response, expected):
    recordings = HandMade(sessions=of(response))
    with pytest.raises(RecordingError, match=rf"session s1 is '{response}'; expected .*{expected}. Correct HandMade"):
        responses(recordings, recordings.sessions[0], "words")

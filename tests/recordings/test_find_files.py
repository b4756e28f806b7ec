from __future__ import annotations

import pytest

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.open_recordings import find_session, find_stimulus, find_unit
from tests.hand_made import SESSIONS, STIMULI, HandMade


def test_find__returns_what_bears_the_name() -> None:
    assert find_session(HandMade(), "s2") == SESSIONS[1]
    assert find_unit(SESSIONS[0], "u2") == 1
    assert find_stimulus(HandMade(), "v") == ("calls", STIMULI["calls"][1])
    assert find_stimulus(HandMade(), "a", "calls") == ("calls", STIMULI["calls"][0])


@pytest.mark.parametrize(
    ("find", "match"),
    [
        (lambda: find_session(HandMade(), "s9"), "hand_made: session 's9' is not there; expected one of s1, s2"),
        (lambda: find_unit(SESSIONS[1], "u2"), "session s2: unit 'u2' is not there; expected one of u1"),
        (lambda: find_stimulus(HandMade(), "z"), "'z' is not there; expected of words a, b, c, t, u; of calls a, v, w"),
        (lambda: find_stimulus(HandMade(), "v", "words"), "'v' is not there; expected of words a, b, c, t, u$"),
        (lambda: find_stimulus(HandMade(), "v", "songs"), "set 'songs' is not there; expected one of words, calls"),
        (lambda: find_stimulus(HandMade(), "a"), "'a' is in words and calls; say which .*--stimuli words"),
    ],
)
def test_find__what_is_not_there_or_twice_is_named(find, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        find()

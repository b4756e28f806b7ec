"""What comes next is read while what was read is worked on: one ahead, and nothing is left running."""

from __future__ import annotations

import threading
from threading import Event

import pytest

from distributed_trf.errors import DamagedError
from distributed_trf.recordings.binned_features import read_ahead

WAIT = 10
"""Seconds, after which a thread that should have done something has failed."""


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


def numbers(made, n=5):
    """Numbers, and an event for each that is set when it is made."""
    for k in range(n):
        made[k].set()
        yield k


def test_values__come_in_order_and_the_thread_ends():
    assert list(read_ahead(range(7))) == list(range(7))
    assert list(read_ahead([])) == []
    assert not threads()


def test_values__are_made_one_ahead_and_no_more():
    made = [Event() for _ in range(5)]
    coming = read_ahead(numbers(made))
    for k in range(3):
        assert next(coming) == k
        assert made[k + 1].wait(WAIT)  # without being asked for
        assert not made[k + 2].wait(0.02)
    coming.close()
    assert not threads()
    assert not made[4].is_set()


def test_values__are_made_while_one_is_worked_on():
    """By another thread: what the first waits for is set by the second."""
    worked = Event()

    def values():
        yield "first"
        assert worked.wait(WAIT)
        yield "second"

    coming = read_ahead(values())
    assert next(coming) == "first"
    worked.set()
    assert next(coming) == "second"


def test_what_goes_wrong__is_raised_where_it_would_be_read():
    def values():
        yield 1
        yield 2
        raise DamagedError("chunk", "path")

    found = []
    with pytest.raises(DamagedError, match="chunk") as raised:  # noqa: PT012
        for value in read_ahead(values()):
            found.append(value)
    assert found == [1, 2]
    assert raised.value.path == "path"
    assert not threads()


def test_a_reader_that_stops_early__leaves_no_thread():
    with pytest.raises(ValueError, match="of the reader"):  # noqa: PT012
        for value in read_ahead(range(100)):
            if value == 3:
                raise ValueError("of the reader")
    assert not threads()

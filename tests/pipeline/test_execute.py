"""Networks that a GPU worker keeps make room for fits, and for them to be tried once more."""

from __future__ import annotations

import pytest

from distributed_trf.errors import DeviceError
from distributed_trf.pipeline import execute


@pytest.fixture
def told(monkeypatch):
    """What was done, in order; networks are there once."""
    done, networks = [], ["network"]
    monkeypatch.setattr(execute, "free_torch_blocks", lambda device: done.append("blocks"))
    monkeypatch.setattr(execute, "is_crowded", lambda device: False)
    monkeypatch.setattr(
        execute, "release_networks", lambda device: done.append("networks") or bool(networks and networks.pop())
    )
    return done


def failing(told, times):
    def calculate():
        told.append("fit")
        if told.count("fit") <= times:
            raise MemoryError
        return 5

    return calculate


def test_fit_that_has_room__leaves_networks_alone(told):
    assert execute.with_room("cuda", failing(told, 0)) == 5
    assert told == ["blocks", "fit"]


def test_crowded_gpu__is_cleared_first(told, monkeypatch):
    monkeypatch.setattr(execute, "is_crowded", lambda device: True)
    execute.with_room("cuda", failing(told, 0))
    assert told == ["blocks", "networks", "fit"]


def test_fit_that_runs_out_of_memory__is_tried_once_more_without_networks(told):
    assert execute.with_room("cuda", failing(told, 1)) == 5
    assert told == ["blocks", "fit", "networks", "fit"]


def test_fit_that_tells_of_its_memory__is_tried_once_more_and_other_errors_are_not(told):
    def telling():
        told.append("fit")
        if told.count("fit") == 1:
            raise DeviceError("no room") from MemoryError()
        raise DeviceError("no GPU")

    with pytest.raises(DeviceError, match="no GPU"):
        execute.with_room("cuda", telling)
    assert told == ["blocks", "fit", "networks", "fit"]
    with pytest.raises(DeviceError, match="no GPU"):
        execute.with_room("cuda", telling)
    assert told[4:] == ["blocks", "fit"]


def test_fit_that_does_not_fit_without_networks__fails(told):
    with pytest.raises(MemoryError):
        execute.with_room("cuda", failing(told, 2))
    assert told == ["blocks", "fit", "networks", "fit"]
    with pytest.raises(MemoryError):
        execute.with_room("cuda", failing(told, 9))
    assert told[4:] == ["blocks", "fit", "networks"]  # there are none to let go of


def test_cpu__is_told_nothing(told):
    with pytest.raises(MemoryError):
        execute.with_room("cpu", failing(told, 1))
    assert told == ["fit"]

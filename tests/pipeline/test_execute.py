"""Networks that a GPU worker keeps make room for fits, and for them to be tried once more."""

from __future__ import annotations

import pytest

from distributed_trf.errors import DeviceError
from distributed_trf.pipeline import execute


@pytest.fixture
def calls(monkeypatch):
    """What was done, in order; networks are there once."""
    done, networks = [], ["network"]
    monkeypatch.setattr(execute, "free_torch_blocks", lambda device: done.append("blocks"))
    monkeypatch.setattr(execute, "is_crowded", lambda device: False)
    monkeypatch.setattr(
        execute, "release_networks", lambda device: done.append("networks") or bool(networks and networks.pop())
    )
    return done


def failing(calls, times):
    def calculate():
        calls.append("fit")
        if calls.count("fit") <= times:
            raise MemoryError
        return 5

    return calculate


def test_fit_that_has_room__leaves_networks_alone(calls):
    assert execute.with_room("cuda", failing(calls, 0)) == 5
    assert calls == ["blocks", "fit"]


def test_crowded_gpu__is_cleared_first(calls, monkeypatch):
    monkeypatch.setattr(execute, "is_crowded", lambda device: True)
    execute.with_room("cuda", failing(calls, 0))
    assert calls == ["blocks", "networks", "fit"]


def test_fit_that_runs_out_of_memory__is_tried_once_more_without_networks(calls):
    assert execute.with_room("cuda", failing(calls, 1)) == 5
    assert calls == ["blocks", "fit", "networks", "fit"]


def test_fit_that_tells_of_its_memory__is_tried_once_more_and_other_errors_are_not(calls):
    def telling():
        calls.append("fit")
        if calls.count("fit") == 1:
            raise DeviceError("no room") from MemoryError()
        raise DeviceError("no GPU")

    with pytest.raises(DeviceError, match="no GPU"):
        execute.with_room("cuda", telling)
    assert calls == ["blocks", "fit", "networks", "fit"]
    with pytest.raises(DeviceError, match="no GPU"):
        execute.with_room("cuda", telling)
    assert calls[4:] == ["blocks", "fit"]


def test_fit_that_does_not_fit_without_networks__fails(calls):
    with pytest.raises(MemoryError):
        execute.with_room("cuda", failing(calls, 2))
    assert calls == ["blocks", "fit", "networks", "fit"]
    with pytest.raises(MemoryError):
        execute.with_room("cuda", failing(calls, 9))
    assert calls[4:] == ["blocks", "fit", "networks"]  # there are none to let go of


def test_cpu__releases_nothing(calls):
    with pytest.raises(MemoryError):
        execute.with_room("cpu", failing(calls, 1))
    assert calls == ["fit"]

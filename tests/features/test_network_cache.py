"""Networks that are kept: the last used, within the room there is, each built once."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import pytest
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.device import free_bytes, is_crowded, network_room, torch_on
from distributed_trf.features.families import registry
from distributed_trf.features.network import NetworkCache, build_network
from tests.conv_network import CONV_TABLE, ConvFamily


class Sized:
    """A built network as the cache sees it."""

    def __init__(self, n_bytes):
        self.n_bytes = n_bytes
        self.itself = self  # such as a module with a hook that refers to it


class Shelf:
    """A cache with some room, and what was built."""

    def __init__(self, room):
        self.cache = NetworkCache(lambda device: room)
        self.built = []
        self.alive = weakref.WeakValueDictionary()
        self.alive_while_built = {}

    def get(self, name, n_bytes=10, expected="same"):
        def build():
            self.built.append(name)
            self.alive_while_built[name] = sorted(self.alive)
            self.alive[name] = made = Sized(n_bytes)
            return made

        return self.cache.get(name, "cpu", n_bytes if expected == "same" else expected, build)


def test_least_recently_used__goes_when_there_is_no_room():
    shelf = Shelf(room=30)
    for name in "abc":
        shelf.get(name)
    shelf.get("a")
    shelf.get("d")
    assert sorted(shelf.alive) == ["a", "c", "d"]
    assert shelf.alive_while_built["d"] == ["a", "c"]  # room is made before
    shelf.get("a")
    shelf.get("b")
    assert shelf.built == list("abcdb")
    assert sorted(shelf.alive) == ["a", "b", "d"]


def test_no_room__keeps_the_newest_alone_as_on_the_cpu():
    shelf = Shelf(room=network_room("cpu"))
    for name in "aabba":
        shelf.get(name)
        assert list(shelf.alive) == [name]
    assert shelf.built == list("aba")
    assert shelf.alive_while_built == {"a": [], "b": []}


def test_network_larger_than_expected__pushes_out_others_once_it_is_built():
    shelf = Shelf(room=30)
    shelf.get("a")
    shelf.get("b", n_bytes=25, expected=5)
    assert shelf.alive_while_built["b"] == ["a"]
    assert sorted(shelf.alive) == ["b"]


def test_network_of_unknown_size__is_built_where_nothing_else_is():
    shelf = Shelf(room=100)
    shelf.get("a")
    shelf.get("b", expected=None)
    assert shelf.alive_while_built["b"] == []


def test_network_larger_than_the_room__is_kept_alone():
    shelf = Shelf(room=30)
    shelf.get("a", n_bytes=50)
    shelf.get("a", n_bytes=50)
    assert shelf.built == ["a"]
    shelf.get("b")
    assert sorted(shelf.alive) == ["b"]


def test_network_that_fails__leaves_the_cache_usable():
    shelf = Shelf(room=30)
    with pytest.raises(ZeroDivisionError):
        shelf.cache.get("bad", "cpu", 1, lambda: 1 / 0)
    assert shelf.get("bad") is shelf.get("bad")


def test_threads_that_ask_at_once__get_the_one_that_is_built_once():
    cache, built, found = NetworkCache(lambda device: 100), [], []
    barrier = threading.Barrier(8)

    def build():
        built.append(threading.get_ident())
        time.sleep(0.05)
        return Sized(1)

    def ask():
        barrier.wait()
        found.append(cache.get("a", "cpu", 1, build))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_built_networks__leave_memory_when_another_is_built(monkeypatch):
    monkeypatch.setitem(registry.FAMILIES, "conv_network", ConvFamily())
    settings = NetworkSettings(name="conv_network")
    module = weakref.ref(build_network(CONV_TABLE, settings, "reset", device="cpu").model)
    assert module() is build_network(CONV_TABLE, settings, "reset", device="cpu").model
    build_network(CONV_TABLE, settings, "reset-1", device="cpu")
    gc.collect()
    assert module() is None


def test_shared_gpu__is_left_to_torch_and_given_back(monkeypatch):
    """On stand-ins for both libraries, since no GPU is here; on the CPU neither is told anything."""
    told = []
    pool = SimpleNamespace(free_all_blocks=lambda: told.append("cupy"), free_bytes=lambda: 7)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(get_default_memory_pool=lambda: pool))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: told.append("torch"))
    with torch_on("cpu"):
        told.append("heard")
    assert told == ["heard"]
    with torch_on("cuda"):
        told.append("heard")
    assert told == ["heard", "cupy", "heard", "torch"]
    with pytest.raises(ZeroDivisionError), torch_on("cuda"):
        told.append(1 / 0)
    assert told[4:] == ["cupy", "torch"]
    monkeypatch.delitem(sys.modules, "cupy")
    with torch_on("cuda"):  # cupy was never loaded, so it holds nothing
        pass
    assert told[6:] == ["torch"]


@pytest.mark.parametrize(("free", "kept", "crowded"), [(40, 0, False), (39, 0, True), (30, 10, False), (30, 9, True)])
def test_gpu_of_which_less_than_half_is_free__is_crowded(monkeypatch, free, kept, crowded):
    pool = SimpleNamespace(free_bytes=lambda: kept)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(get_default_memory_pool=lambda: pool))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80))
    assert is_crowded("cuda") is crowded
    assert not is_crowded("cpu")


def test_free_bytes_of_a_gpu__count_what_torch_keeps_unused(monkeypatch):
    for name, told in (("mem_get_info", (5, 80)), ("memory_reserved", 30), ("memory_allocated", 10)):
        monkeypatch.setattr(torch.cuda, name, lambda device, told=told: told)
    assert free_bytes("cuda") == 25
    assert free_bytes("cpu") > 1 << 20


def test_room_on_a_gpu__is_half_of_its_memory(monkeypatch):
    assert network_room("cuda") == 0 or torch.cuda.is_available()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=81))
    assert network_room("cuda") == 40


def test_built_networks__of_another_precision_are_others(monkeypatch):
    monkeypatch.setitem(registry.FAMILIES, "conv_network", ConvFamily())
    settings = NetworkSettings(name="conv_network")
    for dtype in ("float32", "float16", "float32"):
        network = build_network(CONV_TABLE, settings, "reset", device="cpu", dtype=dtype)
        assert {p.dtype for p in network.model.parameters()} == {getattr(torch, dtype)}

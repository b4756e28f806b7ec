"""Built networks that a process keeps, because the next work item most likely hears with the same one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from threading import Lock

from distributed_trf.features.device_memory import give_back_torch_blocks, network_room
from distributed_trf.features.family import Network


class NetworkCache:
    """The networks used last, as many as there is room for.

    On the CPU that is one, which is what planning counts; on a GPU those that fit half of its memory. The newest is
    kept even where it alone takes more. Threads may share it: what two of them ask for at once is built once.

    Parameters
    ----------
    room
        Given a device, the bytes that networks may take on it beside the newest.
    """

    def __init__(self, room: Callable[[str], int] = network_room) -> None:
        self._room = room
        self._lock = Lock()
        self._kept: dict[Hashable, Network] = {}
        """Least recently used first."""

    def get(self, key: Hashable, device: str, expected: int | None, build: Callable[[], Network]) -> Network:
        """Return the network of a key, built now if it is not there.

        Parameters
        ----------
        key
            Everything that makes it another network.
        device
            ``cpu`` or ``cuda``.
        expected
            Bytes that it is expected to take, for which room is made first; None if nothing is known, so that
            everything goes.
        build
            Makes it.
        """
        with self._lock:
            if key in self._kept:
                self._kept[key] = self._kept.pop(key)
                return self._kept[key]
            room = self._room(device)
            self._shrink(-1 if expected is None else room - expected, device)
            network = build()
            self._shrink(room - network.n_bytes, device)
            self._kept[key] = network
            return network

    def let_go(self, device: str) -> bool:
        """Let go of all networks, as for what needs the room more; return whether there were any."""
        with self._lock:
            kept = bool(self._kept)
            self._shrink(-1, device)
            return kept

    def _shrink(self, size: int, device: str) -> None:
        """Let go of networks until the others take no more than a number of bytes; all of them if that is negative."""
        before = len(self._kept)
        while self._kept and sum(network.n_bytes for network in self._kept.values()) > size:
            del self._kept[next(iter(self._kept))]
        if len(self._kept) < before:
            gc.collect()  # a network that refers to itself holds its memory until then
            give_back_torch_blocks(device)

"""What this machine must have before anything is started: interfaces, commands, a free port."""

from __future__ import annotations

import shutil
import socket

import psutil

from distributed_trf.errors import ConfigError


def check_interface(name: str) -> None:
    """Make sure that this machine has a network interface with an IPv4 address.

    Raises
    ------
    ConfigError
        Naming those it has.
    """
    has = {
        interface: address.address
        for interface, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    }
    if name not in has:
        there = ", ".join(f"{interface} ({address})" for interface, address in has.items())
        raise ConfigError(
            f"interface = {name!r}: this machine has none of that name with an IPv4 address, only {there}; choose the "
            "one by which it reaches the workers"
        )


def check_command(name: str, kind: str) -> None:
    """Make sure that a command of a batch system is here.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if shutil.which(name) is None:
        raise ConfigError(
            f"kind = {kind!r}: there is no command {name} on this machine; run this where jobs are submitted, such as "
            "a login node, and load the module that brings it"
        )


def free_address(address: str) -> str:
    """Return the address, or any free port of its host where that port is taken."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return address

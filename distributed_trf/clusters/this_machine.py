"""What there is of this machine before anything is started: memory, interfaces, commands, a free port."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import psutil

from distributed_trf.errors import ConfigError

CONTROL_GROUP = [
    Path("/sys/fs/cgroup") / name
    for name in ("memory.max", "memory.high", "memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes")
]
"""Where a container says what memory it may take, hard and soft, in either version of control groups."""


def usable_memory() -> int:
    """Return the bytes that this process may take: of the machine, its control group and its own limit the least.

    So do Dask's workers, but a plan need not load Dask for it.
    """
    limits = [psutil.virtual_memory().total, resource.getrlimit(resource.RLIMIT_RSS)[1]]
    for file in CONTROL_GROUP:
        with suppress(OSError, ValueError):  # of the other version, or "max"
            limits.append(int(file.read_text(encoding="ascii")))
    return min(limit for limit in limits if limit > 0)


def check_interface(name: str) -> None:
    """Make sure that this machine has a network interface with an IPv4 address.

    Raises
    ------
    ConfigError
        If it has none of that name, naming those it has.
    """
    has = {
        interface: address.address
        for interface, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    }
    if name not in has:
        existing = ", ".join(f"{interface} ({address})" for interface, address in has.items())
        raise ConfigError(
            f"interface = {name!r}: this machine has no interface of that name with an IPv4 address, only {existing}; "
            "choose the one that connects it to the workers"
        )


def check_command(name: str, kind: str) -> None:
    """Make sure that a command of a batch system exists.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if shutil.which(name) is None:
        raise ConfigError(
            f"kind = {kind!r}: there is no command {name} on this machine; run this where jobs are submitted, such as "
            "a login node, and load the module that provides it"
        )


def check_worker_host(interface: str, certificate: str) -> None:
    """Make sure that workers can start on this machine, and print this package's version; other machines call it.

    Raises
    ------
    ConfigError
        If it does not have the interface or does not see the keys of the run.
    """
    check_interface(interface)
    if not Path(certificate).is_file():
        raise ConfigError(f"{certificate} is not here: tls_directory must be on a file system that all machines share")
    print(version("distributed_trf"))


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


@contextmanager
def with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process's environment while the block runs."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        put_back_variables(before, variables)


def put_back_variables(before: Mapping[str, str], names: Iterable[str]) -> None:
    """Give variables of this process's environment the values that they had before; other variables stay."""
    for name in names:
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)

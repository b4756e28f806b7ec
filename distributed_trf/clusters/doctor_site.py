"""Checks of the site for ``dtrf doctor``: can workers start and reach this machine; is the folder fast and safe."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from distributed_trf.clusters.doctor_installation import Finding
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_base import RemoteRecipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.recipe_machines import ExistingRecipe, SshRecipe
from distributed_trf.clusters.this_machine import check_command, check_interface, free_address
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.store.atomic import check_folder, write_text

SECONDS = 20
"""Seconds for a batch system to answer."""
LISTING = {"slurm": ("sinfo", "--summarize"), "pbs": ("qstat", "-Q"), "lsf": ("bqueues",), "sge": ("qconf", "-sql")}


def check_site(recipe: Recipe) -> Iterator[Finding]:
    """Check the connections between workers and this machine, and the commands that start workers."""
    yield from _dashboard(recipe)
    if isinstance(recipe, RemoteRecipe):
        yield from _interface(recipe)
    if isinstance(recipe, JobRecipe):
        yield from _commands(recipe)
    if isinstance(recipe, SshRecipe):
        yield from _hosts(recipe)
    if isinstance(recipe, ExistingRecipe):
        yield from _scheduler(recipe)


def _dashboard(recipe: Recipe) -> Iterator[Finding]:
    host = recipe.dashboard.rpartition(":")[0]
    taken = free_address(recipe.dashboard) != recipe.dashboard
    yield Finding("dashboard", f"{recipe.dashboard} is {'taken; a run takes another port' if taken else 'free'}")
    if host not in ("127.0.0.1", "localhost"):
        wrong = "the dashboard has no password: bind it to 127.0.0.1 and reach it through ssh -L"
        yield Finding("dashboard", f"open to others on {host}", wrong)


def _interface(recipe: RemoteRecipe) -> Iterator[Finding]:
    name = recipe.interface_here
    try:
        check_interface(name)
    except ConfigError as error:
        yield Finding("interface", name, str(error))
        return
    address = next(a.address for a in psutil.net_if_addrs()[name] if a.family == socket.AF_INET)
    try:
        with socket.create_server((address, 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
            pass
    except OSError as error:
        wrong = f"no connection to this machine's own {address}: {error}; ask the site which ports are open"
        yield Finding("interface", f"{name} ({address})", wrong)
        return
    yield Finding("interface", f"{name} ({address}): a port can be bound and reached from here")


def _commands(recipe: JobRecipe) -> Iterator[Finding]:
    for command in recipe.commands:
        try:
            check_command(command, recipe.kind)
        except ConfigError as error:
            yield Finding(command, "not found", str(error))
        else:
            yield Finding(command, str(shutil.which(command)))
    listing = LISTING[recipe.kind]
    if all(shutil.which(command) for command in (*recipe.commands, listing[0])):
        yield _answer(listing)
    folder = recipe.log_directory
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield Finding(
            "log_directory", str(recipe.log_directory), f"{folder} cannot be written to; choose another folder"
        )


def _answer(command: tuple[str, ...]) -> Finding:
    """Ask the batch system for its queues."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding(command[0], f"no answer in {SECONDS} s", "the batch system does not answer; ask the site")
    if answer.returncode:
        lines = (answer.stderr or answer.stdout).strip().splitlines()
        wrong = (
            "its commands are installed, but the batch system does not answer; ask the site whether and where it runs"
        )
        return Finding(command[0], f"exit code {answer.returncode}: {lines[0] if lines else ''}", wrong)
    return Finding(command[0], f"answers with {len(answer.stdout.splitlines())} lines")


def _hosts(recipe: SshRecipe) -> Iterator[Finding]:
    for host in recipe.hosts:
        try:
            with socket.create_connection((host, recipe.port), timeout=5):
                yield Finding(host, f"port {recipe.port} answers")
        except OSError as error:
            wrong = "no ssh server can be reached; correct `hosts` and `port`, or start one there"
            yield Finding(host, f"port {recipe.port}: {error}", wrong)


def _scheduler(recipe: ExistingRecipe) -> Iterator[Finding]:
    if recipe.address is None:
        exists = recipe.scheduler_file is not None and recipe.scheduler_file.is_file()
        wrong = "" if exists else "no such file: start `dask scheduler --scheduler-file` first, on a shared folder"
        yield Finding("scheduler file", str(recipe.scheduler_file), wrong)
        return
    host, _, port = recipe.address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            yield Finding("scheduler", f"{recipe.address} answers")
    except OSError as error:
        yield Finding("scheduler", f"{recipe.address}: {error}", "start the scheduler, or correct `address`")


SLOW = 20e6
"""Bytes per second; on a slower disk GPUs would wait for it."""
SLOW_FILE = 0.1
"""Seconds: every item ends with a small file."""
LITTLE = 1 << 30


def check_store(folder: Path) -> Iterator[Finding]:
    """Write, read, rename and lock files in a folder; they are removed again."""
    try:
        check_folder(folder)
    except StoreError as error:
        yield Finding("folder", str(error), "choose another --output")
        return
    existing = folder.resolve()
    while not existing.is_dir():
        existing = existing.parent
    try:
        speed = folder_speed(existing)
    except OSError as error:
        yield Finding("folder", f"{existing}: {error.strerror}", "make it writable, or choose another --output")
        return
    free = shutil.disk_usage(existing).free
    full = "less than 1 GiB: make room, or choose another --output"
    yield Finding("folder", f"{existing}: {free / 2**30:.1f} GiB free", full if free < LITTLE else "")
    slow = "slow for features; choose a scratch file system as --output"
    for what, rate in (("writing", speed.write), ("reading", speed.read)):
        yield Finding(what, f"{rate / 1e6:.0f} MB/s", slow if rate < SLOW else "")
    slow = "each item writes one: make items larger (`extraction.batch`), or choose a folder that syncs faster"
    yield Finding("small files", f"{1000 * speed.small_file:.1f} ms each", slow if speed.small_file > SLOW_FILE else "")
    unsafe = (
        "two runs could write to one study at once: mount it with locks (on Lustre -o flock), or choose another folder"
    )
    yield Finding("locks", "kept" if speed.locks else "not kept", "" if speed.locks else unsafe)


SIZE = 32 << 20
"""Bytes of the large file."""
FILES = 20
"""Number of small files; each is written to disk and renamed."""
TRY_LOCK = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"


@dataclass(frozen=True)
class FolderSpeed:
    """The measured speed of a folder."""

    write: float
    """Bytes per second, until they are on disk."""
    read: float
    """Bytes per second, from the disk if the system drops its page cache."""
    small_file: float
    """Seconds to write a small file to disk and rename it."""
    locks: bool
    """Whether a lock of one process keeps another out."""


def folder_speed(folder: Path) -> FolderSpeed:
    """Measure the speed of an existing folder; all files are removed again.

    Raises
    ------
    OSError
        If it cannot be written to.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".dtrf-") as scratch:
        large, small = Path(scratch, "large"), Path(scratch, "small.json")
        content = os.urandom(SIZE)
        start = time.perf_counter()
        with large.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        written = time.perf_counter()
        with large.open("rb") as file:
            with suppress(OSError):  # not every file system supports this
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read()
        read = time.perf_counter()
        for _ in range(FILES):
            write_text(small, "receipt")
        renamed = time.perf_counter()
        return FolderSpeed(SIZE / (written - start), SIZE / (read - written), (renamed - read) / FILES, _locks(small))


def _locks(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other = subprocess.run([sys.executable, "-c", TRY_LOCK, str(path)], capture_output=True, check=False)
    return other.returncode != 0

"""Whether the folder that a study is to be written to is quick enough, and safe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import check_folder
from distributed_trf.store.speed import folder_speed

SLOW = 20e6
"""Bytes per second below which GPUs would wait for the disk."""
SLOW_FILE = 0.1
"""Seconds: every item ends with a small file."""
LITTLE = 1 << 30


def check_store(folder: Path) -> Iterator[Finding]:
    """Write, read, rename and lock in a folder, in which nothing stays."""
    try:
        check_folder(folder)
    except StoreError as error:
        yield Finding("folder", str(error), "choose another --output")
        return
    there = folder.resolve()
    while not there.is_dir():
        there = there.parent
    try:
        speed = folder_speed(there)
    except OSError as error:
        yield Finding("folder", f"{there}: {error.strerror}", "make it writable, or choose another --output")
        return
    free = shutil.disk_usage(there).free
    full = "less than 1 GiB: make room, or choose another --output"
    yield Finding("folder", f"{there}: {free / 2**30:.1f} GiB free", full if free < LITTLE else "")
    slow = "slow for features; choose a scratch file system as --output"
    for what, rate in (("writing", speed.write), ("reading", speed.read)):
        yield Finding(what, f"{rate / 1e6:.0f} MB/s", slow if rate < SLOW else "")
    slow = "each item writes one: make items larger (`extraction.batch`), or choose a folder that syncs quicker"
    yield Finding("small files", f"{1000 * speed.small_file:.1f} ms each", slow if speed.small_file > SLOW_FILE else "")
    unsafe = "two runs could write into one study: mount it with locks (on Lustre -o flock), or choose another folder"
    yield Finding("locks", "kept" if speed.locks else "not kept", "" if speed.locks else unsafe)

"""A file system that is really full: what does not fit is said, nothing is half written, and more room is enough."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from distributed_trf.errors import StoreError


@pytest.fixture
def small_disk(bench):
    """The study's folder on a file system that takes what is read, but not all features."""
    bench.folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=7500k", "tmpfs", bench.folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield bench
    subprocess.run(["umount", bench.folder], check=True)


def test_full_disk__is_said_and_with_more_room_the_same_command_ends_well(small_disk):
    bench = small_disk
    try:
        messages = [*bench.run_here().failed.values()]
    except StoreError as error:  # no room for what comes before a stage either
        messages = [str(error)]
    assert any("no room to write" in message and "make room" in message for message in messages), messages
    bench.assert_never_wrong()
    subprocess.run(["mount", "-o", "remount,size=100m", bench.folder], check=True)
    assert bench.run_here().ok
    bench.assert_undisturbed()

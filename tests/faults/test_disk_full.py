"""A file system that is really full: what does not fit is said, nothing is half written, and more room is enough."""

from __future__ import annotations

import shutil
import subprocess

import pytest

needs_mount = pytest.mark.skipif(
    shutil.which("mount") is None
    or subprocess.run(["mount", "--help"], capture_output=True, check=False).returncode != 0,
    reason="there is no mount",
)


@pytest.fixture
def small_disk(place):
    """The study's folder on a file system of 2 MiB."""
    place.folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", place.folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place.folder], check=True)


def test_full_disk__is_said_and_with_more_room_the_same_command_ends_well(small_disk):
    place = small_disk
    report = place.run_here()
    assert not report.ok
    told = [*report.failed.values()]
    assert any("no room to write" in message and "make room" in message for message in told), told
    place.assert_never_wrong()
    subprocess.run(["mount", "-o", "remount,size=100m", place.folder], check=True)
    assert place.run_here().ok
    place.assert_undisturbed()

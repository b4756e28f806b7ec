"""Commands that are told to end, by a user, a batch system or a terminal that closes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from distributed_trf.cli.console import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal__ends_a_command_with_what_to_do_and_its_own_code(tmp_path, number):
    command = [sys.executable, "-m", "distributed_trf", "simulate", str(tmp_path / "large"), "--sessions", "500"]
    # Where these tests run in the background of a script, some signals would be ignored from the start.
    process = subprocess.Popen(
        ["env", "--default-signal=INT,HUP", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not is_handled(process.pid, signal.SIGHUP):  # the last of them; soon after, libraries are imported,
        assert process.poll() is None  # some of which take any exception for theirs
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    # Where it came while a library executed text, Python ends by the signal after all, which a shell tells alike.
    assert process.returncode in (128 + number, -number if number == signal.SIGINT else None)
    assert err == "interrupted; what is done is kept: run the same command again\n"
    assert out.strip() == ""
    assert not (tmp_path / "large").exists()


def test_nohup__stays_deaf_to_its_terminal(tmp_path):
    command = [sys.executable, "-m", "distributed_trf", "simulate", str(tmp_path / "large"), "--sessions", "500"]
    process = subprocess.Popen(["env", "--ignore-signal=HUP", *command], stderr=subprocess.DEVNULL)
    while not is_handled(process.pid, signal.SIGTERM):
        assert process.poll() is None
        time.sleep(0.02)
    assert not is_handled(process.pid, signal.SIGHUP)
    process.terminate()
    assert process.wait(timeout=300) == 128 + signal.SIGTERM


def test_second_interrupt__breaks_nothing_off():
    put_in_order = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            put_in_order.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as in the others
    try:
        with pytest.raises(typer.Exit), interruptible():
            work()
        assert put_in_order
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def is_handled(pid, number):
    caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and int(caught[1], 16) >> (number - 1) & 1

"""Commands that are told to end: they put things in order first, so that no worker or job of a queue stays behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from distributed_trf.cli.console import err

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Of a user's Ctrl-C, of the system or a batch system, and of a terminal that is gone."""


class Told(SystemExit):
    """A signal asked this process to end."""


@contextmanager
def interruptible() -> Iterator[None]:
    """End a block as an error would when a signal comes, then say how to go on; the exit code is 128 + signal."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # nohup ignores SIGHUP
    try:  # from the first of them on, one may come
        for number in heeded:
            signal.signal(number, _end)
        yield
    except KeyboardInterrupt:
        _say()
        raise typer.Exit(128 + signal.SIGINT) from None
    except Told:
        _say()
        raise
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _end(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one must not break off what the first one began
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Told(128 + number)


def _say() -> None:
    err.print("interrupted; what is done is kept: run the same command again")

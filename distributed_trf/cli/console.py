"""The terminal, numbers as people read them, and commands that a signal ends.

A command that is ended by a signal first releases its workers and jobs, so that none stays behind in a queue.
"""

from __future__ import annotations

import json
import logging
import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.console import Console

# Text is printed as it is: text in brackets or between colons may be part of a path. Styles are given as such.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


JSON = typer.Option(
    "--json", help="Print JSON instead: sizes in bytes, times in seconds, null where there is no number."
)


def print_json(content: Mapping[str, Any]) -> None:
    """Print what a program is to read; nothing else may go to the output with it."""
    typer.echo(json.dumps(_plain(content), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Make what JSON has: numbers of numpy become those of Python, and null where there is none."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # of numpy
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


LOGS = logging.StreamHandler()
"""For what libraries log; ``dtrf --verbose`` shows more of it."""
NOTES = logging.StreamHandler()
"""For what is to be said of settings."""
NOTES.setFormatter(logging.Formatter("note: %(message)s"))


def quieten_dask() -> None:
    """Leave out what Dask logs, unless the user wants it.

    While workers go, or are slow on a busy machine, that is tracebacks; what a user can do something about is told as
    events of the run. To be called before a cluster starts.
    """
    if LOGS.level < logging.WARNING:
        return
    import distributed  # noqa: F401  which gives its loggers their levels

    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio", "bokeh"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def size(n_bytes: float) -> str:
    """Write a number of bytes with a binary unit.

    Examples
    --------
    >>> size(3 * 2**30), size(3000 * 2**40), size(12)
    ('3.0 GiB', '2.9 PiB', '12 B')
    """
    return f"{n_bytes:.0f} B" if n_bytes < 1024 else _scaled(n_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def work(flops: float) -> str:
    """Write a number of floating-point operations.

    Examples
    --------
    >>> work(2.5e9), work(0)
    ('2.5 GFLOP', '-')
    """
    return _scaled(flops, 1000, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP")) if flops else "-"


def duration(seconds: float) -> str:
    """Write a time with one unit.

    Examples
    --------
    >>> duration(0.21), duration(75), duration(7200), duration(1e6)
    ('0.2 s', '75 s', '2.0 h', '12 days')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, format in ((100, 1, "{:.0f} s"), (6000, 60, "{:.0f} min"), (48 * 3600, 3600, "{:.1f} h")):
        if seconds < limit:
            return format.format(seconds / unit)
    return f"{seconds / 86400:.0f} days"


def _scaled(n: float, base: int, units: tuple[str, ...]) -> str:
    """Write a number with the largest unit of which there is one, to two digits at least."""
    power = 0
    while n >= base and power < len(units) - 1:
        n, power = n / base, power + 1
    return f"{n:.1f} {units[power]}" if n < 10 else f"{n:.0f} {units[power]}"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Of a user's Ctrl-C, of the system or a batch system, and of a terminal that is gone."""


class EndedBySignal(SystemExit):
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
    except EndedBySignal:
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
    raise EndedBySignal(128 + number)


def _say() -> None:
    err.print("interrupted; what is done is kept: run the same command again")

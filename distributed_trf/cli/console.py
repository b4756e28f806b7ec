"""The terminal, and numbers as people read them."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def size(n_bytes: float) -> str:
    """Write a number of bytes with a binary unit.

    Examples
    --------
    >>> size(3 * 2**30)
    '3.0 GiB'
    """
    for unit in ("B", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} GiB"


def work(flops: float) -> str:
    """Write a number of floating-point operations in billions.

    Examples
    --------
    >>> work(2.5e9)
    '2.5 GFLOP'
    """
    return f"{flops / 1e9:,.1f} GFLOP"

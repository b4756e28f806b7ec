"""Tell all workers something, though some may be lost meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from distributed_trf.errors import WorkersLostError

T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.2
"""Seconds in which the scheduler notices who is gone."""


def tell_workers(client: Any, tell: Callable[..., T], *args: Any) -> T:
    """Call what sends a message to every worker of a client, again when one that it was sent to is gone.

    Dask gives up such a message as a whole. That a worker was lost must not end a run: those that are left are told
    again, and one that comes in its place is told as it starts.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    tell
        A method of the client, such as ``client.register_plugin``.
    *args
        What it takes.

    Raises
    ------
    WorkersLostError
        If a worker was lost at every attempt.
    OSError
        If the scheduler itself is gone.
    """
    for _ in range(ATTEMPTS):
        try:
            return tell(*args)
        except OSError as error:
            if client.status != "running":
                raise
            lost = error
            time.sleep(PAUSE)
    raise WorkersLostError(
        f"each of {ATTEMPTS} times that the workers were set up one of them was lost: {lost}; see what ends them in "
        "the workers' logs"
    ) from lost

"""Connect a run with its scheduler: send the progress grid to the page, and events of workers to the watchers."""

from __future__ import annotations

import json
import socket
import threading
import time
from queue import SimpleQueue
from typing import Any, Self

from distributed_trf.clusters.dask_internals import send_message
from distributed_trf.pipeline.events import ClusterEvent, Dashboard, Watcher, WorkerJoined, WorkerLeft
from distributed_trf.pipeline.progress_grid import ProgressGrid

INTERVAL = 1.0
"""Seconds between two sendings; a large grid that takes long to send is sent less often."""
SHARE = 0.05
"""Largest share of the driver's time that sending may take."""
TIMEOUT = 30.0
"""Seconds to wait for an answer of the scheduler."""


class DashboardLink:
    """Keep the study's page on the dashboard up to date while a block runs, and tell watchers of workers.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    grid
        What the page shows.
    tell
        Receives events of workers that join and leave, and of actions of the cluster.
    """

    def __init__(self, client: Any, grid: ProgressGrid, tell: Watcher) -> None:
        self._client, self._grid, self._tell = client, grid, tell
        self._unsent: dict[str, str] = {}
        self._received: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_sending, name="study page", daemon=True)

    def __enter__(self) -> Self:
        from distributed_trf.clusters.worker_proof import TOPIC
        from distributed_trf.pipeline.dashboard_page import StudyPage

        self._topic = TOPIC
        self._client.register_plugin(StudyPage(self._grid.layout(), self._grid.positions()))
        self._client.subscribe_topic(TOPIC, self._receive)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._topic)

    @property
    def workers(self) -> dict[str, str]:
        """Host of each worker, by address."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return {address: worker["host"] for address, worker in workers.items()}

    def dashboard(self, requested: str) -> Dashboard | None:
        """Return where the pages are, given the address in the recipe; None without a dashboard."""
        port = self._client.scheduler_info()["services"].get("dashboard")
        if port is None:
            return None
        machine = self._client.run_on_scheduler(socket.gethostname)
        if self._client.cluster is None:  # the scheduler was started by someone else
            return Dashboard(self._client.dashboard_link.removesuffix("status") + "study", port, machine, taken=None)
        # Dask's own link has the address that workers use for the scheduler; the dashboard may not listen there.
        host, _, wanted = requested.rpartition(":")
        taken = None if int(wanted) in (0, port) else int(wanted)
        return Dashboard(f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/study", port, machine, taken)

    def _keep_sending(self) -> None:
        pause, last = 0.0, False
        while not last:
            last = self._over.wait(pause)
            while not self._received.empty():
                self._pass_on(self._received.get())
            start = time.perf_counter()
            self._send()
            pause = max(INTERVAL, (time.perf_counter() - start) / SHARE)

    def _send(self) -> None:
        from distributed_trf.pipeline.dashboard_page import UPDATE

        self._unsent |= self._grid.changes()
        try:
            head = json.dumps(self._grid.head())
            sent = send_message(self._client, UPDATE, TIMEOUT, head=head, tables=self._unsent)
        except (OSError, RuntimeError):
            sent = False
        if sent:  # otherwise the scheduler is gone, and the run reports that
            self._unsent = {}

    def _receive(self, event: tuple[float, Any]) -> None:
        """Queue an event about workers; the thread that talks to the scheduler must not wait for watchers."""
        _, details = event
        if not self._over.is_set() and isinstance(details, dict):  # afterwards workers leave because the run is over
            self._received.put(details)

    def _pass_on(self, details: dict[str, Any]) -> None:
        match details:
            case {"action": "worker joined", "worker": worker, "host": host}:
                self._tell(WorkerJoined(worker, host))
            case {"action": "worker left", "worker": worker, "host": host, "left": left}:
                self._tell(WorkerLeft(worker, host, left))
            case _:
                self._tell(ClusterEvent(details))

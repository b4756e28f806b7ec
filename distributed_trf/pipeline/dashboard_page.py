"""The page of a study on the dashboard's server. A scheduler plugin serves it, so every kind of cluster has it."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import Scheduler, SchedulerPlugin
from tornado.web import HTTPError, RequestHandler

from distributed_trf.clusters.dask_internals import plugin_of, serve_pages, take_messages
from distributed_trf.clusters.worker_proof import TOPIC

UPDATE = "distributed_trf_study"
"""Name of the messages by which the scheduler receives updates of the study."""
NAME = "distributed_trf-study"
FILES = {"study.css": "text/css", "study.js": "text/javascript"}
NOTES = 8
"""Number of worker events that are shown."""


class StudyPage(SchedulerPlugin):
    """Serve ``/study``, its tables at ``/study/layout.json``, and the content of a table at ``/study/state.json``.

    The driver sends the progress of the study as JSON; the scheduler adds what each worker is running.

    Parameters
    ----------
    layout
        Tables and rows, which do not change (``ProgressGrid.layout``).
    positions
        Position of each item in the tables (``ProgressGrid.positions``).
    """

    name = NAME

    def __init__(self, layout: Mapping[str, Any], positions: Mapping[str, Any]) -> None:
        self.layout, self._positions = json.dumps(layout), positions
        self._head, self._tables = "{}", dict[str, str]()
        self._hosts: dict[str, str] = {}
        self._notes: deque[dict[str, Any]] = deque(maxlen=NOTES)

    async def start(self, scheduler: Scheduler) -> None:
        """Start serving; a scheduler that outlives its runs shows the latest run."""
        self._scheduler = scheduler
        if plugin_of(scheduler, NAME) is not None:
            scheduler.remove_plugin(NAME)
        else:
            assets = "|".join(file.replace(".", r"\.") for file in FILES)
            served = [
                (r"/study", _Page),
                (r"/study/layout\.json", _Layout),
                (r"/study/state\.json", _State),
                (rf"/study/({assets})", _Asset),
            ]
            serve_pages(scheduler, [(path, handler, {"scheduler": scheduler}) for path, handler in served])
        take_messages(scheduler, UPDATE, self.update)
        self._hosts = {address: ws.host for address, ws in scheduler.workers.items()}

    def update(self, head: str, tables: Mapping[str, str]) -> None:
        """Store the driver's summary and the tables that have changed."""
        self._head = head
        self._tables.update(tables)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Log that a worker joined."""
        self._hosts[worker] = scheduler.workers[worker].host
        scheduler.log_event(TOPIC, {"action": "worker joined", "worker": worker, "host": self._hosts[worker]})

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Log that a worker left."""
        details = {"worker": worker, "host": self._hosts.pop(worker, ""), "left": len(scheduler.workers)}
        scheduler.log_event(TOPIC, {"action": "worker left", **details})

    def log_event(self, topic: str, msg: Any) -> None:
        """Keep the latest events of workers for the page."""
        if topic == TOPIC and isinstance(msg, dict):
            self._notes.append({"time": time.time(), **msg})

    def state(self, table: str) -> str:
        """Return as JSON what the page shows, with one of the tables; null for an unknown table."""
        live = json.dumps({"workers": self._workers(), "notes": list(self._notes), "now": time.time()}, default=str)
        content = self._tables.get(table, "null")
        return f'{{"study":{self._head},"table":{content},"live":{live}}}'

    def _workers(self) -> list[dict[str, Any]]:
        """Return host, resources and running items of each worker, by its last heartbeat."""
        return [
            {
                "name": str(ws.name),
                "host": ws.host,
                "address": address,
                "gpu": ws.extra.get("gpu", {}).get("name"),
                "memory": ws.metrics.get("memory", 0),
                "limit": ws.memory_limit,
                "cpu": ws.metrics.get("cpu", 0),
                "items": [self._item(ts.key, seconds) for ts, seconds in ws.executing.items()],
            }
            for address, ws in self._scheduler.workers.items()
        ]

    def _item(self, key: Any, seconds: float) -> dict[str, Any]:
        """Return the item of a task, with its position in the tables."""
        # Keys of items are (name on the dashboard, key of the item, attempt, run); other programs may have tasks too.
        group, name = (str(key[0]), str(key[1])) if isinstance(key, tuple) and len(key) > 1 else (str(key), "")
        stage = group.rpartition(" ")[2]
        return {"stage": stage, "key": name, "place": self._positions.get(f"{stage} {name}"), "seconds": seconds}


class _Handler(RequestHandler):
    def initialize(self, scheduler: Scheduler) -> None:
        self.page = plugin_of(scheduler, NAME)

    def set_default_headers(self) -> None:
        # Names in a study are text, never code; nothing is loaded from other servers.
        self.set_header("Content-Security-Policy", "default-src 'self'; img-src data:; base-uri 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")


class _Page(_Handler):
    def get(self) -> None:
        self.finish(_asset("study.html"))


class _Layout(_Handler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(self.page.layout)


class _State(_Handler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(self.page.state(self.get_query_argument("table", "")))


class _Asset(_Handler):
    def get(self, name: str) -> None:
        if name not in FILES:
            raise HTTPError(404)
        self.set_header("Content-Type", f"{FILES[name]}; charset=utf-8")
        self.finish(_asset(name))


def _asset(name: str) -> bytes:
    return (Path(__file__).with_name("page_files") / name).read_bytes()

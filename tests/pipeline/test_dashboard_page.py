"""The page of a study on the dashboard of a real cluster, in a real browser."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
import yaml

from distributed_trf import Study, open_results
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.pipeline.dashboard_link import DashboardLink
from distributed_trf.pipeline.events import ItemEnded, RunEnded, RunStarted, WorkerJoined, WorkerLeft
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.progress_grid import ProgressGrid
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import Planned, State
from tests.browser import chromium, needs_chromium

MEL = {"name": "mel_librosa"}
HOSTILE = "<img src=x onerror=document.title='hurt'>"
WAIT = 300


@contextmanager
def held_at(study, recipe, holds):
    """Run a study beside the block, which begins when an event comes that ``holds``; the run goes on when it ends."""
    events, reached, go_on, reports = [], threading.Event(), threading.Event(), []

    def watch(event):
        events.append(event)
        if not reached.is_set() and holds(event):
            reached.set()
            assert go_on.wait(WAIT)
        if isinstance(event, RunEnded):
            reached.set()

    run = threading.Thread(target=lambda: reports.append(study.run(recipe, watcher=watch)))
    run.start()
    try:
        assert reached.wait(WAIT)
        yield events, reports
    finally:
        go_on.set()
        run.join(WAIT)
    assert not run.is_alive()


def dashboard(events):
    return next(event.dashboard for event in events if isinstance(event, RunStarted))


def state(link, table):
    with urlopen(f"{link}/state.json?table={quote(table)}") as answer:
        return json.load(answer)


def until(found):
    """Return what a function finds, once it finds something."""
    pause = threading.Event()
    for _ in range(10 * WAIT):
        result = found()
        if result:
            return result
        pause.wait(0.1)
    pytest.fail("it never came")


@pytest.fixture
def recipe(workplace):
    """A recipe of one worker, whose dashboard has a port that is another's."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        path = workplace / "one.yaml"
        path.write_text(
            yaml.safe_dump({"kind": "local", "workers": 1, "dashboard": f"127.0.0.1:{other.getsockname()[1]}"})
        )
        yield path


@needs_chromium
def test_page__shows_fits_as_they_come_and_nothing_from_elsewhere(write_study, workplace, recipe):
    write_study(networks=[MEL], reliability=None)
    assert Study.load("study.yaml").run(recipe=None).ok
    small = {"name": "small_whisper", "weights": ["reset", "trained"], "source": HOSTILE}
    write_study(networks=[MEL, small], reliability=None)
    study = Study.load("study.yaml")

    def second_fit(event):
        return isinstance(event, ItemEnded) and event.outcome.item.key == "timit-small_whisper-reset-01-50ms"

    with held_at(study, recipe, second_fit) as (events, reports), chromium(workplace / "profile") as browser:
        page = dashboard(events)
        assert f"127.0.0.1:{page.taken}" == load_recipe(recipe).dashboard
        browser.get(page.link)

        def cells():
            found = browser.execute_script(
                "return [...document.querySelectorAll('#grid .cell')].map(c => [c.title, c.textContent, c.className])"
            )
            return found if sum(bool(text) for _, text, _ in found) == 3 else None

        shown = {title.split(":")[0].partition(" (")[0]: (text, kind) for title, text, kind in until(cells)}
        assert shown["mel_librosa fixed, layer 0"][1] == "cell earlier"
        assert shown["small_whisper reset, layer 1"][1] == "cell done"
        assert shown["small_whisper trained, layer 0"] == ("", "cell blocked")
        assert shown["small_whisper reset, layer 3"][0] == ""

        assert browser.title.endswith("% small")
        text = browser.find_element("id", "failed").text
        assert HOSTILE in text  # what was meant to be markup is text
        assert not browser.find_elements("tag name", "img")
        assert browser.find_element("id", "state").text.startswith("running")
        assert browser.find_element("id", "workers").text.count("127.0.0.1") == 1
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        origin = page.link.removesuffix("/study")
        assert {url.removeprefix(origin).split("?")[0] for url in loaded} == {
            "/study/study.css",
            "/study/study.js",
            "/study/layout.json",
            "/study/state.json",
        }
        assert browser.get_log("browser") == []

        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= 1280
        assert set_width(browser, 400) <= 500  # the narrowest that Chromium's windows are
    (report,) = reports
    assert set(report.failed) == {f"extract timit-small_whisper-trained-000{k}" for k in range(3)}
    ds = open_results("study").r.sel(stimuli="timit", bin_width=50)
    for network, weights, layer in (("mel_librosa", "fixed", 0), *(("small_whisper", "reset", k) for k in (0, 1))):
        median = np.nanmedian(ds.sel(network=network, weights=weights, layer=layer))
        assert float(shown[f"{network} {weights}, layer {layer}"][0]) == pytest.approx(median, abs=0.0051)


def set_width(browser, width):
    browser.set_window_size(width, 800)
    return browser.execute_script("return document.documentElement.scrollWidth")


def test_page__names_spans_and_workers_of_a_run(write_study, workplace, recipe):
    """Also after a worker was killed, which the page, the log and all watchers show."""
    from distributed import default_client

    write_study(networks=[MEL], reliability=None)
    study = Study.load("study.yaml")

    def first_extraction(event):
        return isinstance(event, ItemEnded) and event.outcome.item.stage == "extract"

    with held_at(study, recipe, first_extraction) as (events, _):
        page, client = dashboard(events), default_client()
        assert page.host == socket.gethostname()
        found = until(lambda: (now := state(page.link, "timit 50"))["table"]["extracted"] == [[1, 3]] and now)
        assert found["study"]["state"] == "running"
        assert found["study"]["run"] == next(e.folder.name for e in events if isinstance(e, RunStarted))
        (worker,) = found["live"]["workers"]
        assert worker["limit"] > worker["memory"] > 0
        assert state(page.link, "no such table")["table"] is None

        def spans(dask_scheduler):
            return sorted(name for name in dask_scheduler.extensions["spans"].spans_search_by_name if len(name) == 2)

        assert client.run_on_scheduler(spans) == [("small", "extract"), ("small", "read")]
        names = {tuple(key)[0] for key in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))}
        assert names <= {"mel_librosa extract"}

        (pid,) = client.run(os.getpid).values()
        servers = [*psutil.Process(pid).net_connections("inet"), *psutil.Process().net_connections("inet")]
        assert {c.laddr.ip for c in servers if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        psutil.Process(pid).kill()
        until(
            lambda: (
                [note["action"] for note in state(page.link, "")["live"]["notes"]] == ["worker left", "worker joined"]
            )
        )
    kinds = [type(event) for event in events]
    assert kinds.index(WorkerLeft) < kinds.index(WorkerJoined)
    (run,) = (workplace / "study/runs").iterdir()
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines if line["event"].startswith("worker")] == ["worker left", "worker joined"]
    assert next(line["left"] for line in lines if line["event"] == "worker left") == 0
    assert lines[0]["page"] == page.link
    assert lines[-1]["event"] == "run finished"
    report = (run / "performance.html").read_text()
    assert "mel_librosa fit" in report


def test_page__of_a_scheduler_that_outlives_its_runs_shows_the_latest():
    """And is served with no right to load or run anything from elsewhere."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        for name in ("first", "second"):
            grid = ProgressGrid(
                [Planned(Fit("timit", name, "reset", 0, 50.0), State.PENDING, "", {})], {name: [(0, "a", "b")]}
            )
            with DashboardLink(client, grid, lambda _: None) as link:
                page = link.dashboard("127.0.0.1:0")
                grid(RunEnded("finished", Report()))
        assert page.taken is None
        with urlopen(f"{page.link}/layout.json") as answer:
            assert json.load(answer)["rows"] == [["second", "reset"]]
        assert state(page.link, "timit 50")["study"]["state"] == "finished"  # sent when the link ended
        with urlopen(page.link) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{page.link}/page.py")

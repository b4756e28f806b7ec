"""Notebooks executed as a reader would: top to bottom, in a folder of their own, in a kernel of this environment."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import nbformat
import psutil
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = tuple(path.stem for path in sorted(FOLDER.glob("*.ipynb")))
FIRST_HALF, SECOND_HALF = NOTEBOOKS[:5], NOTEBOOKS[5:]
"""Of two files of tests, so that two processes share the time."""
CELL_SECONDS = 300
MARK = "NOTEBOOK_UNDER_TEST"

# What dask says of a busy machine, where workers take their time to end and another process takes a port that was free.
BUSY = re.compile(
    r"^(.*distributed\.nanny - WARNING - Worker process still alive after .* seconds, killing"
    r"|.*UserWarning: Port \d+ is already in use\.|Perhaps you already have a cluster running\?"
    r"|Hosting the HTTP server on port \d+ instead|\s*warnings\.warn\(|\s*)$"
)


def execute(name: str, folder: Path, environment: Mapping[str, str] | None = None) -> NotebookNode:
    """Execute a notebook in a folder, and check that nothing of it goes on afterwards or is written elsewhere.

    ``environment`` is that of its kernel, by default the one of this process. An error in a cell is raised.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    mark = uuid4().hex
    env = {
        **(os.environ if environment is None else environment),
        MARK: mark,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "IPYTHONDIR": str(folder / ".ipython"),  # not the history of whoever runs the tests
    }
    work = folder / "work"
    work.mkdir()
    there = set(FOLDER.rglob("*"))
    # Sockets that only this user may use, not ports.
    config = Config({"ConnectionFileMixin": {"transport": "ipc", "connection_file": str(folder / "kernel.json")}})
    resources = {"metadata": {"path": str(work)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=CELL_SECONDS, resources=resources, config=config)
    client.execute(env=env)
    left = left_running(mark)
    assert not left, f"still there: {left}"
    assert set(FOLDER.rglob("*")) == there
    return notebook


def told_on_stderr(notebook: NotebookNode) -> list[str]:
    """Return what an executed notebook shows of warnings and logs, but for what a busy machine explains."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    lines = [
        line
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
        for line in output.text.splitlines()
    ]
    return [line for line in lines if not BUSY.match(line)]


def printed(notebook: NotebookNode) -> str:
    """Return all that the cells of an executed notebook printed."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == "stdout")


def html(notebook: NotebookNode) -> str:
    """Return all that the cells of an executed notebook show as HTML."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("data", {}).get("text/html", "") for output in outputs)


def n_pictures(notebook: NotebookNode) -> int:
    """Count the pictures that an executed notebook shows."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def left_running(mark: str, patience: float = 60.0) -> list[str]:
    """Return the processes of a notebook that have not ended a while after its kernel."""
    end = time.monotonic() + patience
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _marked(mark: str) -> list[str]:
    """Command lines of the processes that inherited the mark."""
    found = psutil.process_iter(["environ", "cmdline", "status"])
    return [
        " ".join(p.info["cmdline"] or [])
        for p in found
        if (p.info["environ"] or {}).get(MARK) == mark and p.info["status"] != psutil.STATUS_ZOMBIE
    ]

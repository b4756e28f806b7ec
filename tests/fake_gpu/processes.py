"""Processes that have the stand-in for a GPU, which this one must never import."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(*arguments: str, folder: Path | None = None, **more: str) -> subprocess.Popen[str]:
    """Start Python with the card, in a folder from which it also imports."""
    path = (str(HERE / "path"), str(ROOT), *([str(folder)] if folder else []), os.environ.get("PYTHONPATH", ""))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(filter(None, path)),
                   "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}", **more}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for a process, and return what it said; it must have ended well."""
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 0, said[-6000:]
    return said


def outcomes(script: str, *arguments: str) -> dict[str, str]:
    """Run a script of this folder and return what it said of each case, as ``told`` writes it."""
    lines = ended(start(str(HERE / script), *arguments)).splitlines()
    return dict(json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK))


MARK = "case: "


def tell(name: str, outcome: str) -> None:
    """Say in a line what came out of a case; ``ok`` if all is well."""
    print(MARK + json.dumps([name, outcome]), flush=True)


def reported(folder: Path) -> tuple[Counter, list[str], Counter]:
    """Add up what all processes wrote into the folder of ``FAKE_GPU_REPORT``: counts, faults, notes."""
    counts, faults, notes = Counter(), [], Counter()
    for file in folder.glob("*.json"):
        told = json.loads(file.read_text())
        counts.update(told["counts"])
        notes.update(told["notes"])
        faults += told["faults"]
    return counts, faults, notes


def gpu_check() -> ModuleType:
    """Import the script of that name."""
    sys.path.insert(0, str(ROOT / "scripts"))
    loader = SourceFileLoader("gpu_check", str(ROOT / "scripts/gpu_check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    sys.modules["gpu_check"] = module
    loader.exec_module(module)
    return module

"""How often a fit and an extraction ask something of a device, counted on the stand-in of ``tests/fake_gpu``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FAKE = ROOT / "tests" / "fake_gpu" / "path"
SOLVERS = ("cholesky", "eigh")


def counted(*, sentences: int, units: int, sessions: int) -> dict[str, dict[str, int]]:
    """Count in a process of its own, which has the stand-in.

    Parameters
    ----------
    sentences, units, sessions
        Of the fit. How wide a layer is changes what is calculated, not how often something is asked.

    Returns
    -------
    dict
        Of a fit by each solver, and of an extraction of one sound and of nine by a network of five layers: launches,
        waits, copies.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), str(FAKE), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, __file__, str(sentences), str(units), str(sessions)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _count(sentences: int, units: int, sessions: int) -> dict[str, dict[str, int]]:
    import fake_card

    loader = SourceFileLoader("gpu_check", str(ROOT / "scripts" / "gpu_check"))
    check: Any = module_from_spec(spec_from_loader("gpu_check", loader))  # type: ignore[arg-type]  # it has a loader
    sys.modules["gpu_check"] = check
    loader.exec_module(check)
    device, found = check.Device("cuda"), {}
    data = check.recordings(sentences, 2, units)
    for solver in SOLVERS:
        check.one_fit(device, data[:40], 1, solver=solver)  # the first of a process makes what later ones share
        with fake_card.counted() as counts:
            check.one_fit(device, data, sessions, solver=solver)
        waits = 2 * -(-sentences // check.BATCH)  # the check's own, of its clock
        found[solver] = {
            "launches": counts["launches"],
            "waits": counts["syncs"] - waits,
            "copies": counts["h2d"] + counts["d2h"],
        }
    table = check.small_table("whisper_tiny", check.SMALL["whisper_tiny"])
    network = check.build(table, "cuda", "float32")
    check.hear(network, table, check.noise(table.sfreq, 1))
    for n in (1, 9):
        with fake_card.counted() as counts:
            check.hear(network, table, check.noise(table.sfreq, n))
        found[f"{n} sounds"] = {
            "launches": counts["torch.kernels"],
            "waits": counts["torch.syncs"],
            "copies": counts["torch.h2d"] + counts["torch.d2h"],
            "layers": len(table.layers),
        }
    return found


if __name__ == "__main__":
    print(json.dumps(_count(*map(int, sys.argv[1:]))))

"""A new kind of analysis is a file of a stage, settings, and a line in the table of work: nothing else is edited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import distributed_trf

PACKAGE = Path(distributed_trf.__file__).parent
STAGE = Path(__file__).parent / "new_analysis/noise_floor.py"
SETTINGS = '''class NoiseFloorSettings(LayerAnalysisSettings):
    """What r no prediction stays below by chance."""

    branches = {"noise_floor": "noise-floor"}

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        return self.name, "tested with shifted predictions"


class Analyses(Settings):
    """The fields of a study that ask for analyses."""

    noise_floor: list[NoiseFloorSettings] = []
'''
RUN = """
import numpy as np
from distributed_trf import Study, open_results, open_tree
from distributed_trf.cli.app import app
from distributed_trf.pipeline.status import State

if __name__ == "__main__":
    study = Study.load("study.yaml")
    planned = {p.item.key: (p, cost) for p, cost in study.plan()}
    (key,) = [key for key in planned if key.startswith("noise-floor-")]
    assert planned[key][0].state is State.WAITING and planned[key][1].flops > 0
    report = study.run("local")
    assert report.ok and report.done["analyse"] == 1, report
    again = study.run("local")
    assert again.folder is None and again.skipped["analyse"] == 1, again
    study.output.joinpath("receipts/analyse", key + ".json").unlink()
    assert study.run(None).done["analyse"] == 1
    floor = open_tree(study.output)["noise_floor"].dataset
    fitted = open_results(study.output)
    one = dict(network="mel_librosa", weights="fixed", layer=0, bin_width=50.0, stimuli="timit")
    r, real = floor["r"].sel(one).values, fitted["r"].sel(one).values
    assert np.isfinite(r).all() and r.mean() < real.mean() - 0.1, (r, real)
    app(["report", "study.yaml", "--output", "report.html"], standalone_mode=False)
    assert "tested with shifted predictions" in open("report.html").read()
    print("new analysis done")
"""


def edited(folder: Path) -> Path:
    """Copy the package and add an analysis by three edits."""
    package = folder / "distributed_trf"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "configs", folder / "configs", dirs_exist_ok=True)
    shutil.copytree(PACKAGE.parent / "cluster", folder / "cluster", dirs_exist_ok=True)
    shutil.copy(STAGE, package / "pipeline/stages/noise_floor.py")
    settings = (package / "config/analyses.py").read_text()
    head, body = settings.split("class Analyses(Settings):\n", 1)
    (package / "config/analyses.py").write_text(head + SETTINGS + body.split('"""\n', 1)[1])
    table = (package / "pipeline/work.py").read_text()
    table = table.replace("        LOWPASS_FITS,\n", "        LOWPASS_FITS,\n        NOISE_FLOORS,\n")
    stage = "from distributed_trf.pipeline.stages.noise_floor import NOISE_FLOORS\n"
    (package / "pipeline/work.py").write_text(table.replace("\nKINDS", f"{stage}\nKINDS", 1))
    return package


@pytest.mark.slow
def test_new_analysis__runs_resumes_and_is_reported_after_three_edits(workplace, write_study):
    """On the workers of a cluster, which are other processes, and in one."""
    edited(workplace)
    floor = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}
    write_study(networks=[{"name": "mel_librosa"}], noise_floor=[floor])
    Path("run.py").write_text(RUN)
    found = subprocess.run(
        [sys.executable, "run.py"],
        env={**os.environ, "PYTHONPATH": str(workplace)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert "new analysis done" in found.stdout, found.stdout[-2000:] + found.stderr[-4000:]

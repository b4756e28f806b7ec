"""A study as a plain job array of Slurm: the script that ships, submitted twice."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from distributed_trf.config.load import shipped
from tests.clusters.conftest import CHANGES
from tests.stored import contents

pytestmark = pytest.mark.slow


def test_array__of_which_an_element_is_cancelled_is_complete_once_submitted_again(
    write_study, workplace, slurm, monkeypatch, undisturbed
):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    write_study(**CHANGES)
    script = str(shipped("cluster") / "array_slurm.sh")
    submit = ["sbatch", "--parsable", "--array=1-3", "--mem=2G", script, "study.yaml"]
    array = slurm.run(*submit).strip()
    done = workplace / "study/receipts/extract"
    until(lambda: any(done.glob("*.json")))  # the first of 48, which take seconds together
    slurm.run("scancel", f"{array}_2")
    slurm.wait_for_jobs(0, "pending,running,completing", timeout=500)
    again = slurm.run(*submit).strip()
    slurm.wait_for_jobs(0, "pending,running,completing", timeout=500)
    said = {log.name: log.read_text() for log in workplace.glob(f"dtrf-{again}-*.out")}
    assert len(said) == 3
    assert all("nothing to do" in text for text in said.values()), said
    assert contents(workplace / "study") == undisturbed


def until(true, seconds=400.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)

"""The benchmarks run, and refuse numbers that do not agree."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_bench_gpu__runs_whole_on_a_cpu(tmp_path):
    command = [sys.executable, SCRIPTS / "bench_gpu", "--device", "cpu", "--tiny", "--output", tmp_path / "table.md"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n|---|") == 3
    assert "| all | 4 | both |" in (tmp_path / "table.md").read_text()


@pytest.fixture
def bench_trf():
    for peer in ("himalaya", "mtrf"):
        pytest.importorskip(peer)
    spec = importlib.util.spec_from_file_location("bench_trf", SCRIPTS / "bench_trf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bench_trf__times_every_peer(bench_trf):
    lines = bench_trf.bench([6, 2, 5, 1500], [n for n in bench_trf.METHODS if n != "ours"], rounds=2, memory=["ours"])
    assert len(lines) == len(bench_trf.METHODS)
    assert lines[0].split("|")[4].strip() == "1.0"


def test_bench_trf__reports_no_time_of_numbers_that_disagree(bench_trf, monkeypatch):
    def wrong(case, alphas=None):
        return bench_trf.TRF(0.0, 0.05, 20.0, alphas=[1.1e-2], lead_in=7).fit(case.X, case.Y, folds=case.folds)

    monkeypatch.setattr(bench_trf, "ours", wrong)
    with pytest.raises(AssertionError, match="scikit-learn"):
        bench_trf.bench([6, 2, 5, 1500], ["scikit-learn RidgeCV"], rounds=1, memory=[])


def test_counted_work__is_that_of_the_plain_method(bench_trf):
    case = bench_trf.Case(4, 2, 3, 500)
    d, u, n = 8, 3, 500
    search = 3 * (13 * d**3 + 4 * d * d * u + 42 * d * d * u)
    assert bench_trf.counted_flops(case) == 2 * n * d * (4 + u) + search + 9 * d**3 + 4 * d * d * u
    assert np.isfinite(bench_trf.product_rate(100))

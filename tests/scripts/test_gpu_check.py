"""The check of a card runs whole on a CPU, goes on after a failure, and leaves what it found when it is cut."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "gpu_check"
ABSENT = ("dask", "distributed", "zarr", "xarray", "pandas", "matplotlib", "typer", "rich")
BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))"
ROWS = {1: 3, 2: 39, 3: 12, 4: 4, 5: 7, 6: 3, 7: 5}
"""Of the tables of each part."""
OTHER_PARTS = """
import importlib.util, sys, time
from importlib.machinery import SourceFileLoader

loader = SourceFileLoader("gpu_check", sys.argv.pop(1))
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
loader.exec_module(module)
module.GRACE = 1


def found(check):
    check.report.table("what", "found")
    check.report.row("one", "two")


def fails(check):
    found(check)
    with check.report.case("small"):
        raise ValueError("of a case")
    check.report.row("after it", "three")
    raise OSError("of a part")


def hangs(check):
    found(check)
    time.sleep(600)


def hangs_and_lets_no_thread_run(check):
    import ctypes

    found(check)
    ctypes.PyDLL(None).sleep(600)


works = [globals()[name] for name in sys.argv.pop(1).split(",")]
module.PARTS = {k: (f.__name__, 10, f) for k, f in enumerate(works, start=1)}
module.main()
"""


@pytest.fixture(scope="module")
def check():
    loader = SourceFileLoader("gpu_check", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    sys.path.insert(0, str(SCRIPT.parent))
    sys.modules["gpu_check"] = module  # its dataclasses and closures look there
    try:
        loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(SCRIPT.parent))
        del sys.modules["gpu_check"]


def sections(text):
    return {int(part.partition(".")[0]): part for part in text.split("\n## ")[1:]}


def rows(section):
    """Cells of the tables' rows, without headings and rules."""
    lines = [*section.splitlines(), ""]
    kept = [k for k, line in enumerate(lines) if line.startswith("| ") and not lines[k + 1].startswith("|---")]
    return [[cell.strip() for cell in lines[k].strip("|").split("|")] for k in kept]


def test_gpu_check__runs_whole_on_a_cpu_without_what_a_cluster_needs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    output = tmp_path / "table.md"
    options = ["--device", "cpu", "--tiny", "--parts", "1,2,3,4,5,6,7", "--limit", "3000", "--output", output]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, env=environment)
    text = output.read_text()
    assert done.returncode == 0, text + done.stderr
    assert done.stdout == text
    assert "failed:" not in text
    assert text.endswith("\nNothing failed.\n")
    assert max(map(len, text.splitlines())) <= 120
    found = sections(text)
    assert {k: len(rows(found[k])) for k in ROWS} == ROWS
    assert all(float(row[1]) == 0.0 for row in rows(found[2])), "the CPU against itself"
    heard = {row[0]: float(row[2]) for row in rows(found[3]) if row[1] == "bfloat16" and not row[2].startswith("left")}
    assert set(heard) == {"whisper_tiny, small", "wav2vec2, small", "speech2text, small"}
    assert all(1e-4 < difference < 0.05 for difference in heard.values())
    assert rows(found[4])[-1][2].startswith("2 parts")
    assert [row[0] for row in rows(found[5])[-3:]] == ["EIGH", "CHOLESKY, factor", "CHOLESKY, solve"]
    assert rows(found[6])[-1][:2] == ["all", "6"]
    assert [row[0] for row in rows(found[7])] == ["first", "again", "float32", "CPU", "published procedure"]
    assert all(float(seconds) >= 0 for row in rows(found[7])[:4] for seconds in row[1:9])


def test_gpu_check__runs_a_study(tables):
    text = tables("gpu_check", "--device", "cpu", "--tiny", "--parts", "8")
    assert [row[:2] for row in rows(sections(text)[8])] == [
        ["read", "2"],
        ["extract", "1"],
        ["fit", "1"],
        ["all, with libraries and workers", ""],
    ]


def other_parts(tmp_path, works, *options):
    output = tmp_path / "table.md"
    command = [sys.executable, "-c", OTHER_PARTS, SCRIPT, works, "--device", "cpu", "--output", output, *options]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment)
    return done.returncode, output.read_text()


def test_gpu_check__goes_on_after_a_failure_and_tells_in_its_status(tmp_path):
    status, text = other_parts(tmp_path, "fails,found")
    assert status == 1
    found = sections(text)
    assert rows(found[1]) == [
        ["one", "two"],
        ["small", "failed: ValueError: of a case"],
        ["after it", "three"],
        ["part 1", "failed: OSError: of a part"],
    ]
    assert 'raise OSError("of a part")' not in text  # there is no source to quote in this test
    assert "    OSError: of a part" in found[1].splitlines()
    assert "in fails" in found[1]
    assert rows(found[2]) == [["one", "two"]]
    assert "Something failed." in text


@pytest.mark.parametrize(("work", "status"), [("hangs", 3), ("hangs_and_lets_no_thread_run", 1)])
def test_gpu_check__leaves_what_it_found_when_the_limit_cuts_it(tmp_path, work, status):
    found, text = other_parts(tmp_path, f"found,{work},found", "--limit", "4")
    assert found == status
    assert {k: rows(section) for k, section in sections(text).items()} == {1: [["one", "two"]], 2: [["one", "two"]]}
    assert ("Cut at the limit of 4 s." in text) == (status == 3)


def test_gpu_check__takes_another_alpha_of_the_same_score_for_a_tie(check):
    here = check.chosen(np.array([1.0, 10.0, np.nan]), np.array([[0.5, 0.1, np.nan], [0.5, 0.3, np.nan]]), [1.0, 10.0])
    here["coef"] = np.array([[1.0, 2.0, 0.0]])
    tied = {**here, "alpha": np.array([10.0, 10.0, np.nan]), "coef": np.array([[7.0, 2.0, 0.0]])}
    assert check.compare(tied, here) == (0.0, 1, 0.0)
    other = {**here, "alpha": np.array([1.0, 1.0, np.nan])}
    assert check.compare(other, here) == (0.0, 1, pytest.approx(0.2))
    assert check.compare({**here, "coef": np.array([[1.0, 2.2, 0.0]])}, here) == (pytest.approx(0.1), 0, 0.0)
    assert check.compare({**here, "coef": np.array([[1.0, np.nan, 0.0]])}, here)[0] == np.inf
    assert check.compare({**here, "alpha": np.array([1.0, np.nan, np.nan])}, here)[1:] == (1, np.inf)


def test_gpu_check__says_what_is_wrong_with_a_device(check, tmp_path, monkeypatch):
    off = {"bootstraps of stimuli and repeats", "TRF screened"}
    kept = [case for case in check.cases(tiny=True) if case[0] in off]
    monkeypatch.setattr(check, "cases", lambda *, tiny: iter(kept))
    report = check.Report(tmp_path / "table.md")
    inspected = check.Check("cpu", report, tiny=True, limit=1e9)
    monkeypatch.setattr(inspected.device, "put", lambda arrays: [np.round(array, 1) for array in arrays])
    check.mathematics(inspected)
    found = rows((tmp_path / "table.md").read_text())
    assert [row[0] for row in found] == ["TRF screened", "bootstraps of stimuli and repeats"]
    assert all(re.match(r"failed: AssertionError: differs by \d", row[1]) for row in found)
    assert report.failed


def test_gpu_check__leaves_out_what_no_longer_fits_its_share(check, tmp_path):
    report = check.Report(tmp_path / "table.md")
    inspected = check.Check("cpu", report, tiny=True, limit=0.0)
    check.figure_3(inspected)
    found = rows((tmp_path / "table.md").read_text())
    assert [row[0] for row in found] == ["8", "6", "all"]
    assert all(row[3].startswith("left out") for row in found[:2])
    assert found[2][-1] == "0, 6 fits left out"
    assert not report.failed


def test_gpu_check__shares_add_up_to_the_limit(check):
    assert sum(share for _, share, _ in check.PARTS.values()) == 460


def test_gpu_check__cuts_the_longest_cell_of_a_long_line(check, tmp_path):
    report = check.Report(tmp_path / "table.md")
    report.table("a", "b")
    report.row("name", "x|y\n" + 300 * "z")
    line = (tmp_path / "table.md").read_text().splitlines()[-1]
    assert len(line) == 120
    assert line.startswith("| name | x/y zzz")
    assert line.endswith("z… |")

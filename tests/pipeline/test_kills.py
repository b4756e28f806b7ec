"""SIGKILL in mid-run: of a worker, of the driver. The numbers are those of an undisturbed run, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from distributed_trf import Study

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "distributed_trf", "run", "study.yaml"]
NETWORKS = [{"name": "small_whisper", "weights": ["reset-1"]}, {"name": "mel_whisper"}]


def contents(folder):
    """Every file of the features and every chunk of the results, byte by byte."""
    files = [f for f in (folder / "features").rglob("*") if f.is_file()]
    files += [f for f in (folder / "results.zarr").rglob("c/**/*") if f.is_file()]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def receipts(folder):
    """Time of writing of every receipt."""
    return {f"{f.parent.name}/{f.name}": f.stat().st_mtime_ns for f in folder.glob("receipts/*/*.json")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return {}


@pytest.fixture
def reference(write_study, workplace, undisturbed):
    """Chunks of the same study run without a kill, on the same kind of cluster."""
    if not undisturbed:
        write_study(networks=NETWORKS, extraction={"batch": 1}, output="undisturbed")
        subprocess.run(COMMAND, check=True, capture_output=True)
        undisturbed.update(contents(workplace / "undisturbed"))
        assert sum(name.startswith("features") and "/c/" in name for name in undisturbed) == 24 * 5
        assert sum("/r/c/" in name for name in undisturbed) == 5
    write_study(networks=NETWORKS, extraction={"batch": 1})
    return undisturbed


def run_until(folder, stage, n):
    """Start a run and return it once a stage has some receipts."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(list(folder.glob(f"receipts/{stage}/*.json"))) < n:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def workers(process):
    return [p for p in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.parametrize(("stage", "n"), [("extract", 5), ("fit", 1)])
def test_killed_worker__is_replaced_and_only_its_item_runs_again(reference, workplace, stage, n):
    folder = workplace / "study"
    process = run_until(folder, stage, n)
    victim, *others = workers(process)
    assert others
    before = receipts(folder)
    victim.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    after = receipts(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == 3 + 2 + 2 * 24 + 5
    assert contents(folder) == reference


@pytest.mark.parametrize(("stage", "n"), [("read", 1), ("extract", 5), ("extract", 40), ("fit", 2)])
def test_killed_driver__is_taken_up_by_the_same_command(reference, workplace, stage, n):
    folder = workplace / "study"
    process = run_until(folder, stage, n)
    children = workers(process)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, timeout=60)
    before = receipts(folder)
    assert len(before) < 3 + 2 + 2 * 24 + 5
    report = Study.load("study.yaml").run("local")
    assert report.ok
    assert sum(report.skipped.values()) == len(before)
    after = receipts(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == sum(report.done.values()) + len(before) == 3 + 2 + 2 * 24 + 5
    assert contents(folder) == reference
    assert not list(folder.rglob("*partial*"))


def half_written(folder):
    """Batches of the network with features in store that no receipt vouches for."""
    chunks = {int(f.parent.name) for f in (folder / "features/timit/small_whisper").glob("*.zarr/*/c/*/0")}
    keys = (f.stem for f in (folder / "receipts/extract").glob("timit-small_whisper-*.json"))
    return chunks - {int(key.rpartition("-")[2]) for key in keys}


def test_everything_killed__while_features_are_written_leaves_what_the_next_run_makes_whole(reference, workplace):
    folder = workplace / "study"
    process = run_until(folder, "read", 3)
    while not half_written(folder):
        assert process.poll() is None, process.communicate()
    everyone = [psutil.Process(process.pid), *workers(process)]
    for one in everyone:
        one.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(everyone, timeout=60)
    assert half_written(folder)
    done = len(receipts(folder))
    report = Study.load("study.yaml").run("local")
    assert report.ok
    assert sum(report.skipped.values()) == done
    assert contents(folder) == reference
    assert not list(folder.rglob("*partial*"))

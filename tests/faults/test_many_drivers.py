"""Two drivers on one store, workers that outlive their driver, and machines whose clocks disagree."""

from __future__ import annotations

import os
import shutil
import signal
import time

import psutil
import pytest

from distributed_trf.errors import StoreBusyError
from distributed_trf.store import study_lock
from tests.faults.conftest import ends, workers_of

pytestmark = pytest.mark.slow

needs_faketime = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


def test_second_driver__is_refused_and_the_first_goes_on_undisturbed(bench):
    first = bench.start_until("read", 1)
    code, said = ends(bench.start())
    assert code == 2
    assert f"another run is writing here (process {first.pid} on " in said
    code, said = ends(first)
    assert code == 0, said
    bench.assert_undisturbed()


def test_worker_that_outlives_its_driver__is_waited_for_and_named_if_it_does_not_end(bench, monkeypatch):
    """Stopped, it cannot notice that its driver is gone; what it writes late would lie in the next run's way."""
    process = bench.start_until("extract", 2)
    stopped = workers_of(process)
    for worker in stopped:
        worker.suspend()
    process.send_signal(signal.SIGKILL)
    try:
        process.wait(timeout=300)
        monkeypatch.setattr(study_lock, "PATIENCE", 1.0)
        of_workers = "|".join(str(worker.pid) for worker in stopped)
        named = rf"some of its workers still run \((read|assess|extract|fit) \S+: process ({of_workers}) on "
        for next_run in ({"recipe": None}, {"recipe": "local", "item": "1/1"}):  # a driver, and an element
            with pytest.raises(StoreBusyError, match=named):
                bench.study.run(**next_run)
        assert "running" in bench.states().values()
    finally:
        for worker in stopped:
            worker.kill()
    ends(process)
    psutil.wait_procs(stopped, timeout=300)
    assert bench.study.run(None).ok
    bench.assert_undisturbed()


@needs_faketime
def test_driver_three_days_behind__is_taken_up_by_one_three_days_ahead(bench):
    first = bench.start_until("extract", 3, before=("faketime", "-f", "-3d"))
    children = psutil.Process(first.pid).children(recursive=True)
    for one in (*children, psutil.Process(first.pid)):
        one.kill()
    ends(first)
    psutil.wait_procs(children, timeout=300)
    before = bench.receipts()
    code, said = ends(bench.start(before=("faketime", "-f", "+3d")))
    assert code == 0, said
    after = bench.receipts()
    assert {name: after[name] for name in before} == before
    bench.assert_undisturbed()


@needs_faketime
def test_elements_with_different_clocks__share_the_work_at_once(bench):
    processes = [
        bench.start("--item", f"{k}/2", before=("faketime", "-f", skew)) for k, skew in ((1, "-3d"), (2, "+3d"))
    ]
    for process in processes:
        code, said = ends(process)
        assert code == 0, said
    bench.assert_undisturbed()


def test_files_from_the_future__are_as_good_as_others(done):
    later = time.time() + 3 * 86400
    for file in done.folder.rglob("*"):
        os.utime(file, (later, later))
    assert done.run_here().folder is None
    (done.folder / "receipts/fit/timit-mel_librosa-fixed-00-50ms.json").unlink()
    assert done.run_here().done == {"read": 0, "assess": 0, "extract": 0, "fit": 1}
    done.assert_undisturbed()

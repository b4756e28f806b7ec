"""Workers that hang: ended after a limit, or lost when they are stopped; and those that come back."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil

from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.execute import execute, where
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.prepare import tasks
from distributed_trf.pipeline.run_record import new_run
from distributed_trf.pipeline.status import survey
from distributed_trf.store.fingerprint import digest
from tests.faults.conftest import ends, scheduler_and_workers, wait_for, workers_of

HANGS = """if True:
    import sys, time
    from pathlib import Path
    from distributed_trf.pipeline.execute import limited
    from distributed_trf.store.item_locks import claim
    from distributed_trf.pipeline.execute import limited
    from distributed_trf.store.item_locks import claim
    from distributed_trf.store.study_store import StudyStore
    root, stage, key, digest = sys.argv[1:]
    with claim(StudyStore.open(Path(root)), stage, key, digest=digest) as claimed, limited(0.5, claimed.file):
        time.sleep(600)
"""


def test_item_that_never_ends__fails_after_its_attempts_and_is_tried_again_by_the_next_run(done):
    item = Fit("timit", "mel_librosa", "fixed", 0, 50.0)
    (done.folder / f"receipts/fit/{item.key}.json").unlink()
    context = open_context(done.study.settings)
    (planned,) = [p for p in survey(context, "fit") if p.item == item]
    (task,) = tasks(context, [planned], device="cpu", run=new_run(context.store.runs), limit=0.5)
    hang = [sys.executable, "-c", HANGS, str(done.folder), "fit", item.key, digest(task.fingerprint)]
    for _ in range(done.study.settings.attempts):
        assert subprocess.run(hang, check=False).returncode == 1  # left alone, it would end with 0
    assert done.states()[f"fit {item.key}"] == "pending"  # its process is dead
    outcome = execute(task)
    assert not outcome.ok
    assert "it hung: 3 processes were running it for 0.5 s and were ended" in outcome.message
    assert done.run_here().ok
    done.assert_undisturbed()


def test_stopped_worker__is_lost_after_its_time_and_its_item_is_done_elsewhere(bench):
    bench.write_recipe("impatient", kind="local", workers=2, worker_ttl=5)
    process = bench.start_until("extract", 2, "--cluster", "impatient.yaml")
    workers_of(process)[0].send_signal(signal.SIGSTOP)
    code, said = ends(process)
    assert code == 0, said
    bench.assert_undisturbed()


def test_worker_that_comes_back__writes_the_same_again_and_breaks_nothing(bench):
    """A whole job suspended, nanny and worker, and woken when the run has ended without it."""
    with scheduler_and_workers(bench.root, 2) as (_, nannies):
        process = bench.start_until("extract", 2, "--cluster", "existing.yaml")
        suspended = [*workers_of(nannies[0]), psutil.Process(nannies[0].pid)]
        for one in suspended:
            one.suspend()
        wait_for(lambda: len(bench.receipts("extract")) >= 6, process)
        for one in suspended:
            one.resume()
        code, said = ends(process)
    assert code == 0, said
    bench.assert_undisturbed()


def test_where__names_the_innermost_line_of_the_thread_that_ran_the_item():
    stacks = (
        'Timeout (0:00:08)!\nThread 0x1 (most recent call first):\n  File "/x/selectors.py", line 4 in select\n\n'
        'Thread 0x2 (most recent call first):\n  File "/x/reader.py", line 12 in read\n'
        '  File "/y/pipeline/execute.py", line 9 in _claimed\n'
    )
    assert where(stacks) == "read (/x/reader.py, line 12)"
    assert where("nothing") == "an unknown place"

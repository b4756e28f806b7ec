"""Workers that hang: ended after a limit, or lost when they are stopped; and those that come back."""

from __future__ import annotations

import os
import signal

import psutil

from distributed_trf.pipeline.hang import where
from tests.faults.conftest import ends, scheduler_and_workers, wait_for, workers_of


def test_item_that_never_ends__fails_after_its_attempts_says_where_it_hung_and_the_others_go_on(place):
    """A named pipe in place of a channel's file: whoever opens it waits for ever for someone to write."""
    file = min((place.root / "recordings/sessions").rglob("*MUspk*"))
    session, kept = file.parent.name, place.root / "kept"
    file.rename(kept)
    os.mkfifo(file)
    place.write_recipe("limited", kind="local", workers=2, item_limit=8)
    code, said = ends(place.start("--cluster", "limited.yaml"))
    assert code == 1, said
    assert f"failed read timit-{session}" in said
    assert "it hung: 3 processes were at it for 8 s" in said
    states = place.states()
    assert states[f"read timit-{session}"] == "failed"
    assert list(states.values()).count("done") >= 2 + 16
    file.unlink()
    kept.rename(file)
    assert place.run_here().ok
    place.assert_undisturbed()


def test_stopped_worker__is_lost_after_its_time_and_its_item_is_done_elsewhere(place):
    place.write_recipe("impatient", kind="local", workers=2, worker_ttl=5)
    process = place.start_until("extract", 2, "--cluster", "impatient.yaml")
    workers_of(process)[0].send_signal(signal.SIGSTOP)
    code, said = ends(process)
    assert code == 0, said
    place.assert_undisturbed()


def test_worker_that_comes_back__writes_the_same_again_and_breaks_nothing(place):
    """A whole job suspended, nanny and worker, and woken when the run has ended without it."""
    with scheduler_and_workers(place.root, 2) as (_, nannies):
        process = place.start_until("extract", 2, "--cluster", "existing.yaml")
        suspended = [*workers_of(nannies[0]), psutil.Process(nannies[0].pid)]
        for one in suspended:
            one.suspend()
        wait_for(lambda: len(place.receipts("extract")) >= 6, process)
        for one in suspended:
            one.resume()
        code, said = ends(process)
    assert code == 0, said
    place.assert_undisturbed()


def test_where__names_the_innermost_place_of_the_thread_that_was_at_the_item():
    stacks = (
        'Timeout (0:00:08)!\nThread 0x1 (most recent call first):\n  File "/x/selectors.py", line 4 in select\n\n'
        'Thread 0x2 (most recent call first):\n  File "/x/reader.py", line 12 in read\n'
        '  File "/y/pipeline/execute.py", line 9 in _claimed\n'
    )
    assert where(stacks) == "read (/x/reader.py, line 12)"
    assert where("nothing") == "an unknown place"

"""Processes that end in mid-run: workers, nannies, the driver, the scheduler. What is done is kept, the rest done."""

from __future__ import annotations

import os
import random
import signal
import time

import psutil
import pytest

from tests.faults.conftest import ITEMS, ends, scheduler_and_workers, workers_of

pytestmark = pytest.mark.slow

SEEDS = [int(os.environ["DTRF_FAULT_SEED"])] if "DTRF_FAULT_SEED" in os.environ else [20_261]
KILLS = 4


@pytest.mark.parametrize(
    ("how", "stage", "n"),
    [
        (signal.SIGKILL, "extract", 4),
        (signal.SIGTERM, "fit", 1),
    ],
)
def test_killed_worker__is_replaced_and_only_the_item_it_ran_is_done_again(bench, how, stage, n):
    process = bench.start_until(stage, n)
    victim, *others = workers_of(process)
    assert others
    before = bench.receipts()
    victim.send_signal(how)
    code, said = ends(process)
    assert code == 0, said
    after = bench.receipts()
    assert {name: after[name] for name in before} == before
    assert len(after) == sum(ITEMS.values())
    bench.assert_undisturbed()


@pytest.mark.parametrize(
    ("how", "stage", "n"),
    [
        (signal.SIGKILL, "read", 1),
        (signal.SIGTERM, "extract", 12),
        (signal.SIGKILL, "fit", 1),
    ],
)
def test_killed_driver__is_taken_up_by_the_same_command(bench, how, stage, n):
    process = bench.start_until(stage, n)
    children = workers_of(process)
    process.send_signal(how)
    ends(process)
    psutil.wait_procs(children, timeout=300)
    before = bench.receipts()
    assert len(before) < sum(ITEMS.values())
    bench.assert_never_wrong()
    report = bench.run_here()
    assert report.ok
    assert sum(report.skipped.values()) == len(before)
    after = bench.receipts()
    assert {name: after[name] for name in before} == before
    bench.assert_undisturbed()


def half_written(folder):
    """Batches of a network with features in the store without a receipt."""
    chunks = {int(f.parent.name) for f in (folder / "features/timit/mel_deepspeech2").glob("*.zarr/*/c/*/0")}
    keys = (f.stem for f in (folder / "receipts/extract").glob("timit-mel_deepspeech2-*.json"))
    return chunks - {int(key.rpartition("-")[2]) for key in keys}


def stopped_half_written(processes, folder):
    """Stop processes while features are half written; what is so for milliseconds may be whole before they stop."""
    if not half_written(folder):
        return False
    for one in processes:
        one.suspend()
    if half_written(folder):
        return True
    for one in processes:
        one.resume()
    return False


def test_everything_killed__while_features_are_written_leaves_what_the_next_run_makes_whole(bench):
    process = bench.start_until("read", 3)
    everyone = [*workers_of(process), psutil.Process(process.pid)]
    while not stopped_half_written(everyone, bench.folder):
        assert process.poll() is None, ends(process)
    for one in everyone:
        one.send_signal(signal.SIGKILL)
    ends(process)
    psutil.wait_procs(everyone, timeout=300)
    assert half_written(bench.folder)
    assert bench.run_here().ok
    bench.assert_undisturbed()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_kills__of_workers_change_no_number(bench, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    process = bench.start_until("read", 1)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 1.0))
        alive = workers_of(process) if process.poll() is None else []
        if alive:
            rng.choice(sorted(alive, key=lambda worker: worker.pid)).kill()
    code, said = ends(process)
    assert code == 0, said
    bench.assert_undisturbed()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_nanny__leaves_its_item_to_the_other_worker(bench, how):
    with scheduler_and_workers(bench.root, 2) as (_, nannies):
        process = bench.start_until("extract", 3, "--cluster", "existing.yaml")
        nannies[0].send_signal(how)
        code, said = ends(process)
        assert code == 0, said
    bench.assert_undisturbed()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_scheduler__ends_the_run_in_seconds_with_what_is_kept_and_what_to_do(bench, how):
    with scheduler_and_workers(bench.root, 1) as (scheduler, nannies):
        process = bench.start_until("extract", 3, "--cluster", "existing.yaml")
        scheduler.send_signal(how)
        code, said = ends(process, seconds=240)
        assert code == 2, said
        assert "the scheduler at tcp://127.0.0.1:" in said
        assert "What is done is kept: start a scheduler again and run the same command" in " ".join(said.split())
        assert "Traceback" not in said, said
        below = workers_of(nannies[0]) if nannies[0].poll() is None else []
    psutil.wait_procs(below, timeout=300)
    bench.assert_never_wrong()
    assert bench.run_here().ok
    bench.assert_undisturbed()

"""Whole studies on workers that Slurm starts, whatever happens to their jobs: the numbers are the same, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest
from distributed import Client, Security

from tests.clusters.conftest import CHANGES
from tests.stored import contents

pytestmark = pytest.mark.slow


@pytest.fixture
def study(write_study, undisturbed):
    """Write a study of 48 extractions, and return what it gives on this machine."""
    write_study(**CHANGES)
    return undisturbed


def test_study__survives_the_loss_of_a_job_of_a_pending_job_and_of_all(study, workplace, slurm, recipe, run):
    recipe(jobs=3, directives=["--gres=gpu:1"])  # the node has two, so that one job waits
    ongoing = run()
    ongoing.wait_for("extract", 1)
    slurm.run("scancel", *slurm.jobs("pending"))
    slurm.run("scancel", slurm.wait_for_jobs(2)[0])
    ongoing.wait_for("extract", 5)
    slurm.run("scancel", *slurm.jobs())
    ongoing.end()
    assert contents(workplace / "study") == study


def test_walltime__takes_the_job_but_not_the_study(study, workplace, slurm, recipe, run):
    """Its worker is stopped in mid-item, so that it is still at it when Slurm ends the job: after 60 to 90 seconds."""
    recipe(jobs=1, walltime="0:01:00")
    ongoing = run()
    ongoing.wait_for("extract", 5)
    for process in workers(slurm):
        process.suspend()
    ongoing.end()
    logs = [log.read_text() for log in (workplace / "logs").iterdir()]
    assert sorted("DUE TO TIME LIMIT" in log for log in logs) == [False, True]
    assert contents(workplace / "study") == study


def test_ended_driver__leaves_no_job_and_is_taken_up_on_another_cluster(study, workplace, slurm, recipe, run):
    recipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        done = len(list((workplace / "study/receipts/extract").glob("*.json")))
        ongoing = run()
        ongoing.wait_for("extract", done + 3)
        if number is signal.SIGTERM:
            check_closed_to_others(ongoing.process, slurm)
        ongoing.process.send_signal(number)
        if number is signal.SIGKILL:  # workers leave by themselves, as their scheduler is gone
            ongoing.end(-number)
            slurm.wait_for_jobs(0, "pending,running,completing", timeout=300)
        else:
            assert "interrupted; what is done is kept: run the same command again" in ongoing.end(128 + number)
            slurm.wait_for_jobs(0, "pending,running,completing", timeout=120)
            assert not list((workplace / "keys").iterdir())
    run(recipe="local").end()
    assert contents(workplace / "study") == study


def workers(slurm):
    """Nannies and workers in the jobs of this Slurm."""
    found = psutil.process_iter(["cmdline", "environ"])
    nannies = [p for p in found if "distributed.cli.dask_worker" in (p.info["cmdline"] or [])]
    ours = [p for p in nannies if p.info["environ"].get("SLURM_CONF") == slurm.environment["SLURM_CONF"]]
    return [process for p in ours for process in (p, *p.children(recursive=True))]


def check_closed_to_others(driver, slurm):
    """Nothing listens but on the loopback interface, and the scheduler refuses whoever has no keys or others."""
    family = [psutil.Process(driver.pid), *workers(slurm)]
    listening = {c.laddr.ip for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
    assert len(family) >= 3
    assert listening == {"127.0.0.1"}
    (address,) = {word for p in family for word in p.cmdline() if word.startswith("tls://127")}
    plain = address.replace("tls://", "tcp://")
    for url, security in ((plain, None), (address, None), (address, Security.temporary())):
        with pytest.raises((OSError, TypeError)), Client(url, security=security, timeout=5, set_as_default=False):
            pytest.fail(f"{url} let {security} in")


def test_gpu_recipe_without_a_gpu__says_why_its_jobs_end(study, workplace, recipe, run):
    recipe(device="cuda", memory="4GiB", directives=["--gres=gpu:1"], resubmissions=1)
    said = run().end(2)
    assert "1 resubmissions of the recipe are spent" in said
    assert "before its worker joined" in said
    assert "dask_cuda" in said  # missing here, or without a GPU


def test_jobs_with_a_gpu__have_one_each(slurm):
    script = [sys.executable, "-c", "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"]
    command = ["srun", "--ntasks=1", "--gres=gpu:1", "--overlap"]
    both = [subprocess.Popen([*command, *script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert all(process.communicate()[0] in ("0\n", "1\n") for process in both)

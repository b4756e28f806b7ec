"""The scripts of jobs, as they were read and found good; see scripts/*.sh beside this file."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from distributed_trf.clusters.job_script import job_script
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.config.load import shipped
from distributed_trf.errors import ConfigError

REVIEWED = Path(__file__).parent / "scripts"

JOB_RECIPES = sorted(
    path.stem for path in shipped("cluster").glob("*.yaml") if isinstance(load_recipe(path), JobRecipe)
)

DASK_CUDA_TAKES = {
    "--name", "--nthreads", "--memory-limit", "--death-timeout", "--local-directory", "--interface", "--protocol",
    "--tls-ca-file", "--tls-cert", "--tls-key", "--device-memory-limit", "--dashboard-address",
}  # fmt: skip
"""Of the options of dask-cuda 26.10; it refuses --nanny, --no-nanny, --nworkers and --lifetime."""


def script(name, **overrides):
    """Return the script of a shipped recipe without what differs from machine to machine."""
    text = job_script(load_recipe(shipped("cluster") / f"{name}.yaml", **overrides))
    return text.replace(shlex.quote(sys.executable), "PYTHON").replace(str(Path.home()), "HOME")


@pytest.mark.parametrize("name", JOB_RECIPES)
def test_script__is_the_reviewed_one(name):
    assert script(name) == (REVIEWED / f"{name}.sh").read_text(), (
        f"read the new script and, if it is right, keep it: dtrf recipes show {name} --script"
    )


def test_reviewed_scripts__are_those_of_the_shipped_recipes():
    assert sorted(path.stem for path in REVIEWED.glob("*.sh")) == JOB_RECIPES


@pytest.mark.parametrize("name", JOB_RECIPES)
def test_script__is_one_that_bash_can_read(name):
    subprocess.run(["bash", "-n"], input=script(name), text=True, check=True)


def command(text):
    return shlex.split(text.strip().splitlines()[-1])


@pytest.mark.parametrize("name", [name for name in JOB_RECIPES if name.endswith("_gpu")])
def test_gpu_script__starts_one_worker_of_dask_cuda_with_options_it_takes(name):
    words = command(script(name))
    assert words[:3] == ["PYTHON", "-m", "dask_cuda.cli"]
    assert {word for word in words if word.startswith("--")} <= DASK_CUDA_TAKES
    assert words[words.index("--nthreads") + 1] == "1"
    assert "gpu" in script(name).split("export")[0]


@pytest.mark.parametrize("name", JOB_RECIPES)
def test_script__keeps_to_loopback_but_for_the_workers_themselves_and_holds_no_key(name):
    words = command(script(name))
    assert words[words.index("--dashboard-address") + 1].startswith("127.0.0.1:")
    assert words[3].startswith("tls://")
    assert {"--tls-ca-file", "--tls-cert", "--tls-key"} <= set(words)
    assert "PRIVATE" not in script(name)


def test_script__holds_what_the_recipe_says():
    text = script(
        "slurm",
        directives=["--constraint=fast"],
        skip=["--mem="],
        prologue=["module load x"],
        account="lab",
        queue="day",
        scratch="/scratch/$USER",
        walltime="1-00:00:00",
        python="/shared/bin/python",
        log_directory="/shared/logs",
    )
    for line in ("#SBATCH -p day", "#SBATCH -A lab", "#SBATCH --constraint=fast", "#SBATCH -t 24:00:00"):
        assert line in text.splitlines()
    assert "--mem=" not in text
    assert "\nmodule load x\n/shared/bin/python -m " in text
    assert "--local-directory /scratch/$USER " in text
    assert "#SBATCH -o /shared/logs/dtrf-%j.out" in text


@pytest.mark.parametrize(
    ("walltime", "lifetime", "stagger"), [("0:01:00", 54, 3), ("0:50:00", 2700, 150), ("2 d", 172500, 150)]
)
def test_script__lets_workers_leave_before_their_job_is_ended(walltime, lifetime, stagger):
    text = script("slurm", walltime=walltime)
    assert f"LIFETIME__DURATION={lifetime}s" in text
    assert f"LIFETIME__STAGGER={stagger}s" in text


def test_script__is_made_without_leaving_anything(tmp_path):
    script("slurm", log_directory=tmp_path / "logs", tls_directory=tmp_path / "keys")
    assert not list(tmp_path.iterdir())


def test_what_only_dask_jobqueue_notices__is_a_clear_error(monkeypatch):
    import dask_jobqueue

    def refuse(self, *args, **kwargs):
        raise TypeError("unexpected keyword argument 'job_cpu'")

    monkeypatch.setattr(dask_jobqueue.SLURMCluster.job_cls, "__init__", refuse)
    with pytest.raises(ConfigError, match=r"dask-jobqueue cannot use this recipe: unexpected keyword.*job_cpu"):
        script("slurm")


def test_import_of_dask_jobqueue__leaves_ctrl_c_alone_and_works_in_any_thread():
    code = """
import signal
import threading
from distributed_trf.clusters.jobqueue_internals import import_jobqueue
before = signal.getsignal(signal.SIGINT)
found = []
thread = threading.Thread(target=lambda: found.append(import_jobqueue().SLURMCluster))
thread.start()
thread.join()
assert found and signal.getsignal(signal.SIGINT) is before
assert import_jobqueue().PBSCluster
assert signal.getsignal(signal.SIGINT) is before
"""
    subprocess.run([sys.executable, "-c", code], check=True)

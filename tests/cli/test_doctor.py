"""``dtrf doctor`` says what is wrong and what to do, and ends with 1 where something is."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import yaml

from distributed_trf.clusters import doctor_site
from distributed_trf.clusters.doctor_installation import Finding, check_threads, check_versions
from distributed_trf.clusters.doctor_site import check_site, check_store
from distributed_trf.clusters.recipe import load_recipe


def wrong(findings):
    return {f.topic: f.remedy for f in findings if not f.ok}


def test_doctor__of_this_machine_fits_80_columns_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-m", "distributed_trf", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is wrong" in done.stdout
    assert "ok small files" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert not list(tmp_path.iterdir())


def test_doctor__ends_with_1_and_says_what_to_do(dtrf, tmp_path, monkeypatch):
    recipe = {"kind": "slurm", "jobs": 1, "memory": "1GiB", "walltime": "1:00:00", "interface": "nowhere0"}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(recipe))
    monkeypatch.chdir(tmp_path)
    done = dtrf("doctor", "--cluster", "site.yaml")
    assert done.exit_code == 1
    assert "this machine has no interface of that name" in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1].endswith("wrong")


def test_doctor__of_a_recipe_that_is_not_there_begins_nothing(dtrf):
    done = dtrf("doctor", "--cluster", "nowhere")
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("name", ["local", "slurm", "slurm_gpu", "pbs_gpu", "lsf_gpu", "sge", "ssh", "existing"])
def test_every_shipped_recipe__is_looked_at(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no batch system
    recipe = load_recipe(name)
    findings = [*check_versions(recipe), *check_threads(recipe), *check_site(recipe)]
    assert {f.topic for f in findings} >= {"python", "dask", "cores", "dashboard"}
    if hasattr(recipe, "commands"):
        assert "there is no command" in wrong(findings)[recipe.commands[0]]


def test_a_command_that_is_there__is_asked(tmp_path, monkeypatch):
    for name in ("bsub", "bjobs", "bkill", "bqueues"):
        (tmp_path / name).write_text("#!/bin/sh\necho cannot reach the master >&2; exit 7\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = {f.topic: f for f in check_site(load_recipe("lsf_gpu", interface="lo"))}
    assert found["bsub"] == Finding("bsub", str(tmp_path / "bsub"))
    assert found["bqueues"].found == "exit code 7: cannot reach the master"
    assert not found["bqueues"].ok
    assert found["interface"].ok


def test_more_threads_than_cores__are_wrong():
    assert "more threads than cores" in wrong(check_threads(load_recipe("local", workers=64, threads=64)))["workers"]
    assert (
        "more memory than this machine has"
        in wrong(check_threads(load_recipe("local", memory="2TiB")))["worker memory"]
    )


def test_an_open_dashboard__is_wrong():
    assert "no password" in wrong(check_site(load_recipe("local", dashboard="0.0.0.0:8787")))["dashboard"]


def test_a_scheduler__that_answers_and_one_that_does_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert not wrong(check_site(load_recipe("existing", address=address)))
    assert "start the scheduler" in wrong(check_site(load_recipe("existing", address=address)))["scheduler"]


def test_a_folder_without_locks__is_wrong(tmp_path, monkeypatch):
    assert not wrong(check_store(tmp_path))
    monkeypatch.setattr(doctor_site.fcntl, "flock", lambda *_: None)  # as a file system does that only pretends
    assert "two runs could write" in wrong(check_store(tmp_path))["locks"]


def test_a_folder_that_does_not_exist_yet__stands_for_its_parent(tmp_path):
    found = {f.topic: f.found for f in check_store(tmp_path / "a/b")}
    assert found["folder"].startswith(f"{tmp_path}: ")

"""Workers that a real sshd on this machine starts."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import distributed_trf
from distributed_trf import start_cluster
from distributed_trf.clusters.recipe_machines import SshRecipe
from distributed_trf.clusters.start_machines import worker_specs
from distributed_trf.clusters.this_machine import check_worker_host
from distributed_trf.clusters.tls import run_keys
from distributed_trf.clusters.worker_proof import describe_workers
from distributed_trf.errors import ConfigError

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="sshd is missing (Debian: openssh-server)")

PACKAGE = Path(distributed_trf.__file__).parents[1]
CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
SetEnv PYTHONPATH={package}
PasswordAuthentication no
"""


@dataclass
class Host:
    port: int
    key: Path
    known_hosts: Path
    pid: int

    def recipe(self, folder, **changes):
        fields = {
            "hosts": ["127.0.0.1"],
            "user": getpass.getuser(),
            "port": self.port,
            "key": self.key,
            "known_hosts": self.known_hosts,
            "interface": "lo",
            "dashboard": "127.0.0.1:0",
            "tls_directory": folder / "keys",
        }
        return SshRecipe(kind="ssh", **{**fields, **changes})


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """An sshd of the present user on a free port of the loopback interface, with keys of its own."""
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host_key", "user_key", "other_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    public = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(public)}\n")
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, package=PACKAGE))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd, as root, drops its privileges to
    with (folder / "log").open("w") as log:
        sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=log, stdin=subprocess.DEVNULL)
    try:
        for _ in range(2000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert sshd.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Host(port, folder / "user_key", folder / "known_hosts", sshd.pid)
    finally:
        sshd.terminate()
        sshd.wait()


def files(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_ssh__starts_workers_with_keys_and_ends_them(host, tmp_path):
    recipe = host.recipe(tmp_path, workers=2, memory="1GiB", scratch=str(tmp_path / "scratch"))
    with start_cluster(recipe) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        assert len(workers) == recipe.n_workers == 2
        assert all(address.startswith("tls://127.0.0.1:") for address in workers)
        assert {worker["memory_limit"] for worker in workers.values()} == {1 << 30}
        assert {Path(worker["local_directory"]).parents[1] for worker in workers.values()} == {tmp_path / "scratch"}
        pids = client.run(os.getpid)
        assert set(client.run(lambda: os.environ["MALLOC_ARENA_MAX"]).values()) == {"1"}
        above = {process.pid for pid in pids.values() for process in psutil.Process(pid).parents()}
        assert host.pid in above  # sshd started them, not this process
        assert client.submit(sum, [1, 2]).result() == 3
        assert [(proof.device, proof.problem) for proof in describe_workers(client)] == [("cpu", None)] * 2
        listening = {
            c.laddr.ip
            for pid in pids.values()
            for c in psutil.Process(pid).net_connections("inet")
            if c.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        (run,) = (tmp_path / "keys").iterdir()
        assert files(tmp_path / "keys") == {run.name: 0o700, "certificate.pem": 0o600, "key.pem": 0o600}
    for _ in range(1000):
        if not any(psutil.pid_exists(pid) for pid in pids.values()):
            break
        time.sleep(0.1)
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert files(tmp_path / "keys") == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "other_key"}, "127.0.0.1: ssh cannot log in: PermissionDenied"),
        ({"known_hosts": "none"}, "127.0.0.1: ssh cannot log in: HostKeyNotVerifiable"),
        ({"python": "/nowhere/python"}, "127.0.0.1: /nowhere/python cannot import this package: .*/nowhere/python"),
        (
            {"interface": "ib7", "scheduler_interface": "lo"},
            "127.0.0.1: interface = 'ib7': this machine has no interface",
        ),
    ],
)
def test_ssh__that_cannot_be_used_is_told_before_anything_starts(host, tmp_path, changes, said):
    (host.key.parent / "none").touch()
    if {"key", "known_hosts"} & set(changes):
        changes = {name: host.key.parent / file for name, file in changes.items()}
    with pytest.raises(ConfigError, match=said), start_cluster(host.recipe(tmp_path, **changes)):
        pytest.fail("a cluster was started")
    assert files(tmp_path / "keys") == {}


def test_ssh__without_a_shared_file_system_says_so(tmp_path):
    with pytest.raises(ConfigError, match="tls_directory must be on a file system that all machines share"):
        check_worker_host("lo", str(tmp_path / "certificate.pem"))


def test_ssh__gpu_workers_see_one_gpu_each(host, tmp_path):
    with run_keys(tmp_path / "keys") as security:
        workers = worker_specs(host.recipe(tmp_path, hosts=["a", "b"], device="cuda", gpus=[0, 3]), security)
    seen = {name: worker["options"]["kwargs"]["env"] for name, worker in workers.items()}
    assert {(name, env["CUDA_VISIBLE_DEVICES"]) for name, env in seen.items()} == {
        ("dtrf-a-0", "0"), ("dtrf-a-3", "3"), ("dtrf-b-0", "0"), ("dtrf-b-3", "3"),
    }  # fmt: skip

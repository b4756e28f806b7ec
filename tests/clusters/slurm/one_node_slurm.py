"""A real Slurm of one node on the loopback interface, from Debian's packages, without systemd or cgroups."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "scancel", "sinfo", "squeue")
SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# proctrack and cons_tres: without cgroups, and several jobs on the node. config_overrides: more CPUs than the machine
# has, for jobs that mostly wait. NoInAddrAny: listen on the loopback interface only.
SLURM_CONF = """\
ClusterName=one_node
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
KillWait=2
SchedulerParameters=sched_min_interval=0,sched_interval=1,bf_interval=1
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""
# Slurm believes that any character device is a GPU, and hands them out as it would real ones.
GRES_CONF = """\
NodeName=localhost Name=gpu File=/dev/null
NodeName=localhost Name=gpu File=/dev/zero
"""


def missing() -> str | None:
    """Say why no Slurm can be started here; None if one can."""
    absent = [name for name in (*DAEMONS, *CLIENTS) if shutil.which(name, path=SEARCHED) is None]
    return f"no Slurm: {', '.join(absent)} not found; scripts/system_packages installs them" if absent else None


class OneNodeSlurm:
    """Starts the daemons in the foreground as children of this process, and ends them by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Of commands of this Slurm; one that the tests themselves run under must not show through."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**clean, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start everything and wait until the node takes jobs."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        controller_port, node_port = free_ports(2)
        conf = SLURM_CONF.format(
            folder=self.folder, controller_port=controller_port, node_port=node_port, user=getpass.getuser()
        )
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text(GRES_CONF)
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        socket_path = self.folder / "munge.socket"
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{ending}" for option, ending in files.items()]
        # By force: it would have everybody reach its socket, but folders of tests are this user's only.
        self._spawn("munged", "--foreground", "--force", "--origin=127.0.0.1", *options)
        self._wait(socket_path.exists, "socket of munged")
        for daemon in ("slurmctld", "slurmd"):
            self._spawn(daemon, "-D", "-c", "-f", str(self.folder / "slurm.conf"))
        self._wait(lambda: self.run("sinfo", "-h", "-o", "%T", check=False).strip() == "idle", "idle node")

    def stop(self) -> None:
        """Cancel every job and wait for its end, then end the daemons in reverse order."""
        if len(self.daemons) == len(DAEMONS):
            if self.jobs():
                self.run("scancel", *self.jobs(), check=False)
            self._wait(lambda: not self.jobs(), "end of the jobs")
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(120)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of Slurm and return what it says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def jobs(self, states: str = "pending,running,completing") -> list[str]:
        """Ids of the jobs in some states, in order of submission."""
        return sorted(self.run("squeue", "-h", "-o", "%A", "-t", states).split(), key=int)

    def wait_for_jobs(self, number: int, states: str = "running", timeout: float = 1200) -> list[str]:
        """Wait until so many jobs are in some states."""
        self._wait(lambda: len(self.jobs(states)) == number, f"{number} jobs that are {states}", timeout)
        return self.jobs(states)

    def _spawn(self, name: str, *options: str) -> None:
        executable = shutil.which(name, path=SEARCHED)
        assert executable is not None
        with (self.folder / f"{name}.out").open("wb") as out:
            command: Sequence[str] = [executable, *options]
            # In a session of its own: a Ctrl-C that ends the tests must not end it before its jobs.
            daemon = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.daemons.append(daemon)

    def _wait(self, condition: Callable[[], bool], what: str, timeout: float = 120) -> None:
        end = time.monotonic() + timeout
        while not condition():
            for daemon, name in zip(self.daemons, DAEMONS, strict=False):
                if daemon.poll() is not None:
                    raise RuntimeError(f"{name} ended: {(self.folder / f'{name}.out').read_text()[-2000:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"Slurm: no {what} within {timeout} s")
            time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    """Ports of the loopback interface that nothing listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()

"""A real Grid Engine of one host, from Debian's packages, in a network of its own, as it listens everywhere."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

BINARIES = Path("/usr/lib/gridengine")
DEFAULTS = Path("/usr/share/gridengine")
PORTS = {"SGE_QMASTER_PORT": "6444", "SGE_EXECD_PORT": "6445"}

BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn false
spooling_method classic
spooling_lib libspoolc
spooling_params {folder}/default/common;{folder}/qmaster
binary_path {binaries}
qmaster_spool_dir {folder}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""


def missing() -> str | None:
    """Say why no Grid Engine can be started here; None if one can."""
    absent = [name for name in ("sge_qmaster", "sge_execd", "qsub") if not (BINARIES / name).is_file()]
    if absent:
        return f"no Grid Engine: {', '.join(absent)} not found in {BINARIES}; scripts/system_packages installs them"
    if shutil.which("nsenter") is None or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        return "Grid Engine listens on every interface, and no network of its own can be made for it here: not root?"
    return None


class OneHostSge:
    """Starts the daemons in the foreground as children of this process, and ends them by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            **PORTS,
            "SGE_ROOT": str(folder),
            "SGE_CELL": "default",
            "SGE_ND": "true",  # daemons stay in the foreground
            "LD_LIBRARY_PATH": str(BINARIES),
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
        }
        self.inside: list[str] = []
        """What goes before a command that is to run in the network of its own."""

    def start(self) -> None:
        """Start everything and wait until the host takes jobs."""
        self._write_files()
        network = self._spawn("network", "unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity")
        self.inside = ["nsenter", f"--net=/proc/{network.pid}/ns/net"]
        self.wait(lambda: "UP" in self.run("ip", "link", "show", "lo"), "loopback interface")
        self._spawn("qmaster", *self.inside, "sge_qmaster")
        self.wait(lambda: "localhost" in self.run("qconf", "-sh", check=False), "master")
        self.run("qconf", "-as", "localhost")
        at_once = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        self._configure("-ssconf", "-Msconf", {**at_once, "job_load_adjustments": "NONE"})
        shown_only = {"load_values": None, "processors": None}
        self._configure("-se template", "-Ae", {"hostname": "localhost", **shown_only})
        queue = {"qname": "all.q", "hostlist": "localhost", "slots": "4", "load_thresholds": "NONE", "shell": "/bin/sh"}
        self._configure("-sq", "-Aq", {**queue, "pe_list": "NONE"})
        self._spawn("execd", *self.inside, "sge_execd")
        self.wait(lambda: "lx-" in self.run("qhost", "-h", "localhost", check=False), "host")

    def stop(self) -> None:
        """Delete every job and wait for its end, then end the daemons, which would take ten seconds to end in order."""
        if self.inside and self.jobs():
            self.run("qdel", *self.jobs(), check=False)
            self.wait(lambda: not self.jobs(), "end of the jobs")
        for process in reversed(self.started):
            process.kill()
            process.wait(120)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of Grid Engine and return what it says."""
        done = subprocess.run(
            [*self.inside, *command], env=self.environment, capture_output=True, text=True, timeout=120
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def jobs(self, state: str = "") -> list[str]:
        """Ids of the jobs, of those in a state alone if one is given."""
        lines = [line.split() for line in self.run("qstat", check=False).splitlines()[2:]]
        return [words[0] for words in lines if state in words[4]]

    def _write_files(self) -> None:
        common, spool = self.folder / "default/common", self.folder / "qmaster"
        for each in (common, spool / "job_scripts", self.folder / "execd"):
            each.mkdir(parents=True)
        (common / "bootstrap").write_text(BOOTSTRAP.format(folder=self.folder, binaries=BINARIES))
        (common / "act_qmaster").write_text("localhost\n")
        (common / "host_aliases").write_text(f"localhost {socket.gethostname()}\n")
        configuration = _changed(
            (DEFAULTS / "default-configuration").read_text(),
            {
                "execd_spool_dir": str(self.folder / "execd"),
                "mailer": "/bin/true",
                "min_uid": "0",
                "min_gid": "0",
                "load_report_time": "00:00:01",
            },
        )
        (self.folder / "configuration").write_text(configuration)
        self.run("spoolinit", "classic", "libspoolc", f"{common};{spool}", "init")
        resources = DEFAULTS / "util/resources"
        self.run("spooldefaults", "configuration", str(self.folder / "configuration"))
        self.run("spooldefaults", "complexes", str(resources / "centry"))
        self.run("spooldefaults", "usersets", str(resources / "usersets"))
        self.run("spooldefaults", "managers", "root")

    def _configure(self, show: str, change: str, values: Mapping[str, str | None]) -> None:
        """Read a configuration of the master, change some values and hand it back."""
        file = self.folder / "changed"
        file.write_text(_changed(self.run("qconf", *show.split()), values))
        self.run("qconf", change, str(file))

    def _spawn(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def wait(self, condition: Callable[[], bool], what: str, timeout: float = 120) -> None:
        """Wait until a condition holds, while the daemons live."""
        end = time.monotonic() + timeout
        while not condition():
            for process in self.started:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args} ended: {[f.read_text() for f in self.folder.glob('*.out')]}")
            if time.monotonic() > end:
                raise TimeoutError(f"Grid Engine: no {what} within {timeout} s")
            time.sleep(0.1)


def _changed(configuration: str, values: Mapping[str, str | None]) -> str:
    """Change some values of a configuration, a name and a value in each line; without a value the line goes."""
    lines = (line.partition(" ") for line in configuration.replace("\\\n", " ").splitlines())
    new = ((name, values.get(name, rest.strip())) for name, _, rest in lines)
    return "".join(f"{name} {value}\n" for name, value in new if value is not None)

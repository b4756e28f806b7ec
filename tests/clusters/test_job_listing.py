"""What batch systems that are not here say of their jobs, by scripts that say it as they do."""

from __future__ import annotations

import asyncio
import os

import pytest

from distributed_trf.clusters import job_listing
from distributed_trf.clusters.job_listing import end_of_log, live_jobs

QSTAT = """\
cat <<END

server:
                                                            Req'd  Req'd   Elap
Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time
--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----
4711.server     me       workq    dtrf         2091   1   8   64gb 04:00 R 00:01
4712.server     me       workq    dtrf          --    1   8   64gb 04:00 Q   --
END"""
BJOBS = """\
echo '8   me  RUN   normal  login  node7  dtrf  Nov 26 12:00'
echo '9   me  PEND  normal  login  -      dtrf  Nov 26 12:00'"""
NO_BJOBS = "echo 'No unfinished job found' >&2; exit 255"


@pytest.mark.parametrize(
    ("kind", "command", "says", "expected"),
    [
        ("pbs", "qstat", QSTAT, {"4711", "4712"}),
        ("pbs", "qstat", "true", set()),
        ("pbs", "qstat", "echo 'cannot connect to server' >&2; exit 1", None),
        ("lsf", "bjobs", BJOBS, {"8", "9"}),
        ("lsf", "bjobs", NO_BJOBS, set()),
        ("lsf", "bjobs", "echo 'LSF is down' >&2; exit 255", None),
        ("slurm", "squeue", "exec sleep 60", None),
    ],
)
def test_listing__is_judged_only_if_the_queue_answers(tmp_path, monkeypatch, kind, command, says, expected):
    monkeypatch.setattr(job_listing, "PATIENCE", 1.0)
    (tmp_path / command).write_text(f"#!/bin/sh\n{says}\n")
    (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert asyncio.run(live_jobs(kind)) == expected


def test_log__of_a_job_is_known_by_its_number_whatever_else_is_in_its_name(tmp_path):
    for name, text in (("dtrf-112.out", "other"), ("dtrf.o12", ""), ("12.server.OU", "first\n\nlast\n")):
        (tmp_path / name).write_text(text)
    assert end_of_log(tmp_path, "12") == f"its log {tmp_path}/12.server.OU ends with:\n  first\n  last"
    assert end_of_log(tmp_path, "2") == f"it left no log in {tmp_path}"

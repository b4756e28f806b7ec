"""The jobs that a queue lists, and the end of a job's log: often the only trace of a worker that never came."""

from __future__ import annotations

import asyncio
import getpass
import logging
import re
from pathlib import Path

logger = logging.getLogger(__name__)

COMMANDS = {
    "slurm": ("squeue", "--noheader", "--format=%i", "--user"),
    "pbs": ("qstat", "-u"),
    "lsf": ("bjobs", "-noheader", "-w", "-u"),
    "sge": ("qstat", "-u"),
}
"""Commands that list a user's waiting and running jobs, ids first in each line; the user's name is appended."""
PATIENCE = 60.0
"""Seconds that the queue may take to answer."""


async def live_jobs(kind: str) -> set[str] | None:
    """Return the ids of this user's jobs that wait or run in a queue.

    Parameters
    ----------
    kind
        Kind of the recipe.

    Returns
    -------
    set of str, or None
        Their numbers; None if the queue does not answer, so that nothing is known of any job.
    """
    command = (*COMMANDS[kind], getpass.getuser())
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        logger.warning("cannot list jobs: %s", error)
        return None
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        logger.warning("%s did not answer for %g seconds", command[0], PATIENCE)
        return None
    if process.returncode and b"No unfinished job found" not in err:  # LSF's message for an empty list
        logger.warning("%s failed: %s", command[0], err.decode(errors="replace").strip())
        return None
    return job_numbers(out.decode(errors="replace"))


def job_numbers(listing: str) -> set[str]:
    r"""Read the ids from a listing.

    Examples
    --------
    >>> sorted(job_numbers("job-ID  prior  name\n-------\n     12 0.55 dask-worker\n  13 0.55 dask-worker\n"))
    ['12', '13']
    >>> job_numbers("server:\nJob ID    Username\n------ -----\n4711.server  me\n")
    {'4711'}
    """
    return set(re.findall(r"^\s*(\d+)", listing, re.MULTILINE))


SHOWN = 12
"""Quoted lines of a log."""


def end_of_log(folder: Path, job: str) -> str:
    """Quote the last lines of a job's log.

    Parameters
    ----------
    folder
        Folder of the logs of the recipe's jobs.
    job
        Number of the job, which every batch system includes in the log's name.
    """
    number = re.compile(rf"(?<!\d){re.escape(job)}(?!\d)")
    written = [f for f in folder.glob("*") if number.search(f.name) and f.is_file() and f.stat().st_size]
    if not written:
        return f"it left no log in {folder}"
    newest = max(written, key=lambda f: f.stat().st_mtime_ns)
    lines = [line for line in newest.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"its log {newest} ends with:\n" + "\n".join(f"  {line}" for line in lines[-SHOWN:])

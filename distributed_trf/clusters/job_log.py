"""What a job of a queue wrote last: often the only trace of why its worker never came."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SHOWN = 12
"""Lines."""


def end_of_log(job: Any) -> str:
    """Quote the last lines of a job's log.

    Parameters
    ----------
    job
        A ``dask_jobqueue`` job that was submitted.
    """
    if job.log_directory is None:
        return "the recipe names no `log_directory` where its log would be"
    folder = Path(job.log_directory)
    number = re.compile(rf"(?<!\d){re.escape(job.job_id)}(?!\d)")
    written = [f for f in folder.glob("*") if number.search(f.name) and f.is_file() and f.stat().st_size]
    if not written:
        return f"it left no log in {folder}"
    # Queues may keep output and errors apart: errors are what is written last.
    newest = max(written, key=lambda f: f.stat().st_mtime_ns)
    lines = [line for line in newest.read_text(errors="replace").splitlines() if line.strip()]
    return f"its log {newest} ends with:\n" + "\n".join(f"  {line}" for line in lines[-SHOWN:])

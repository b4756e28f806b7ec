"""What a job of a queue wrote last: often the only trace of why its worker never came."""

from __future__ import annotations

import re
from pathlib import Path

SHOWN = 12
"""Lines."""


def end_of_log(folder: Path, job: str) -> str:
    """Quote the last lines of a job's log.

    Parameters
    ----------
    folder
        Where jobs of the recipe leave their logs.
    job
        Its number, which every batch system makes part of the log's name.
    """
    number = re.compile(rf"(?<!\d){re.escape(job)}(?!\d)")
    written = [f for f in folder.glob("*") if number.search(f.name) and f.is_file() and f.stat().st_size]
    if not written:
        return f"it left no log in {folder}"
    newest = max(written, key=lambda f: f.stat().st_mtime_ns)
    lines = [line for line in newest.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"its log {newest} ends with:\n" + "\n".join(f"  {line}" for line in lines[-SHOWN:])

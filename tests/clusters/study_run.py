"""``dtrf run`` in a process of its own, and what it leaves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Run:
    """``dtrf run`` under way, in a process of its own."""

    def __init__(self, output: Path, *arguments: str, inside: Sequence[str], env: Mapping[str, str] | None) -> None:
        self.output = output
        self.process = subprocess.Popen(
            # Ctrl-C is ignored by what a script starts in the background, as these tests may be.
            [*inside, "env", "--default-signal=INT", sys.executable, "-m", "distributed_trf", "run", *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, stage: str, receipts: int) -> None:
        """Wait until a stage has so many receipts, in mid-run."""
        while len(list(self.output.glob(f"receipts/{stage}/*.json"))) < receipts:
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def end(self, code: int = 0) -> str:
        """Wait for the end, check the exit code and return what was said."""
        said, _ = self.process.communicate(timeout=500)
        assert self.process.returncode == code, said
        return said

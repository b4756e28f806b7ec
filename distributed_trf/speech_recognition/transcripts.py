"""What networks understood, kept line by line so that an interrupted evaluation goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from distributed_trf.store.atomic import make_folder


@dataclass(frozen=True)
class Transcript:
    """What was said in an utterance, and what a network understood."""

    id: str
    said: str
    understood: str
    cut: bool
    """Whether the network heard only the beginning, because the utterance is longer than it takes."""


class TranscriptFile:
    """A file of JSON lines, one transcript each.

    Parameters
    ----------
    path
        The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Transcript]:
        """Return the transcripts by id, without a last one that was not written to its end."""
        if not self.path.is_file():
            return {}
        whole = self.path.read_bytes().rpartition(b"\n")[0].decode()
        found = [Transcript(**json.loads(line)) for line in whole.splitlines()]
        return {transcript.id: transcript for transcript in found}

    def append(self, transcripts: Iterable[Transcript]) -> None:
        """Add transcripts; they are on disk when this returns."""
        make_folder(self.path.parent)
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write("".join(f"{json.dumps(asdict(t), ensure_ascii=False)}\n" for t in transcripts).encode())
            file.flush()
            os.fsync(file.fileno())

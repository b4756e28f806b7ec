"""What every recipe says, and kinds of values that several have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ByteSize, Field

from distributed_trf.config.fields import AbsolutePath, Duration
from distributed_trf.config.load import Settings

STATE = Path("~/.local/state/distributed_trf")
"""Where logs of jobs and keys go unless a recipe says otherwise: below the home directory, which machines share."""

Device = Literal["cpu", "cuda"]
Count = Annotated[int, Field(ge=1)]
Gpu = Annotated[int, Field(ge=0)]
HostMemory = Annotated[ByteSize, Field(ge=1 << 20)]
Word = Annotated[str, Field(pattern=r"^[^\s'\"`;&|<>]+$")]
"""One word of a job script's command line; variables such as $TMPDIR are left to the shell of the job."""


class BaseRecipe(Settings):
    """What workers of every kind have."""

    dashboard: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:\d+$")] = "127.0.0.1:8787"
    """Address of the dashboard; it has no password, so keep it on the loopback interface."""
    item_limit: Duration | None = 6 * 3600.0
    """Seconds after which a worker that is still at one item is ended; None for never."""
    worker_ttl: Duration = 1800.0
    """Seconds without a heartbeat after which a worker counts as lost."""


class RemoteRecipe(BaseRecipe):
    """What workers on other machines have: a way to this one, and keys."""

    interface: Word
    """Network interface by which workers and this machine reach each other, such as ib0."""
    python: Word | None = None
    """Interpreter on the workers' machines; by default the path of the one that starts them."""
    scratch: Word | None = None
    """Folder on the workers' own disks, such as $TMPDIR."""
    tls_directory: AbsolutePath = Field(default=STATE / "keys", validate_default=True)
    """Folder on a shared file system for the keys of a run; only its owner may enter it."""

"""The fields that all recipes share, and types of values for several of them."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field

from distributed_trf.config.fields import AbsolutePath, Duration
from distributed_trf.config.load import Settings

STATE = Path("~/.local/state/distributed_trf")
"""Default folder of job logs and TLS keys: below the home directory, which machines share."""

Device = Literal["cpu", "cuda"]
Count = Annotated[int, Field(ge=1)]
Gpu = Annotated[int, Field(ge=0)]


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 30:  # pydantic would turn so many digits into infinity
        raise ValueError("expected a number of bytes, such as 16 GiB")
    return value


def _a_mebibyte(value: ByteSize) -> ByteSize:
    if value < 1 << 20:
        raise ValueError("expected 1 MiB at least; a number without a unit is bytes, so write 16 GiB or the like")
    return value


Memory = Annotated[ByteSize, BeforeValidator(_short), AfterValidator(_a_mebibyte)]
_WORD = r"^[^\s'\"`;&|<>]+$"
Word = Annotated[str, Field(pattern=_WORD)]
"""One word of a job script's command line; variables such as $TMPDIR are left to the shell of the job."""


def _one_word(path: Path) -> Path:
    if not re.fullmatch(_WORD, str(path)):
        raise ValueError("a folder in a job script must have no spaces or quotes in its path; choose another")
    return path


Folder = Annotated[AbsolutePath, AfterValidator(_one_word)]
"""A folder on a file system that this machine and the workers share."""


class BaseRecipe(Settings):
    """Fields of all recipes."""

    dashboard: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:\d+$")] = "127.0.0.1:8787"
    """Address of the dashboard; it has no password, so keep it on the loopback interface."""
    item_limit: Duration | None = 6 * 3600.0
    """Seconds after which a worker is ended if it still runs the same item; None for never."""
    worker_ttl: Duration = 1800.0
    """Seconds without a heartbeat after which a worker counts as lost."""
    device_memory: Memory | None = None
    """Memory of each worker's GPU, for plans; by default those of this machine are queried, others when they start."""


class RemoteRecipe(BaseRecipe):
    """Fields of recipes for other machines: the connection to this one, and TLS keys."""

    interface: Word
    """Network interface that connects workers and this machine, such as ib0."""
    scheduler_interface: Word | None = None
    """Interface of this machine, if its name differs."""
    python: Word | None = None
    """Interpreter on the workers' machines; by default the path of the one that starts them."""
    scratch: Word | None = None
    """Folder on the workers' own disks; by default $TMPDIR, or else /tmp."""
    tls_directory: Folder = Field(default=STATE / "keys", validate_default=True)
    """Folder of a run's TLS keys; only its owner may have access."""

    @property
    def interface_here(self) -> str:
        """Name of this machine's interface."""
        return self.scheduler_interface or self.interface

    @property
    def interpreter(self) -> str:
        """Path of Python on the workers' machines, quoted for a shell."""
        return self.python or shlex.quote(sys.executable)

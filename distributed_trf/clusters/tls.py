"""TLS keys of one run: whoever holds them can give work to its workers, so nobody else may read them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed_trf.errors import ConfigError

CERTIFICATE, KEY = "certificate.pem", "key.pem"


@contextmanager
def run_keys(folder: Path) -> Iterator[Any]:
    """Write the keys of a run as files that only their owner may read; they are removed after the block.

    Parameters
    ----------
    folder
        Parent of the folder of keys; on a file system that workers share.

    Yields
    ------
    distributed.Security
        The paths, the same for scheduler, workers and clients. The certificate is self-signed: a process with its key
        belongs to the run.

    Raises
    ------
    ConfigError
        If others have access to the folder, or it cannot be written.
    """
    from distributed import Security

    temporary = Security.temporary()
    made = _private_folder(folder)
    try:
        for name, content in ((CERTIFICATE, temporary.tls_ca_file), (KEY, temporary.tls_worker_key)):
            with os.fdopen(
                os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(content)
        yield security_from(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def security_from(folder: Path) -> Any:
    """Return Dask's settings for the keys in a folder."""
    from distributed import Security

    certificate, key = str(folder / CERTIFICATE), str(folder / KEY)
    roles = ("scheduler", "worker", "client")
    paths = {f"tls_{role}_{part}": path for role in roles for part, path in (("cert", certificate), ("key", key))}
    return Security(require_encryption=True, tls_ca_file=certificate, **paths)


def _private_folder(folder: Path) -> Path:
    """Create a new folder in one that only its owner can access."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise ConfigError(
                f"tls_directory = {folder}: others have access (mode {state.st_mode & 0o777:o}, owner "
                f"{state.st_uid}), and whoever reads the keys can run code as you; chmod 700 it or choose another"
            )
        return Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    except OSError as error:
        raise ConfigError(f"tls_directory = {folder}: keys cannot be written there: {error}") from error

"""Files and the digests that their writer's receipt has of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from distributed_trf.errors import DamagedError
from distributed_trf.store.fingerprint import digest_bytes, digest_file

REMEDY = "`dtrf repair STUDY` finds all damaged files, and `dtrf run STUDY` then writes them again"


def digest_files(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by its path in it."""
    return {p.relative_to(folder).as_posix(): digest_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Check the files of a folder against their digests.

    Raises
    ------
    DamagedError
        If the content of a file does not match, naming the first such file.
    """
    for key, expected in files.items():
        read_verified(folder / key, expected)


def read_verified(path: Path, expected: str) -> bytes:
    """Read a file, and check it against its digest.

    Raises
    ------
    DamagedError
        If it is missing or does not match.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(
            f"{path}: cannot be read ({error.strerror}), though it was written; {REMEDY}", path
        ) from None
    if digest_bytes(content) not in expected.split():
        raise DamagedError(f"{path}: damaged, its content is not what was written; {REMEDY}", path)
    return content

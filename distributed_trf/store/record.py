"""Small JSON files that carry a digest of themselves and of their place: one that was changed, or moved, is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import write_text
from distributed_trf.store.fingerprint import digest_bytes

FIELD = "digest"


def write_record(path: Path, root: Path, content: Mapping[str, Any]) -> None:
    """Write a record below the folder ``root``, which may be moved as a whole; it appears whole or not at all."""
    write_text(path, record_text(path, root, content))


def record_text(path: Path, root: Path, content: Mapping[str, Any]) -> str:
    """Return the text of a record."""
    blank = json.dumps({FIELD: "", **content}, indent=1, allow_nan=False)
    return blank.replace(_field(""), _field(_digest(path, root, blank)), 1)


def read_record(path: Path, root: Path, remedy: str) -> dict[str, Any] | None:
    """Read a record; None if there is none.

    Raises
    ------
    DamagedError
        If it is not what was written here, with what to do.
    """
    try:
        text = path.read_bytes().decode()
        content = json.loads(text)
        found = content.pop(FIELD)
        if found == _digest(path, root, text.replace(_field(found), _field(""), 1)):
            return dict(content)
        why = "its content is not what was written"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        why = f"not a record ({error})"
    raise DamagedError(f"{path}: damaged, {why}; {remedy}", path)


def _field(digest: str) -> str:
    return f'"{FIELD}": "{digest}"'


def _digest(path: Path, root: Path, text: str) -> str:
    return digest_bytes(f"{path.relative_to(root).as_posix()}\n{text}".encode())

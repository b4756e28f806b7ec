"""Fingerprints: short hashes of everything that a result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 16


def digest(content: Any) -> str:
    """Hash any JSON values; equal content gives equal digests on every machine."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return digest_bytes(text.encode())


def fingerprint(parts: Mapping[str, Any]) -> dict[str, str]:
    """Hash each named part, so that a changed part can be named; ``digest`` of the whole identifies the result."""
    return {name: digest(part) for name, part in parts.items()}


def digest_array(array: np.ndarray) -> str:
    """Hash an array's dtype, shape and content."""
    array = np.ascontiguousarray(array)
    hashed = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    hashed.update(array.data)
    return hashed.hexdigest()[:DIGITS]


def digest_bytes(content: bytes | memoryview) -> str:
    """Hash bytes."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def digest_file(path: Path) -> str:
    """Hash a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def file_stamps(files: Iterable[Path]) -> list[list[Any]]:
    """Return name, size and time of change of each file: enough to notice an edit without reading gigabytes."""
    stamps = []
    for file in sorted(files):
        stat = file.stat()
        stamps.append([file.name, stat.st_size, stat.st_mtime_ns])
    return stamps


def library_versions(*names: str) -> dict[str, str]:
    """Return major and minor version of each library: bug-fix releases do not make results stale."""
    return {name: ".".join(_version(name).split(".")[:2]) for name in names}


@cache
def _version(name: str) -> str:
    """Look up a version once in a process: each look-up parses the library's metadata, milliseconds for every item."""
    return version(name)

"""Damage done to files on disk."""

from __future__ import annotations

from pathlib import Path


def flip_a_bit(path: Path, byte: int) -> None:
    """Flip one bit of one byte, counted from either end."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 16
    path.write_bytes(content)

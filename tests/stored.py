"""What a study has stored."""

from __future__ import annotations

from pathlib import Path

KEPT = ("sounds", "counts", "features", "reliability", "results.zarr")


def contents(study: Path) -> dict[str, bytes]:
    """Every chunk of sounds, counts, features, reliability and results, byte by byte."""
    files = [f for name in KEPT for f in (study / name).rglob("c/**/*") if f.is_file()]
    assert files
    return {str(f.relative_to(study)): f.read_bytes() for f in files}

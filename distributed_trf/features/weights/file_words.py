"""What files of weights say in words: JSON that stands beside tensors, and texts of theirs in errors."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from distributed_trf.errors import FeatureError, shown


def read_json(file: Path, what: str) -> dict[str, Any]:
    """Read a file that stands beside weights.

    Raises
    ------
    FeatureError
        If it is not there or holds no JSON of names and values; it says that the file is not ``what``.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(
            f"{file}: cannot be read as {what}: {told(error)}; fetch it again, or give the folder of the trained "
            "weights as `source` in the study"
        ) from error
    return content


def told(error: Exception) -> str:
    """Return what an error says, of which some say nothing and others repeat the file."""
    kind, text = type(error).__name__, shown(" ".join(str(error).split()), 200, quoted=False)
    return text if isinstance(error, UnpicklingError) else f"{kind}: {text}" if text else kind

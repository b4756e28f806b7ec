"""What the real wheel offers (names.txt, written by make_table.py), by which calls are checked."""

import inspect
from pathlib import Path

KINDS: dict[str, tuple[str, str]] = {}
"""Kind of each name, and its signature or number of inputs."""
for _line in (Path(__file__).parent / "names.txt").read_text().splitlines():
    _name, _kind, *_rest = _line.split(" ", 2)
    KINDS[_name] = (_kind, _rest[0] if _rest else "")
VERSION = KINDS.pop("version")[0]


def of(module: str) -> dict[str, tuple[str, str]]:
    """Return the names right in a module."""
    prefix = f"{module}."
    return {n[len(prefix) :]: k for n, k in KINDS.items() if n.startswith(prefix) and "." not in n[len(prefix) :]}


def signature(text: str) -> inspect.Signature | None:
    """Read ``(a, axis=None)``; what cannot be known of the real wheel is not checked."""
    return inspect.signature(eval(f"lambda {text[1:-1]}: None")) if text else None

"""librosa, which several spectrograms are held against."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


def as_it_is(*arguments: Any, **_: Any) -> Any:
    """Stand for a decorator of numba, with settings or without, that compiles nothing."""
    return arguments[0] if arguments and isinstance(arguments[0], Callable) else lambda function: function


@pytest.fixture
def librosa(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import librosa without compiling, for half a minute, functions of it that no spectrogram calls."""
    numba = pytest.importorskip("numba")
    for name in ("guvectorize", "jit", "njit", "stencil", "vectorize"):
        monkeypatch.setattr(numba, name, as_it_is)
    return pytest.importorskip("librosa")

"""Packages whose wheels hold trained networks: their weights, and their own code to compare with."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import transformers  # noqa: F401 - it looks for some of what is absent below

UNUSED = ("resampy", "torchaudio", "webrtcvad")
"""Packages that read and resample files or cut pauses out; no test here needs them."""
INSTALL = "pip install --no-deps -r scripts/trained_networks.txt"


def weights_file(package: str, name: str) -> Path:
    """Return a file of a package, without importing it; skip the test if the package is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed, whose wheel holds a trained network: {INSTALL}")
    return Path(spec.submodule_search_locations[0]) / name


def own_code(package: str) -> ModuleType:
    """Import a package, with empty modules for what it imports and no test needs."""
    weights_file(package, "")
    with _empty(UNUSED), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of scipy, by an import of the package
        return import_module(package)


@contextmanager
def _empty(names: tuple[str, ...]) -> Iterator[None]:
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]

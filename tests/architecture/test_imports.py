"""``import distributed_trf`` stays light, and the public names are all there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import distributed_trf

HEAVY = {"torch", "cupy", "dask", "distributed", "matplotlib", "transformers", "xarray", "zarr"}


def test_import__pulls_in_nothing_heavy():
    """If this fails, an import at the top of some module should move into the function that needs it."""
    command = [sys.executable, "-X", "importtime", "-c", "import distributed_trf"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}
    assert "distributed_trf" in imported
    assert not imported & HEAVY


def test_trf__needs_numpy_but_none_of_the_heavy_ones():
    code = f"import sys; from distributed_trf import TRF; assert not set(sys.modules) & {HEAVY!r}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", distributed_trf.__all__)
def test_public_name__exists_and_is_documented(name):
    assert getattr(distributed_trf, name).__doc__


def test_unknown_name__is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'FRT'"):
        _ = distributed_trf.FRT

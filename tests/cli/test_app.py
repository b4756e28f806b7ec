"""Commands are loaded one by one, so that each begins at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from distributed_trf.cli.app import COMMANDS

SLOW = {"scipy", "pandas", "xarray", "zarr", "dask", "distributed", "matplotlib", "torch"}
"""To import; ``recipes`` needs none of them."""


def test_command__loads_what_it_needs_alone():
    code = (
        "import sys; from typer.testing import CliRunner; from distributed_trf.cli.app import app;"
        f"print(CliRunner().invoke(app, ['recipes']).exit_code, sorted({SLOW} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 []\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_command__is_where_it_is_looked_for(dtrf, name):
    done = dtrf(name, "--help")
    assert done.exit_code == 0
    assert f" {name} [OPTIONS]" in done.stdout


def test_unknown_command__names_the_nearest(dtrf):
    done = dtrf("rn")
    assert done.exit_code == 2
    assert "No such command 'rn'. Did you mean 'run'?" in done.stderr

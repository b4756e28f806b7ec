"""The other notebooks run top to bottom, that of Slurm without one and on a real one."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.executed import FOLDER, SECOND_HALF, execute, n_pictures, printed, told_on_stderr

PICTURES = {"06_paper_figures": 10, "07_slurm": 1, "08_your_own": 3}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SECOND_HALF)
def test_notebook__runs_from_a_clean_folder(name, tmp_path, monkeypatch):
    (tmp_path / "empty.conf").touch()  # of no Slurm; commands of Slurm wait a minute for a file that is not there
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "empty.conf"))
    executed = execute(name, tmp_path)
    assert told_on_stderr(executed) == []
    assert n_pictures(executed) == PICTURES[name]
    if name == "07_slurm":
        assert "no Slurm answers here" in printed(executed)
        assert re.search(r"local: [1-9]\d* workers so far", printed(executed))
    if name == "08_your_own":
        installed = find_spec("resemblyzer") is not None
        assert ("pip install --no-deps resemblyzer" in printed(executed)) is not installed
        tables = "".join(
            o.data.get("text/plain", "") for c in executed.cells for o in c.get("outputs", []) if "data" in o
        )
        assert len(re.findall(r"voices +(trained|reset|permuted) +1 +lstm", tables)) == 3 * installed


def test_slurm__runs_the_study_on_its_jobs(tmp_path, running_slurm):
    executed = execute("07_slurm", tmp_path, running_slurm.environment)
    assert told_on_stderr(executed) == []
    said = printed(executed)
    assert "Slurm answers here" in said
    assert "slurm: 0 workers so far" in said
    assert said.count("WorkerJoined on 127.0.0.1") == 2
    assert "True {'read': 3, 'assess': 4, 'extract': 20, 'fit': 4}" in said
    assert "left in the queue: nothing" in said
    assert len(list((tmp_path / "work/on_slurm/logs").glob("dtrf-*.out"))) == 2
    assert not list((tmp_path / "work/on_slurm/keys").iterdir())
    assert running_slurm.jobs("pending,running") == []


def test_network_of_a_package_that_is_missing__is_left_out_with_how_to_get_it(tmp_path, monkeypatch, capsys):
    cells = [cell.source for cell in nbformat.read(FOLDER / "08_your_own.ipynb", as_version=4).cells]
    (choice,) = (source for source in cells if source.startswith("networks = ["))
    monkeypatch.chdir(tmp_path)
    exec(choice, found := {"find_spec": lambda _name: None, "Path": Path})
    assert found["networks"] == ["{ name: filter_bank, weights: [trained, reset] }", "{ name: mel_librosa }"]
    assert "pip install --no-deps resemblyzer==" in capsys.readouterr().out
    assert not any(tmp_path.iterdir())

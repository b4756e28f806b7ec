"""What ``dtrf recipes`` prints."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from distributed_trf.cli.app import app
from distributed_trf.config.load import shipped


def dtrf(*arguments):
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster").mkdir()
    return tmp_path / "cluster"


def test_recipes__are_those_that_ship_and_yours_and_one_that_cannot_be_used_hides_no_other(folder):
    (folder / "ours.yaml").write_text("# Our own [cluster]\nkind: slurm\njobs: 3\n")
    (folder / "mine.yaml").write_text("# My own [laptop]\nkind: local\nworkers: 3\n")
    done = dtrf("recipes")
    assert done.exit_code == 0
    assert done.stderr == ""
    for path in shipped("cluster").glob("*.yaml"):
        assert f"\n{path.stem} " in done.stdout
    assert "(yours) My own [laptop]" in done.stdout
    assert "cannot be used: cluster/ours.yaml: interface: this field is required" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_recipe__is_shown_as_it_stands(folder):
    done = dtrf("recipes", "show", "slurm_gpu")
    assert done.stdout == (shipped("cluster") / "slurm_gpu.yaml").read_text()
    (folder / "slurm_gpu.yaml").write_text("kind: local # mine comes first\n")
    assert dtrf("recipes", "show", "slurm_gpu").stdout == "kind: local # mine comes first\n"


def test_script__is_printed_alone(folder):
    done = dtrf("recipes", "show", "slurm_gpu", "--script")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.startswith("#!/usr/bin/env bash\n\n#SBATCH -J dtrf\n")
    assert "#SBATCH --gres=gpu:1\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["local", "--script"], "kind = 'local' submits no jobs, so there is no script; slurm, pbs, lsf and sge do"),
        (["slrum"], "Did you mean slurm?"),
        (["slurm", "--script", "--jobs"], "No such option"),
    ],
)
def test_mistake__is_told_and_ends_with_2(folder, arguments, said):
    done = dtrf("recipes", "show", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr

"""What CONTRIBUTING.md tells to write, written word by word into a copy of the checkout, works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCK = re.compile(r"^```(python|yaml|toml|diff)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w./-]+\.\w+)`")

STUDY = """
import json
import numpy as np
from pathlib import Path
import distributed_trf
from distributed_trf import Study, inventory, open_recordings, open_results

assert Path(distributed_trf.__file__).parents[1] == Path("CHECKOUT")
text = '''
name: guide
recordings: {format: my_lab, path: recordings}
stimuli: [words]
output: study
networks: [{name: power}, {name: twoconv, weights: [reset]}]
reliability: null
'''
Path("study.yaml").write_text(text)
assert set(inventory(open_recordings("my_lab", "recordings")).stimuli.values) == {"words"}
report = Study.load("study.yaml").run(None)
assert report.ok, report
r = open_results("study").r
print(json.dumps({name: int(np.isfinite(r.sel(network=name)).sum()) for name in ("power", "twoconv")}))
"""

ANALYSIS = """
from pathlib import Path
import numpy as np
from distributed_trf import Study, open_tree
from distributed_trf.cli.app import app
from distributed_trf.pipeline.status import State

if __name__ == "__main__":
    study = Study.load("study.yaml")
    ((planned, cost),) = [(p, cost) for p, cost in study.plan() if p.item.key.startswith("lag-profile-")]
    assert planned.state is State.WAITING, planned
    assert cost.flops > 0
    report = study.run("local")
    assert report.ok, report
    assert report.done["analyse"] == 1
    again = study.run("local")
    assert again.folder is None, again
    (study.output / f"receipts/analyse/{planned.item.key}.json").unlink()
    assert study.run(None).done == {"read": 0, "assess": 0, "extract": 0, "fit": 0, "analyse": 1}
    found = open_tree(study.output)["lag_profile"].dataset
    assert np.isfinite(found["r"]).all()
    assert np.isfinite(found["normaliser"]).all()
    app(["report", "study.yaml", "--output", "report.html"], standalone_mode=False)
    assert "fitted at each lag alone" in Path("report.html").read_text()
"""


def apply(lines, path):
    """Add the lines with + and take out those with -; the others, which are there, say where."""
    text, at, first = path.read_text().splitlines(), None, []
    for line in lines:
        sign, content = line[0], line[1:]
        if sign == "+" and at is None:
            first.append(content)
            continue
        if sign == "+":
            text.insert(at, content)
            at += 1
            continue
        if at is None or text[at] != content:
            assert text.count(content) == 1, (path, content)
            at = text.index(content)
        text[at:at], at, first = first, at + len(first), []
        if sign == "-":
            del text[at]
        else:
            at += 1
    path.write_text("\n".join(text) + "\n")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the tracked files, changed as the guide tells; the file of a block is the one named last before it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("distributed_trf", "configs", "cluster", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in BLOCK.finditer(GUIDE):
        path = folder / FILE.findall(GUIDE[: block.start()])[-1]
        if block[1] == "diff":
            apply(block[2].splitlines(), path)
        else:
            assert not path.exists(), path
            path.parent.mkdir(exist_ok=True)
            path.write_text(block[2])
    # As an installer would, without one.
    info = folder / "my_lab/my_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_lab\nVersion: 1.0\n")
    ((group, points),) = tomllib.loads((folder / "my_lab/pyproject.toml").read_text())["project"][
        "entry-points"
    ].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def run(checkout):
    """Run Python with the copy in place of the package."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout}{os.pathsep}{checkout / 'my_lab'}"}

    def apply(*command, folder=checkout):
        done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return apply


def test_new_files__are_as_ruff_wants_them(run):
    run("-m", "ruff", "check", ".")
    run("-m", "ruff", "format", "--check", ".")


def test_spectrogram_network_and_recipe__pass_their_tests_and_those_of_all(run, checkout):
    script = run("-m", "distributed_trf", "recipes", "show", "slurm_himem", "--script")
    assert "--mem=512G" in script
    reviewed = script.replace(sys.executable, "PYTHON").replace(str(Path.home()), "HOME")
    (checkout / "tests/clusters/scripts/slurm_himem.sh").write_text(reviewed)
    tests = (
        "features/test_power.py",
        "features/test_twoconv.py",
        "features/test_table.py",
        "clusters/test_job_script.py",
        "pipeline/stages/test_lag_profile.py",
    )
    of_new_tables = "not test_table or twoconv or power"  # those that ship are checked in the tests of tables
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", of_new_tables, *(f"tests/{name}" for name in tests))


def test_recording_format__is_read_by_a_study_of_the_new_networks(run, checkout, tmp_path):
    rng = np.random.default_rng(0)
    names = [*(f"train{k}" for k in range(9)), "test0", "test1"]
    folder = tmp_path / "recordings"
    folder.mkdir()
    np.savez(folder / "sounds.npz", **{name: rng.normal(size=16_000) for name in names})
    for session in ("session_a", "session_b"):
        stimulus = [*names, "test0", "test1"]
        units = {f"unit{k}": np.sort(rng.uniform(0, 30, 600)) for k in range(2)}
        np.savez(folder / f"{session}.npz", stimulus=stimulus, onset=2.0 * np.arange(len(stimulus)), **units)
    assert (
        run("-c", STUDY.replace("CHECKOUT", str(checkout)), folder=tmp_path).splitlines()[-1]
        == '{"power": 4, "twoconv": 8}'
    )


def test_analysis__is_planned_done_on_workers_resumed_opened_and_reported(run, workplace, write_study):
    profile = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}
    write_study(networks=[{"name": "mel_librosa"}], lag_profile=[profile])
    (workplace / "run.py").write_text(ANALYSIS)
    run("run.py", folder=workplace)

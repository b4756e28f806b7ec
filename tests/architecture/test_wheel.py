"""The wheel holds the package, its pages, the YAML files that it looks for, and how to adapt them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.parametrize("major", ["12", "13"])
def test_gpu_extras__bring_the_libraries_that_cupy_calls(wheel, major):
    (distribution,) = Distribution.discover(path=[str(wheel)])
    wanted = [Requirement(text) for text in distribution.requires]
    of_extra = {r.name: r.extras for r in wanted if r.marker and r.marker.evaluate({"extra": f"cuda{major}"})}
    assert of_extra == {f"cupy-cuda{major}x": {"ctk"}, "dask-cuda": {f"cu{major}"}}


def test_wheel__carries_configs_and_recipes(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    files = {str(p.relative_to(ROOT)) for folder in ("configs", "cluster") for p in (ROOT / folder).rglob("*.*")}
    inside = tmp_path / "site/distributed_trf/_shipped"
    assert {str(p.relative_to(inside)) for p in inside.rglob("*.*")} == files
    assert "cluster/README.md" in files
    pages = {
        p.relative_to(ROOT)
        for folder in ("page_files", "templates")
        for p in (ROOT / "distributed_trf").rglob(f"{folder}/*")
    }
    assert {p.suffix for p in pages} == {".html", ".css", ".js", ".j2"}
    assert all((tmp_path / "site" / page).is_file() for page in pages)
    code = "import distributed_trf as d; print(d.Study.load('quickstart'), d.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert "Study('quickstart'" in found.stdout, found.stderr
    assert str(tmp_path) in found.stdout

"""The wheel holds the package, its pages, the YAML files that it looks for, and how to adapt them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest
import yaml
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


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_extra_all__is_every_one_that_needs_no_gpu():
    (wanted,) = map(Requirement, EXTRAS["all"])
    assert wanted.extras == EXTRAS.keys() - {"all", "docs", "dev", "cuda12", "cuda13"}


def test_recipe_for_conda__requires_what_the_package_does():
    content = yaml.safe_load((ROOT / ".github/conda/recipe.yaml").read_text())
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    named = {"dask": "dask-core"}
    expected = {f"{named.get(r.name, r.name)} {r.specifier}" for r in wanted}
    run = content["requirements"]["run"]
    assert {*run} == {f"python {PROJECT['project']['requires-python']}", *expected}
    built = [Requirement(text) for text in PROJECT["build-system"]["requires"]]
    assert {f"{r.name} {r.specifier}" for r in built} <= {*content["requirements"]["host"]}
    ((command, home),) = PROJECT["project"]["scripts"].items()
    assert content["build"]["python"]["entry_points"] == [f"{command} = {home}"]


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_image__has_extras_that_there_are(name):
    text = (ROOT / "cluster" / name).read_text()
    named = {extra for extras in re.findall(r"EXTRAS=([\w,]+)", text) for extra in extras.split(",")}
    assert "all" in named
    assert named <= EXTRAS.keys()


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

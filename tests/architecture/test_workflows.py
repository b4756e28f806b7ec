"""The workflows on GitHub call what is there, with no more rights than they need."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
FORMS = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
EXTRAS = re.compile(r"(?:\.|distributed_trf)\[([a-z0-9,]+)\]")


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def test_workflows__are_those_that_the_guide_names():
    assert WORKFLOWS.keys() == {"fast", "suite", "oldest", "newest", "wheel", "release", "site"}
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"`{name}`" in guide for name in WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow__calls_scripts_that_are_there(name):
    commands = "\n".join(step.get("run", "") for step in steps(WORKFLOWS[name]))
    called = re.findall(r"(?:^|[\s;&|])((?:scripts|\.ci)/[\w./-]+)", commands)
    assert called
    assert all(os.access(ROOT / script, os.X_OK) for script in called)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow__may_read_and_little_else_and_ends(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"].startswith(name)
    further = {right for job in workflow["jobs"].values() for right in job.get("permissions", {})} - {"contents"}
    assert further == {"newest": {"issues"}, "release": {"id-token"}, "site": {"pages", "id-token"}}.get(name, set())
    assert all("timeout-minutes" in job or "uses" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflow__takes_actions_of_a_major_version(name):
    used = [step["uses"] for step in steps(WORKFLOWS[name]) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", action) for action in used)


def test_workflow__fast_runs_on_every_python_that_is_promised():
    promised = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    (job,) = WORKFLOWS["fast"]["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


@pytest.mark.parametrize("script", ["setup.sh", "quickstart", "test", "docs", "test_versions", "check_wheel"])
def test_script__installs_extras_that_are_there(script):
    text = (ROOT / "scripts" / script).read_text()
    named = EXTRAS.findall(text) + re.findall(r'(?:setup\.sh" |\bextras=)([a-z0-9,]+)', text)
    assert named or script in ("setup.sh", "check_wheel")
    assert {extra for found in named for extra in found.split(",")} <= PROJECT["optional-dependencies"].keys()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_form__asks_for_something(form):
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= content.keys()
    assert len({part["id"] for part in content["body"]}) == len(content["body"])
    assert any(part.get("validations", {}).get("required") for part in content["body"])

"""Everything that MIGRATION.md names here exists: commands, options, fields, variables, Python names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

import distributed_trf
from distributed_trf import import_published_csv, names, open_bootstraps, open_lowpass
from distributed_trf.cli.app import COMMANDS, load
from distributed_trf.config.extraction import Weights
from distributed_trf.config.load import listed
from distributed_trf.config.study import StudySettings
from distributed_trf.figures import gallery
from tests.published_files import small_folder

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "MIGRATION.md").read_text()
PROSE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
SPANS = sorted(set(re.findall(r"`([^`]+)`", re.sub(r"\[`.*?`\]\(.*?\)", "", PROSE))))
"""Code in running text and tables; what the published code calls things stands in italics."""
STUDY = {
    "name": "mine",
    "recordings": {"format": "ucsf", "path": "recordings"},
    "output": "out",
    "networks": [{"name": "whisper_base"}],
}


@pytest.fixture(scope="module")
def dimensions(tmp_path_factory):
    """Dimensions of results beside the grid."""
    path = tmp_path_factory.mktemp("migration")
    files = small_folder(path / "in")
    files.bootstrap("whisper_base", 2, "a", [10])
    files.bootstrap("whisper_base", 2, "a", [20], trials=[1])
    import_published_csv(path / "in", path / "out")
    opened = [open_lowpass(path / "out"), *(open_bootstraps(path / "out", of=of) for of in ("training", "test"))]
    return {str(dim) for ds in opened for dim in ds.dims}


def is_command(line):
    """Whether a line of a terminal has a command and options that exist."""
    words = shlex.split(line, comments=True)[1:]
    if not words or words[0] not in COMMANDS:
        return False
    command, words = load(words[0]), words[1:]
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    return {word for word in words if word.startswith("-")} <= options


def is_python(text):
    """Whether an expression calls something public, or a figure, with arguments of names that it takes."""
    try:
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return False
    public = [call for call in calls if isinstance(call.func, ast.Name)]
    for call in public:
        home = gallery if call.func.id.startswith("figure_") else distributed_trf
        if home is distributed_trf and call.func.id not in distributed_trf.__all__:
            return False
        given = [None] * len(call.args), {keyword.arg: None for keyword in call.keywords}
        inspect.signature(getattr(home, call.func.id)).bind_partial(*given[0], **given[1])
    return bool(public)


def is_field(text):
    """Whether a study takes a field, or a field and value, written with dots between levels."""
    try:
        content = yaml.safe_load("{" + text + "}" if ": " in text else text)
    except yaml.YAMLError:
        return False
    if isinstance(content, str):
        model = StudySettings
        for part in content.split("."):
            if not hasattr(model, "model_fields") or part not in model.model_fields:
                return False
            model = model.model_fields[part].annotation
        return True
    study = {**STUDY}
    for dotted, value in content.items():
        *levels, last = dotted.split(".")
        for level in reversed(levels):
            value, last = {last: value}, level
        study[last] = {**STUDY["recordings"], **value} if last == "recordings" else value
    try:
        StudySettings.model_validate(study)
    except ValidationError:
        return False
    return True


def is_weights(text):
    try:
        TypeAdapter(Weights).validate_python(text)
    except ValidationError:
        return False
    return True


def is_named(text):
    """Whether a dotted path leads to something in the package."""
    module, _, name = text.rpartition(".")
    return text.startswith("distributed_trf.") and hasattr(importlib.import_module(module), name)


def options():
    """Options of any command."""
    commands = [load(name) for name in COMMANDS]
    return {name for command in commands for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("span", SPANS)
def test_migration__names_nothing_that_is_not_there(span, dimensions):
    variables = {*names.RESULTS, *names.RELIABILITY, *names.COORDS, "rho"} | dimensions
    if span.startswith("dtrf "):
        assert is_command(span)
    elif span.startswith("--"):
        assert span in options()
    elif "/" in span and " " not in span:
        assert (ROOT / span).exists()
    else:
        known = span in variables or span in listed("configs/networks") or is_weights(span)
        assert known or is_python(span) or is_field(span) or is_named(span)


@pytest.mark.parametrize(
    "wrong",
    [
        "dtrf fit STUDY",
        "dtrf run STUDY --gpus 2",
        "open_csv(folder)",
        "open_results(folder, lag=2)",
        "figure_3(ds, test=2)",
        "ridge.penalty",
        "ridge.folds: own",
        "lowpass: [{network: whisper_tiny, layer: 2, weights: trained, lowpass_bins: [20]}]",
        "resetted",
    ],
)
def test_migration__what_is_not_there_would_be_found(wrong, dimensions):
    with pytest.raises((AssertionError, TypeError)):
        test_migration__names_nothing_that_is_not_there(wrong, dimensions)


def test_migration__commands_and_examples_are_of_this_version():
    for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL):
        assert all(is_command(line) for line in block.splitlines())
    example, theirs = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    imported = [a.name for node in ast.parse(example).body if isinstance(node, ast.ImportFrom) for a in node.names]
    assert set(imported) <= set(distributed_trf.__all__)
    assert all(is_python(line) for line in example.splitlines() if "(" in line)
    assert all(
        of.module.startswith("auditory_cortex") for of in ast.parse(theirs).body if isinstance(of, ast.ImportFrom)
    )


def test_migration__is_short_and_in_the_tables_every_row_is_whole():
    assert len(TEXT.splitlines()) <= 180
    for table in re.findall(r"(?:^\|.*\n)+", TEXT, flags=re.MULTILINE):
        widths = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table.splitlines()[0]

"""What is committed of the notebooks: no outputs, nothing of a machine, and a first cell that says what to expect."""

from __future__ import annotations

import re

import nbformat
import pytest

from tests.notebooks.executed import FOLDER, NOTEBOOKS

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STRIP = "strip it: jupyter nbconvert --clear-output --inplace, and take its metadata from another one"


def read(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_notebooks__are_all_listed():
    listed = re.findall(r"^\| \[`?(\w+)`?\]\((\w+)\.ipynb\)", (FOLDER / "README.md").read_text(), flags=re.MULTILINE)
    assert [name for name, _ in listed] == [file for _, file in listed] == list(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook__is_valid_and_holds_no_outputs(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA, STRIP
    for cell in notebook.cells:
        assert cell.metadata == {}, STRIP
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None), STRIP


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook__begins_with_a_title_and_what_it_needs(name):
    first, second, *others = read(name).cells
    assert first.cell_type == "markdown"
    lines = first.source.splitlines()
    assert re.match(r"# \S", lines[0])
    assert any(line.startswith("Needs: `pip install 'distributed_trf[") for line in lines)
    assert second.cell_type == "code"
    assert "import" in second.source
    assert 8 <= len(others) <= 25


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook__links_to_notebooks_that_are_there(name):
    told = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    linked = re.findall(r"\]\(([^):]+)\)", told)
    assert all((FOLDER / target).is_file() for target in linked)
    assert f"{name}.ipynb" not in linked

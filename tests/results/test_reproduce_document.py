"""docs/reproduce.md, run as written on the study that it shows: its assertions are about every number of that study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from distributed_trf import Study

TEXT = (Path(__file__).resolve().parents[2] / "docs/reproduce.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_reproduce__every_number_of_its_study_is_found_again(workplace):
    (study,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    Path("study.yaml").write_text(study)
    assert Study.load("study.yaml").run(None).ok
    scope = {}
    for k, code in enumerate(BLOCKS):
        exec(compile(code, f"reproduce.md, block {k + 1}", "exec"), scope)
    assert scope["r"]
    assert scope["units"] == 3
    assert set(scope["study"]["bootstraps"][0]) > {"draws", "seed"}


def test_reproduce__would_find_another_seed(workplace):
    study = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)[0])
    study |= {"bootstraps": [], "chance": {"shifts": 199, "seed": 1}}
    study |= {"reliability": {"draws": 10, "shifts": 9, "seed": 1}}
    Path("study.yaml").write_text(yaml.safe_dump(study))
    assert Study.load("study.yaml").run(None).ok
    scope = {}
    for block in BLOCKS:
        wrong = {"import draw_shifts": "chance", "import PairTables, draw_pairs": "reliability"}
        for name in [name for drawn, name in wrong.items() if drawn in block]:
            scope["study"][name]["seed"] = 0
            with pytest.raises(AssertionError):
                exec(block, scope)
            scope["study"][name]["seed"] = 1
        if "## Shifts" in TEXT[: TEXT.index(block)]:
            break
        exec(block, scope)
    assert "first" in scope

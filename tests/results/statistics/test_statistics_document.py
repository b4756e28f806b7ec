"""docs/statistics.md, run as written; its numbers, and those of docs/mixed_models.md, are those of the calibration."""

from __future__ import annotations

import re
from math import comb
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT, CALIBRATION = ROOT / "docs/statistics.md", ROOT / "scripts/calibrate_statistics.md"


def rows(text: str) -> set[str]:
    """Rows of tables of numbers, without what makes them bold."""
    plain = [line.replace("*", "") for line in text.splitlines() if line.startswith("| ")]
    return {line for line in plain if len(re.findall(r"(?<=\| )[-+]?[\d.]+%?(?= \|)", line)) > 1}


def test_code__runs_as_written_and_finds_the_planted_layers(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    scope = {}
    exec(compile(code, "statistics.md", "exec"), scope)
    found = scope["tests"].sel(network="whisper_tiny", against="untrained").squeeze()
    assert found.layer.values[found.significant.values].tolist() == [2, 3]
    assert (found.difference > 0)[2:4].all()
    assert scope["areas"].smallest_p.max() < 0.01
    assert "sign flips of session means" in capsys.readouterr().out


def test_smallest_p__of_three_four_six_and_twelve_sessions_is_as_said():
    assert 1 / 2**4 > 0.05 > 1 / 2**5 > 0.01 > 1 / 2**7  # five subjects for 0.05, seven for 0.01
    np.testing.assert_allclose([1 / 2**6, 1 / 2**12], [0.016, 0.0002], rtol=0.25)
    np.testing.assert_allclose([1 / comb(6, 3), 1 / comb(8, 4)], [0.05, 0.014], rtol=0.03)


@pytest.mark.parametrize(("name", "least"), [("statistics", 16), ("mixed_models", 6)])
def test_tables__are_rows_of_the_calibration(name, least):
    copied = rows((ROOT / f"docs/{name}.md").read_text())
    assert len(copied) >= least
    assert not copied - rows(CALIBRATION.read_text())

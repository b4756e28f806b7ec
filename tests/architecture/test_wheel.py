"""The wheel holds the package, its pages, the YAML files that it looks for, and how to adapt them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_wheel__carries_configs_and_recipes(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
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

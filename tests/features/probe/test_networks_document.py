"""What the document on networks says: tables that can be planned, studies that can be read, and the types of models."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.registry import family
from distributed_trf.features.table import NetworkTable
from tests.features.probe.test_every_type import NOT_LOADED
from tests.small_audio_models import REASONS, TYPES

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs/networks.md").read_text()
LAYOUTS = {"frames": "frames", "patches": "patches", "packed": "frames, packed", "codec": "codec"}


def blocks():
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", DOCUMENT, flags=re.DOTALL)]


def rows():
    """The tables of model types as they have to be."""
    heard = [
        f"| `{name}` | `{kind.model}` | {LAYOUTS[kind.layout]} | "
        f"{'any length' if kind.window is None else f'{kind.window:g} s'} |"
        for name, kind in sorted(TYPES.items())
        if not kind.needs and name not in NOT_LOADED
    ]
    others = {name: f"needs {', '.join(kind.needs)}; is refused without it, and was not tried with it"
              for name, kind in TYPES.items() if kind.needs}  # fmt: skip
    others |= NOT_LOADED | {name: f"{reason[0].lower()}{reason[1:].rstrip('.')}" for name, reason in REASONS.items()}
    return heard, [f"| `{name}` | {reason} |" for name, reason in sorted(others.items())]


def test_tables__can_be_planned():
    tables = [NetworkTable.model_validate(content) for content in blocks() if "family" in content]
    assert [table.family for table in tables] == ["transformers", "module", "table", "table"]
    hubert = tables[0]
    assert [family(hubert, "trained").n_frames(hubert, layer, 16_000) for layer in hubert.layers] == [99, 49]


def test_studies__name_networks_by_hub_id_and_folder():
    (content,) = [content["networks"] for content in blocks() if "networks" in content]
    by_id, by_folder = (NetworkSettings.model_validate(network) for network in content)
    assert (by_id.name, by_id.source) == ("hubert-base-ls960", "facebook/hubert-base-ls960")
    assert by_folder.choose is not None
    assert by_folder.choose.heads


def test_model_types__are_those_that_are_tested():
    heard, others = rows()
    written = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    assert [line for line in heard if line not in written] == []
    assert [line for line in others if line not in written] == []
    assert f"{len(heard)} model types" in DOCUMENT

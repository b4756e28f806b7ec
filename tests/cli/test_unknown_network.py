"""A study with networks that this version cannot extract: planned, followed, but not run."""

from __future__ import annotations

import pytest
import yaml

from distributed_trf import Study
from distributed_trf.errors import ConfigError

FOREIGN = {
    "family": "foreign",
    "sfreq": 16000,
    "parameters": 1000,
    "gflop_per_second": 2.5,
    "layers": [{"id": 0, "name": "a", "type": "conv", "width": 4, "rate": 100}],
}


@pytest.fixture
def study(write_study, workplace):
    """A study of one network that can be extracted and two that cannot."""
    for name in ("foreign_a", "foreign_b"):
        table = workplace / f"configs/networks/{name}.yaml"
        table.write_text(yaml.safe_dump({"name": name, **FOREIGN}))
    return write_study(
        networks=[{"name": "mel_librosa"}, {"name": "foreign_a", "weights": ["reset"]}, {"name": "foreign_b"}]
    )


def test_plan__counts_all_and_names_what_cannot_be_extracted(dtrf, study, workplace):
    done = dtrf("plan", "study.yaml")
    assert done.exit_code == 0, done.stderr
    assert "cannot be extracted by this version: foreign_a, foreign_b" in done.stdout
    assert "extract features   9/9 " in done.stdout
    assert not (workplace / "study").exists()
    costs = [c for p, c in Study.load("study.yaml").plan() if p.item.key.startswith("timit-foreign_a")]
    assert sum(c.flops for c in costs[:3]) > 2.5e9 * 24 * 0.35


def test_plan__of_networks_that_can_be_extracted_says_no_such_thing(dtrf, write_study):
    write_study()
    assert "cannot be extracted" not in dtrf("plan", "study.yaml").stdout


def test_status__works(dtrf, study):
    done = dtrf("status", "study.yaml", "--all")
    assert done.exit_code == 0, done.stderr
    assert "waiting extract timit-foreign_a-reset-" in done.stdout


def test_run__refuses_at_once_with_2_naming_all_of_them(dtrf, study, workplace):
    done = dtrf("run", "study.yaml")
    assert done.exit_code == 2
    assert "foreign_a (family 'foreign'), foreign_b (family 'foreign') cannot be extracted" in done.stderr
    assert not (workplace / "study").exists()


def test_plan_and_status__work_once_the_sounds_are_read(study, write_study):
    write_study(networks=[{"name": "mel_librosa"}])
    assert Study.load("study.yaml").run(recipe=None).ok
    write_study(networks=[{"name": "mel_librosa"}, {"name": "foreign_a", "weights": ["trained", "reset"]}])
    states = {p.item.key: p.state for p in Study.load("study.yaml").status() if p.item.stage == "extract"}
    assert {state for key, state in states.items() if "foreign" in key} == {"pending"}
    assert {state for key, state in states.items() if "mel" in key} == {"done"}
    assert len(Study.load("study.yaml").plan()) == len(Study.load("study.yaml").status())


def test_plan__of_a_table_that_says_too_little_names_it(study, workplace):
    table = workplace / "configs/networks/foreign_b.yaml"
    table.write_text(yaml.safe_dump({"name": "foreign_b", **FOREIGN, "parameters": None}))
    with pytest.raises(ConfigError, match="network foreign_b: .* give parameters in its table"):
        Study.load("study.yaml").plan()

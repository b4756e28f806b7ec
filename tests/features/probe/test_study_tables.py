"""Networks that a study names by folder or hub id: their tables are made on the fly, kept, and followed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from distributed_trf import Study
from distributed_trf.cli.app import app
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.probe import study_tables
from distributed_trf.features.probe.study_tables import study_table
from distributed_trf.features.table import FOLDER
from distributed_trf.pipeline.run_record import past_runs
from distributed_trf.pipeline.status import State
from distributed_trf.pipeline.study_scope import kept_table
from distributed_trf.store.study_store import StudyStore
from tests.features.local_hub import COMMIT, local_hub
from tests.small_audio_models import save


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


@pytest.fixture
def mine(published, workplace):
    """A copy of the small model in the working directory."""
    return Path(shutil.copytree(published("hubert"), workplace / "mine_files"))


def dtrf(*arguments):
    return CliRunner().invoke(app, list(arguments))


def change(file, **settings):
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize("name", ["facebook/hubert-base-ls960", "someone/My_Net.v2"])
def test_hub_id__is_source_and_its_last_part_the_name(name):
    network = NetworkSettings(name=name, revision=COMMIT)
    assert (network.name, network.source, network.revision) == (name.rpartition("/")[2], name, COMMIT)


@pytest.mark.parametrize("name", ["a/b/c", "a b", "/abs", "net/"])
def test_name_that_is_no_hub_id__is_refused(name):
    with pytest.raises(ValueError, match="name"):
        NetworkSettings(name=name)


def test_hub_id__gives_the_table_of_its_commit(published, tmp_path, monkeypatch):
    folder = published("hubert")
    names = ("config.json", "preprocessor_config.json")
    content = {name.replace(".", "__"): (folder / name).read_bytes() for name in names}
    monkeypatch.chdir(tmp_path)
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        hub.add("someone/small-hubert", **content)
        table = study_table(NetworkSettings(name="someone/small-hubert", revision=COMMIT))
        assert set(hub.downloaded) == set(names)
    assert (table.name, table.source, table.revision) == ("small-hubert", "someone/small-hubert", COMMIT)
    assert len(table.layers) == 9
    assert not Path(FOLDER).exists()


def test_table__that_was_kept_serves_again_until_files_or_choice_change(mine, monkeypatch):
    network = NetworkSettings(name="mine", source=str(mine))
    first = study_table(network)
    looked = []
    find = study_tables.find_network
    monkeypatch.setattr(study_tables, "find_network", lambda *a, **k: looked.append(a) or find(*a, **k))
    assert study_table(network, lambda: first) is first
    assert looked == []
    chosen = NetworkSettings(name="mine", source=str(mine), choose={"modules": r"encoder\.layers\.\d"})
    second = study_table(chosen, lambda: first)
    assert [layer.name for layer in second.layers] == ["encoder.layers.0", "encoder.layers.1"]
    change(mine / "preprocessor_config.json", do_normalize=False)
    third = study_table(network, lambda: first)
    assert third.made_from != first.made_from
    assert len(looked) == 2


def test_choice__is_for_networks_without_a_table(mine, workplace):
    table = {"name": "mine", "family": "transformers", "sfreq": 16000,
             "layers": [{"id": 0, "name": "a", "type": "conv", "width": 1, "rate": 1}]}  # fmt: skip
    (workplace / FOLDER / "mine.yaml").write_text(yaml.safe_dump(table))
    assert study_table(NetworkSettings(name="mine", source=str(mine))).layers[0].name == "a"
    with pytest.raises(ConfigError, match="networks: mine: `choose` is for a network without a table"):
        study_table(NetworkSettings(name="mine", source=str(mine), choose={"heads": True}))
    with pytest.raises(ConfigError, match="absent: no such file"):
        study_table(NetworkSettings(name="absent"))
    with pytest.raises(FeatureError, match="nowhere"):
        study_table(NetworkSettings(name="absent", source="nowhere"))


def states(path):
    """The items of a study that are not done, by stage."""
    return {(p.item.stage, p.state) for p in Study.load(path).status() if p.state is not State.DONE}


def test_study__of_a_folder_is_planned_run_resumed_and_told_when_the_folder_changes(mine, write_study, workplace):
    choose = {"modules": r"encoder\.layers\.1", "parts": ["attention"], "heads": True}
    network = {"name": "mine", "source": "mine_files", "choose": choose}
    path = write_study(networks=[network], reliability=None)
    planned = Study.load(path).plan()
    assert sum(cost.flops for p, cost in planned if p.item.stage == "extract") > 0
    assert not (workplace / "study").exists()
    report = Study.load(path).run(recipe=None)
    assert report.ok, report.failed
    store = StudyStore.at(workplace / "study")
    table = kept_table(store, "mine")
    assert len(table.layers) == 1 + 2 + 4
    assert table.made_from is not None
    before = {file: file.stat().st_mtime_ns for file in (workplace / "study").rglob("*") if file.is_file()}
    again = Study.load(path).run(recipe=None)
    assert again.ok
    assert again.folder is None  # there was nothing to do
    assert {file.name for file, time in before.items() if file.stat().st_mtime_ns != time} <= {"run.lock"}
    assert len(past_runs(store)) == 1
    settings = mine / "preprocessor_config.json"
    original = settings.read_bytes()
    change(settings, do_normalize=False)
    stale = {(stage, state) for stage, state in states(path) if stage == "extract"}
    assert stale == {("extract", State.STALE)}
    told = dtrf("status", "study.yaml")
    assert told.exit_code in (0, 1)
    assert "stale" in told.stdout
    settings.write_bytes(original)
    assert states(path) == set()
    mine.rename(workplace / "elsewhere")
    for command in (["status", "study.yaml"], ["results", "study.yaml"]):
        done = dtrf(*command)
        assert done.exit_code == 0, (command, done.output)
    assert "mine" in done.stdout

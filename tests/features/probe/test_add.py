"""Tables written by ``add_network``: what the file says, its name, and what is left when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributed_trf.config.extraction import LayerChoice
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.probe import add
from distributed_trf.features.probe.add import add_network, default_name, table_text
from distributed_trf.features.probe.find import FoundNetwork
from distributed_trf.features.table import Grid, Layer, NetworkTable, load_table
from tests.features.local_hub import COMMIT, local_hub
from tests.small_audio_models import save

AST = "audio-spectrogram-transformer"


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("model_type", "choice"),
    [
        ("hubert", {"parts": ["attention", "mlp"], "heads": True}),
        (AST, {"grid": "mean", "heads": True}),
        ("encodec", {}),
    ],
)
def test_file__is_the_table_with_a_comment_for_each_layer(published, here, model_type, choice):
    added = add_network(str(published(model_type)), name="net", **choice)
    assert files(here) == ["configs/networks/net.yaml"]
    assert added.file == Path("configs/networks/net.yaml")
    assert load_table("net") == added.table
    text = added.file.read_text()
    assert text == added.text
    lines = text.splitlines()
    assert max(len(line) for line in lines if str(published(model_type)) not in line) <= 120
    head = " ".join(line.removeprefix("# ") for line in lines[: lines.index("name: net")])
    assert head.startswith(f"{added.table.config['class']} from {published(model_type)}, found out from its own files")
    comments = [line.partition("#")[2].strip("^ ") for line in text.partition("layers:\n")[2].splitlines()]
    assert len([comment for comment in comments if comment]) == len(added.table.layers)
    if choice.get("heads"):
        assert "each head" in head
        assert "head 1 of block 1" in comments
    if choice.get("grid") == "mean":
        assert "the mean of all bands" in head
        assert {layer.grid.keep for layer in added.table.layers} == {"mean"}


def test_dry_run__writes_nothing(published, here):
    added = add_network(str(published("hubert")), name="net", dry_run=True)
    assert files(here) == []
    assert added.file is None
    assert "encoder.layers.1" in added.text


def test_name_that_exists__is_refused_before_anything_is_read_unless_it_is_replaced(published, here):
    table = here / "configs/networks/net.yaml"
    table.parent.mkdir(parents=True)
    table.write_text("mine\n")
    with pytest.raises(ConfigError, match=r"net: there is a network of that name already, in .*net\.yaml; .*--replace"):
        add_network("nowhere", name="net")
    with pytest.raises(ConfigError, match="wav2vec2: there is a network of that name already; choose"):
        add_network("nowhere", name="wav2vec2")
    assert table.read_text() == "mine\n"
    assert add_network(str(published("hubert")), name="net", dry_run=True).file is None
    assert table.read_text() == "mine\n"
    add_network(str(published("hubert")), name="net", replace=True)
    assert load_table("net").config["class"] == "HubertModel"


def test_what_fails__leaves_nothing_half_written(published, here, monkeypatch):
    for source, layers in (("nowhere", "stack"), (str(published("hubert")), "nothing"), ("nowhere", "(")):
        with pytest.raises((ConfigError, FeatureError)):
            add_network(source, name="net", layers=layers)
    assert files(here) == []
    folder = here / "configs/networks"
    folder.mkdir(parents=True)
    (folder / "net.yaml").write_text("mine\n")
    monkeypatch.setattr(add, "table_text", lambda *_: "name: net\nlayers: []\n")
    with pytest.raises(ConfigError, match="layers"):
        add_network(str(published("hubert")), name="net", replace=True)
    assert files(here) == ["configs/networks/net.yaml"]
    assert (folder / "net.yaml").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["a b", "a/b", "", "-net", "net@2.0s"])
def test_name_that_no_network_may_have__is_refused(published, here, name):
    with pytest.raises(ConfigError, match=r"name"):
        add_network(str(published("hubert")), name=name)
    assert files(here) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("facebook/hubert-base-ls960", "hubert-base-ls960"),
        ("folder/My Model (v2)", "my-model-v2"),
        ("someone/net@new", "net-new"),
        ("/models/net/", "net"),
    ],
)
def test_default_name__is_the_last_part_of_the_source(source, name):
    assert default_name(source) == name


def test_default_name__of_this_folder_is_its_own_and_of_none_is_asked_for(here, monkeypatch):
    (here / "net").mkdir()
    monkeypatch.chdir(here / "net")
    assert default_name(".") == "net"
    with pytest.raises(ConfigError, match="--name"):
        default_name("someone/___")


def test_hub__is_asked_for_its_newest_commit_which_is_written_down(published, here, monkeypatch):
    folder = published("hubert")
    names = ("config.json", "preprocessor_config.json")
    content = {name.replace(".", "__"): (folder / name).read_bytes() for name in names}
    with local_hub(monkeypatch, here / "cache") as hub:
        hub.add("someone/Small-HuBERT", {"license": "mit"}, model__safetensors=b"0" * 99, **content)
        added = add_network("someone/Small-HuBERT")
        assert "model.safetensors" not in hub.downloaded
    table = load_table("small-hubert")
    assert table == added.table
    assert (table.source, table.revision, table.licence) == ("someone/Small-HuBERT", COMMIT, "mit")
    assert {"architecture", "extractor", "extractor_options"} <= table.config.keys()  # complete without a connection


def test_text__quotes_what_yaml_takes_for_something_else(here):
    layers = [
        Layer(id=k, name=name, type="conv", width=1, rate=12.5, grid=Grid(bands=2, keep="mean"), columns=(0, 2))
        for k, name in enumerate(("yes", "1.0", "null", "a.0.b", "off"))
    ]
    config = {"class": "No", "architecture": {"activation": None, "version": "1.0", "on": "off"}}
    table = NetworkTable(name="net", family="transformers", sfreq=22050.5, config=config, layers=layers)
    text = table_text(FoundNetwork(table, ("a: note",), dict.fromkeys(range(5), "x" * 100)), LayerChoice())
    (here / "net.yaml").write_text(text)
    assert load_table("net.yaml") == table

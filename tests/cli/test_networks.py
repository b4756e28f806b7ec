"""``dtrf networks``: the tables at 80 columns, where weights are, mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from typer.testing import CliRunner

from distributed_trf.cli import networks as command
from distributed_trf.cli.app import app
from distributed_trf.config.load import shipped
from distributed_trf.features.table import load_table
from tests.cli.test_unknown_network import FOREIGN

COMMIT = "0" * 40  # of small_whisper's source


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the Hugging Face hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def dtrf(monkeypatch, workplace, cache):
    def run(*arguments):
        monkeypatch.setattr(command.out, "width", 80)
        return CliRunner().invoke(app, ["networks", *arguments])

    return run


def rows(stdout):
    """The words of each row of the first table, by its first word."""
    table = stdout.partition("\n\n")[0].splitlines()
    return {line.split()[0]: line.split()[1:] for line in table}


def weights_of(stdout, name):
    """What is said of a network's weights below the table, on one line."""
    told = " ".join(stdout.partition("trained weights\n")[2].split())
    return told.partition(f"{name}: ")[2].partition(" configs")[0]


def test_networks__lists_those_that_ship_and_those_here(dtrf):
    done = dtrf()
    assert done.exit_code == 0, done.output
    found = rows(done.stdout)
    names = [path.stem for path in shipped("configs/networks").glob("*.yaml")]
    assert list(found) == ["network", *sorted([*names, "small_whisper"])]
    assert found["network"] == ["family", "layers", "width", "frames/s", "kHz", "params", "trained"]
    assert found["small_whisper"] == ["whisper", "4", "16", "50-100", "16", "-", "on", "hub"]
    millions = f"{load_table('wav2letter').parameters / 1e6:.1f}M"
    assert found["wav2letter"][:6] == ["wav2letter", "14", "250-2000", "50-800", "16", millions]
    assert found["cochcnn9"][3] == "4.5-195"
    assert found["mel_whisper"][-1] == "fixed"
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_networks__say_where_they_come_from_and_by_which_licence(dtrf):
    told = dtrf().stdout
    asked = "name a commit of it as `revision` in the study"
    assert weights_of(told, "hubert_base").startswith(f"facebook/hubert-base-ls960; {asked}, licence apache-2.0 hubert")
    assert weights_of(told, "encodec").startswith(f"facebook/encodec_24khz; {asked} hubert_base:")
    assert weights_of(told, "whisper_tiny").startswith(
        "openai/whisper-tiny at 169d4a4341b33bc18d8881c4b69c2e104e1cc0af"
    )
    assert dtrf("hubert_base").stdout.splitlines()[0].startswith("hubert_base: family transformers, 16 kHz, parameters")
    head = " ".join(dtrf("hubert_base").stdout.split())
    assert f"parameters 94.4M, licence apache-2.0 trained weights: facebook/hubert-base-ls960; {asked}" in head


def test_networks__that_cannot_be_extracted_are_named(dtrf, workplace):
    (workplace / "configs/networks/mine.yaml").write_text(yaml.safe_dump({"name": "mine", **FOREIGN}))
    told = dtrf().stdout.partition("cannot be extracted by this version\n")[2]
    assert "mine" in told
    assert "small_whisper" not in told
    assert "family foreign (which this version cannot extract)" in dtrf("mine").stdout
    assert "cannot extract" not in dtrf("small_whisper").stdout


def test_layers__are_those_of_the_table(dtrf):
    done = dtrf("wav2vec2", "small_whisper")
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    first, second = done.stdout.split("\n\n")
    assert first.startswith("wav2vec2: family wav2vec2")
    lines = second.splitlines()
    assert lines[0] == "small_whisper: family whisper, 16 kHz, parameters -"
    assert " ".join(lines[1:3]).split()[:6] == [
        "trained",
        "weights:",
        "someone/small-whisper",
        "at",
        COMMIT + ",",
        "not",
    ]
    assert lines[-5].split() == ["layer", "module", "type", "width", "frames/s", "RF", "(ms)"]
    assert lines[-2].split() == ["2", "encoder.layers.0.final_layer_norm", "transformer", "16", "50", "-"]
    table = load_table("wav2vec2")
    text = "".join(first.split())
    for layer in table.layers:
        field = "-" if layer.receptive_field is None else f"{layer.receptive_field:g}"
        start = f"{layer.id}{layer.name[:30]}"
        assert start in text
        assert f"{layer.type}{layer.width}{layer.rate:g}{field}" in text.partition(start)[2]


def test_name__may_be_a_file(dtrf, workplace):
    (workplace / "mine.yaml").write_text(yaml.safe_dump({"name": "mine", **FOREIGN}))
    assert dtrf("mine.yaml").stdout.startswith("mine: family foreign (which this version cannot extract), 16 kHz,")


@pytest.mark.parametrize("file", ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"])
def test_weights__that_were_downloaded_are_found_at_their_commit(dtrf, cache, file):
    snapshots = cache / "models--someone--small-whisper/snapshots"
    (snapshots / ("1" * 40)).mkdir(parents=True)
    (snapshots / ("1" * 40) / file).write_bytes(b"other")
    assert rows(dtrf().stdout)["small_whisper"][-2:] == ["on", "hub"]
    (snapshots / COMMIT).mkdir()
    (snapshots / COMMIT / "config.json").write_text("{}")
    assert rows(dtrf().stdout)["small_whisper"][-2:] == ["on", "hub"]
    (snapshots / COMMIT / file).write_bytes(b"weights")
    assert rows(dtrf().stdout)["small_whisper"][-1] == "cached"


def test_weights__in_a_cache_need_the_library_that_keeps_it(dtrf, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert rows(dtrf().stdout)["small_whisper"][-2:] == ["on", "hub"]


def test_study__says_which_networks_and_where_their_weights_are(dtrf, write_study, workplace):
    write_study(networks=[{"name": "small_whisper", "source": "weights"}, {"name": "mel_whisper"}])
    done = dtrf("--study", "study.yaml")
    assert list(rows(done.stdout)) == ["network", "small_whisper", "mel_whisper"]
    assert rows(done.stdout)["small_whisper"][-1] == "missing"
    assert "source 'weights' is not a folder or file here" in weights_of(done.stdout, "small_whisper")
    (workplace / "weights").mkdir()
    (workplace / "weights/config.json").write_text("{}")
    done = dtrf("--study", "study.yaml")
    assert rows(done.stdout)["small_whisper"][-1] == "missing"
    assert "holds no weights" in weights_of(done.stdout, "small_whisper")
    (workplace / "weights/model.safetensors").write_bytes(b"weights")
    done = dtrf("--study", "study.yaml")
    assert rows(done.stdout)["small_whisper"][-1] == "here"
    assert "".join(weights_of(done.stdout, "small_whisper").split()) == str(workplace / "weights")
    assert rows(dtrf().stdout)["small_whisper"][-2:] == ["on", "hub"]
    assert str(workplace / "weights") in "".join(dtrf("small_whisper", "--study", "study.yaml").stdout.split())


def test_weights__that_no_one_gave_are_asked_for(dtrf, workplace):
    (workplace / "configs/networks/mine.yaml").write_text(yaml.safe_dump({"name": "mine", **FOREIGN}))
    done = dtrf()
    assert rows(done.stdout)["mine"][-1] == "missing"
    assert "give their folder or file as `source` in the study" in weights_of(done.stdout, "mine")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["smal_whisper"], "smal_whisper: no such file; looked for .*, smal_whisper\\. Did you mean small_whisper"),
        (["whisper_tinny"], "Did you mean whisper_tiny"),
        (["zzz"], "Shipped in configs/networks/: ast, clap, cochcnn9, "),
        (["--study", "stuby.yaml"], "stuby.yaml: no such file"),
    ],
)
def test_mistake__is_one_message_and_ends_with_2(dtrf, arguments, said):
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert re.search(said, done.stderr)
    assert "Traceback" not in done.stderr


def test_networks__need_no_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from distributed_trf.cli.app import app;"
        "print(CliRunner().invoke(app, ['networks']).exit_code, sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout == "0 []\n"


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""

    def folder(model_type):
        from tests.small_audio_models import save

        return made_once(f"published-{model_type}", lambda folder: save(model_type, folder))

    return folder


@pytest.fixture
def add(dtrf, published):
    """Run ``dtrf networks add`` of a small model."""
    return lambda model_type, *options: dtrf("add", str(published(model_type)), "--name", "net", *options)


def test_add__writes_a_table_shows_it_and_says_how_it_is_used(add, dtrf, workplace):
    done = add("hubert")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.startswith("net: family transformers, 16 kHz, parameters 0.0M")
    assert "table: configs/networks/net.yaml" in done.stdout
    assert "networks: [{name: net, weights: [trained, reset]}]" in " ".join(done.stdout.split())
    table = load_table("net")
    assert len(table.layers) == 9
    shown = dtrf("net")
    assert shown.exit_code == 0, shown.output
    for layer in table.layers:
        assert layer.name in shown.stdout
    assert rows(dtrf().stdout)["net"][:4] == ["transformers", "9", "16-32", "50-3200"]
    again = add("hubert")
    assert again.exit_code == 2
    assert "there is a network of that name already" in " ".join(again.stderr.split())
    assert add("hubert", "--replace", "--layers", r"encoder\.layers\.\d").exit_code == 0
    assert [layer.name for layer in load_table("net").layers] == ["encoder.layers.0", "encoder.layers.1"]


def test_add__dry_run_prints_the_file_alone(add, workplace):
    before = sorted(Path("configs/networks").iterdir())
    done = add("hubert", "--dry-run", "--layers", "all", "--parts", "attention", "--parts", "mlp", "--heads")
    assert done.exit_code == 0, done.output
    assert sorted(Path("configs/networks").iterdir()) == before
    table = yaml.safe_load(done.stdout)
    names = [(layer["name"], layer.get("columns") and tuple(layer["columns"])) for layer in table["layers"]]
    assert len(names) == len(set(names))  # what `all` and `parts` both choose is there once
    assert ("encoder.layers.0.attention.q_proj", None) in names
    assert ("encoder.layers.1.attention.out_proj", (16, 32)) in names
    assert "every module that gives frames, attention of each block, mlp of each block, each head" in " ".join(
        done.stdout.replace("#", "").split()
    )


def test_add__of_patches_takes_their_mean(add):
    done = add("audio-spectrogram-transformer", "--grid", "mean")
    assert done.exit_code == 0, done.output
    assert {layer.width for layer in load_table("net").layers} == {32}
    assert "sounds up to 10.24 s" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--grid", "max"], "grid = 'max': input should be 'flatten' or 'mean'"),
        (["--parts", "heads"], "parts.*'heads'.*'attention' or 'mlp'"),
        (["--layers", "["], "neither stack nor all nor a regular expression"),
        (["--layers", "decoder.*"], "layers: no module of HubertModel that gives frames matches"),
        (["--name", "a b"], "name = 'a b'"),
    ],
)
def test_add__mistake_is_one_message_and_ends_with_2(add, workplace, options, said):
    done = add("hubert", *options)
    assert done.exit_code == 2, done.output
    assert re.search(said, " ".join(done.stderr.split())), done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("configs/networks/net.yaml").exists()


def test_add__of_a_folder_without_a_model_ends_with_2(dtrf, workplace):
    for source in ("recordings", "nowhere"):
        done = dtrf("add", source)
        assert done.exit_code == 2
        assert source in done.stderr


def test_layers_that_are_not_as_the_table_says__are_named_after_it(add, dtrf):
    add("hubert")
    file = Path("configs/networks/net.yaml")
    file.write_text(file.read_text().replace("width: 32", "width: 31"))
    done = dtrf("net")
    assert done.exit_code == 2
    assert done.stdout.startswith("net: family transformers")
    assert "gives shape (1, 49, 32) for one sound; expected (1, frames, 31)" in " ".join(done.stderr.split())


def test_help__tells_of_both(dtrf):
    told = dtrf("--help")
    assert told.exit_code == 0
    assert "add" in told.stdout
    assert "[NAME]..." in told.stdout
    assert "--study" in told.stdout
    assert "layer by layer" in " ".join(told.stdout.split())
    told = dtrf("add", "--help")
    assert told.exit_code == 0
    for option in ("--name", "--revision", "--layers", "--parts", "--heads", "--grid", "--dry-run", "--replace"):
        assert option in told.stdout
    assert "folder" in told.stdout.lower()

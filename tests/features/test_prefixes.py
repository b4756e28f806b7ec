"""The tensors of a part that hears, out of the checkpoint of a whole model."""

from __future__ import annotations

import json
import resource
import shutil
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    ASTModel,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights import stored
from distributed_trf.features.weights.identity import weights_identity
from distributed_trf.features.weights.prefixes import model_prefix, with_tied
from distributed_trf.features.weights.transformers_model import trained_model
from tests import small_audio_models
from tests.features.local_hub import COMMIT, local_hub

AUDIO = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "num_mel_bins": 8,
         "max_source_positions": 20}  # fmt: skip
TEXT = {"model_type": "qwen2", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 32, "vocab_size": 400}  # fmt: skip
NAME = "someone/hears-and-writes"


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    return Qwen2AudioForConditionalGeneration(Qwen2AudioConfig(audio_config=AUDIO, text_config=TEXT)).eval()


@pytest.fixture(scope="module")
def saved(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    made.save_pretrained(folder, max_shard_size="20KB")
    return folder


def tower_of(made):
    return made.get_submodule(next(name for name, _ in made.named_modules() if name.endswith("audio_tower")))


def table(source, **config):
    layer = {"id": 0, "name": "conv1", "type": "conv", "width": 16, "rate": 100, "time_last": True}
    given = {"class": "Qwen2AudioEncoder", "part": "audio_config", "extractor": None, "extractor_options": {}, **config}
    content = {"name": "mine", "family": "transformers", "sfreq": 16_000, "source": str(source), "revision": COMMIT}
    return NetworkTable.model_validate({**content, "config": given, "layers": [layer]})


def loaded(of):
    family, settings = UserTransformer(), NetworkSettings(name="mine")
    return family.load(family.completed(of, settings), settings)


def same(model, expected):
    state, other = model.state_dict(), expected.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(state[key], other[key]) for key in other)


def test_tower__gets_its_weights_out_of_the_shards_that_hold_them(saved, made, monkeypatch):
    opened = Counter()
    read, names_in = stored._numbers, stored._in_file
    monkeypatch.setattr(stored, "_numbers", lambda file, wanted: (opened.update({file.name: 1}), read(file, wanted))[1])
    monkeypatch.setattr(stored, "_in_file", lambda file, key: (opened.update({file.name: 1}), names_in(file, key))[1])
    same(loaded(table(saved)), tower_of(made))
    place = json.loads((saved / "model.safetensors.index.json").read_text())["weight_map"]
    holders = {file for name, file in place.items() if "audio_tower." in name}
    assert set(opened) == holders
    assert holders < set(place.values())


@pytest.mark.parametrize("prefix", ["", "audio_tower.", "thinker.audio_tower.", "module.model.encoder."])
def test_prefix__is_found_whatever_it_is(tmp_path, made, saved, prefix):
    tower = tower_of(made)
    state = {f"{prefix}{name}": tensor.clone() for name, tensor in tower.state_dict().items()}
    save_file({**state, "words.embed.weight": torch.zeros(3)} if prefix else state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    same(loaded(table(tmp_path)), tower)


def two_times(tmp_path, made, saved):
    state = {
        f"{prefix}.{name}": tensor.clone() + k
        for k, prefix in enumerate(("student", "teacher"))
        for name, tensor in tower_of(made).state_dict().items()
    }
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    return tmp_path


def test_prefix__that_several_could_be_is_asked_for(tmp_path, made, saved):
    folder = two_times(tmp_path, made, saved)
    with pytest.raises(
        FeatureError, match=r"Qwen2AudioEncoder 2 times, under the prefixes 'student\.', 'teacher\.'; name .* `prefix`"
    ):
        loaded(table(folder))
    same(loaded(table(folder, prefix="student.")), tower_of(made))


def test_tensors__that_are_missing_or_too_many_are_named_without_the_rest_of_the_model(tmp_path, saved, made):
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    state = {f"audio_tower.{name}": tensor.clone() for name, tensor in tower_of(made).state_dict().items()}
    state |= {"language_model.embed.weight": torch.zeros(2), "audio_tower.adapter.weight": torch.zeros(2)}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(FeatureError, match=r"Qwen2AudioEncoder: 1 not of this network: adapter\.weight\. Give"):
        loaded(table(tmp_path))
    same(loaded(table(tmp_path, ignore=["audio_tower.adapter.*"])), tower_of(made))
    with pytest.raises(FeatureError, match=r"no tensor's name fits the pattern 'ema\.\*', which `ignore` leaves out"):
        loaded(table(tmp_path, ignore=["audio_tower.adapter.*", "ema.*"]))
    del state["audio_tower.conv1.bias"], state["audio_tower.adapter.weight"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(FeatureError, match=r"Qwen2AudioEncoder: 1 missing: conv1\.bias\."):
        loaded(table(tmp_path))


def test_identity__of_a_tower_is_that_of_its_tensors(saved, made, tmp_path):
    folder, settings = tmp_path / "model", NetworkSettings(name="mine")
    shutil.copytree(saved, folder)

    def identity():
        return weights_identity(UserTransformer().completed(table(folder), settings), settings, "trained")

    def change(part, amount=1.0):
        place = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
        name = next(name for name in place if part in name)
        state = load_file(folder / place[name])
        save_file({**state, name: state[name] + amount}, folder / place[name], metadata={"format": "pt"})

    before = identity()
    assert set(before) == {"config.json", "tensors", "config"}
    change("language_model")
    assert identity() == before
    change("audio_tower")
    assert identity()["tensors"] != before["tensors"]


def test_hub__gives_the_shards_of_the_tower_alone(saved, made, tmp_path, monkeypatch):
    with local_hub(monkeypatch, tmp_path) as hub:
        hub.add(NAME, **{file.name.replace(".", "__"): file.read_bytes() for file in saved.iterdir()})
        same(loaded(table(NAME)), tower_of(made))
        place = json.loads((saved / "model.safetensors.index.json").read_text())["weight_map"]
        fetched = {file for file in hub.downloaded if file.endswith(".safetensors")}
        assert fetched == {file for name, file in place.items() if "audio_tower." in name}


def test_tied_tensors__are_in_a_file_once(tmp_path):
    """A model that reads and writes words with one matrix, of which files keep one copy."""
    config = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "num_mel_bins": 8,
              "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "vocab_size": 99,
              "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 0}  # fmt: skip
    model = WhisperForConditionalGeneration(WhisperConfig(**config))
    model.save_pretrained(tmp_path)
    assert "proj_out.weight" not in load_file(tmp_path / "model.safetensors")
    same(trained_model("WhisperForConditionalGeneration", tmp_path, {}, "mine", heads=None), model)


def test_with_tied__leaves_what_is_missing_missing():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    state = {"a.weight": torch.ones(2, 2), "a.bias": torch.ones(2)}
    assert set(with_tied(state, model)) == {"a.weight", "a.bias", "b.weight"}


def test_model_prefix__of_none_is_that_with_the_most():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    names = ["x.0.weight", "x.0.bias", "y.0.weight", "0.weight"]
    assert model_prefix(names, model, str, "here") == ("x.", False)
    assert model_prefix(["other"], model, str, "here") == ("", False)
    assert model_prefix([f"y.{name}" for name in model.state_dict()], model, str, "here") == ("y.", True)


def test_large_model__costs_no_more_than_its_tower(tmp_path, saved, made):
    """The shards of a language model of 1.5 billion parameters are listed in the index, and never opened."""
    place = json.loads((saved / "model.safetensors.index.json").read_text())["weight_map"]
    state = {name: tensor for file in set(place.values()) for name, tensor in load_file(saved / file).items()}
    tower = {name: tensor for name, tensor in state.items() if "audio_tower." in name}
    save_file(tower, tmp_path / "model-1-of-2.safetensors")
    header = json.dumps({"words": {"dtype": "F32", "shape": [1_500_000_000], "data_offsets": [0, 6_000_000_000]}})
    with (tmp_path / "model-2-of-2.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        file.truncate(8 + len(header) + 6_000_000_000)
    index = {**dict.fromkeys(tower, "model-1-of-2.safetensors"), "words": "model-2-of-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    same(loaded(table(tmp_path)), tower_of(made))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


SMALL_AST = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize("made_as", [ASTModel, ASTForAudioClassification])
def test_names_of_files__that_this_version_changes_are_understood(tmp_path, made_as):
    torch.manual_seed(1)
    model = made_as(ASTConfig(**SMALL_AST, max_length=32, num_mel_bins=32))
    model.save_pretrained(tmp_path)
    expected = model if made_as is ASTModel else model.base_model
    names = load_file(tmp_path / "model.safetensors")
    assert not any(name.endswith("layers.0.attention.q_proj.weight") for name in names)
    assert "layers.0.attention.q_proj.weight" in expected.state_dict()
    same(trained_model("ASTModel", tmp_path, {}, "mine", heads=None), expected)


def test_prefix__of_several_is_that_which_the_part_is_called(tmp_path):
    """A model with two encoders of one class, one for each of the settings."""
    small_audio_models.save("vibevoice_asr", tmp_path)
    model = small_audio_models.loaded("vibevoice_asr", tmp_path)[0]
    for name in ("acoustic_tokenizer_encoder", "semantic_tokenizer_encoder"):
        given = {"class": "VibeVoiceAcousticTokenizerEncoderModel", "part": f"{name}_config"}
        same(loaded(table(tmp_path, **given)), getattr(model.model, name))


def test_tower__of_a_model_whose_files_have_other_names_is_found_too(tmp_path):
    """The names of its files are changed by the class of the whole model, which the tower alone knows nothing of."""
    small_audio_models.save("cohere_asr", tmp_path)
    tower = small_audio_models.loaded("cohere_asr", tmp_path)[1]
    given = {"class": "ParakeetEncoder", "part": "encoder_config"}
    same(loaded(table(tmp_path, **given)), tower)

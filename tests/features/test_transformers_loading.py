"""Trained weights of transformers: where they come from, and that every tensor has its place."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from transformers import (
    ClapConfig,
    ClapModel,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError, MissingExtraError
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.features.weights.source import PICKLED, SAFE
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.transformers_model import trained_model, trained_with_head, untrained_model
from tests.conftest import SMALL_WHISPER
from tests.small_transformers import WAV2VEC2, features, noise, small

TABLE = NetworkTable.model_validate(SMALL_WHISPER)
(SOUND,) = noise(np.random.default_rng(0), 8_000)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(4)
    WhisperForConditionalGeneration(WhisperConfig(**TABLE.config)).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A saved model that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "weights"))


def change(folder, edit):
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def configure(folder, **fields):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def built(source, table=TABLE, **settings):
    settings = NetworkSettings(name="w", source=str(source), **settings)
    return build_network(table, settings, "trained", device="cpu")


def refused(source, *parts, table=TABLE):
    with pytest.raises(FeatureError) as caught:
        built(source, table)
    for part in (str(source), *parts):
        assert part in str(caught.value)


def same_features(one, other, table=TABLE):
    found, expected = (features(table, source, [SOUND]) for source in (one, other))
    return all(np.array_equal(found[layer.id][0], expected[layer.id][0]) for layer in table.layers)


def test_pickled_weights__are_read_as_tensors(folder, saved):
    state = load_file(folder / "model.safetensors")
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]  # old files hold the tied head
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert same_features(folder, saved)


def test_model_without_head__has_no_prefix(tmp_path, saved):
    torch.manual_seed(4)
    WhisperModel(WhisperConfig(**TABLE.config)).save_pretrained(tmp_path)
    assert set(load_file(tmp_path / "model.safetensors")) == {
        key.removeprefix("model.") for key in load_file(saved / "model.safetensors")
    }
    assert same_features(tmp_path, saved)


def test_weights_in_several_files__are_read_together(tmp_path, saved):
    WhisperForConditionalGeneration.from_pretrained(saved).save_pretrained(tmp_path, max_shard_size="1MB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert same_features(tmp_path, saved)


def test_half_precision_weights__are_heard_in_single_precision(folder, saved):
    change(folder, lambda w: w.update({key: value.half() for key, value in w.items()}))
    configure(folder, dtype="float16")
    network = built(folder)
    assert {p.dtype for p in network.model.parameters()} == {torch.float32}
    whole = load_file(saved / "model.safetensors")["model.encoder.conv1.weight"]
    assert torch.equal(network.model.encoder.conv1.weight, whole.half().float())


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_pickle_beside_the_weights__is_never_opened(folder, saved):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder / "exploded")))
    assert same_features(folder, saved)
    (folder / "model.safetensors").write_bytes(b"damaged")
    refused(folder, "model.safetensors: cannot be read as a checkpoint")
    assert not (folder / "exploded").exists()


def test_code_that_a_folder_names__is_never_run(folder, saved):
    mark = folder / "exploded"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nWhisperModel = object\n")
    configure(folder, auto_map={"AutoModel": "evil.WhisperModel"}, quantization_config={"quant_method": "evil"})
    assert same_features(folder, saved)
    assert not mark.exists()


CHOICES = {
    **dict.fromkeys(("attn_implementation", "_attn_implementation", "_attn_implementation_internal"), "someone/kernel"),
    **dict.fromkeys(("experts_implementation", "_experts_implementation", "_experts_implementation_internal"), "evil"),
    "_attn_implementation_autoset": True,
    "output_attentions": True,
    "torch_dtype": "float16",
    "dtype": "bfloat16",
    "return_dict": False,
    "chunk_size_feed_forward": 1,
    "use_kernels": True,
    "kernel_config": {"a": "evil"},
    "per_layer_config": {"0": {"d_model": 4}},
    "device_map": "cuda",
}


@pytest.mark.parametrize("key", CHOICES)
def test_choice_of_code_and_numbers__is_not_a_files(folder, saved, key):
    configure(folder, **{key: CHOICES[key]})
    model = built(folder).model
    assert model.config._attn_implementation == built(saved).model.config._attn_implementation == "sdpa"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.config.to_dict() == built(saved).model.config.to_dict()


def test_choice_of_code__is_not_a_files_for_a_part_of_the_model(tmp_path):
    parts = {
        "text_config": {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
        "audio_config": {"depths": [1, 1, 1, 1], "patch_embeds_hidden_size": 8, "num_attention_heads": [1, 1, 1, 1]},
    }
    ClapModel(ClapConfig(**parts)).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    for part in parts:
        content[part] |= {"_attn_implementation": "flash_attention_2", "attn_implementation": "someone/kernel"}
    configure(tmp_path, **content)
    model = trained_model("ClapModel", tmp_path, parts, "mine", None)
    assert {m.config._attn_implementation for m in model.modules() if hasattr(m, "config")} <= {"sdpa", "eager"}
    with pytest.raises(FeatureError, match=r"text_config is .* instead of"):
        trained_model("ClapModel", tmp_path, {"text_config": {"hidden_size": 16}}, "mine", None)


@pytest.mark.parametrize("part", ["encoder.layers.1.fc1.weight", "decoder.layers.0.encoder_attn.k_proj.weight"])
def test_missing_weight__is_named(folder, part):
    change(folder, lambda w: w.pop(f"model.{part}"))
    refused(folder, "not the weights of WhisperModel", f"1 missing: {part}", "`source` in the study")


def test_weights_that_are_too_many_or_of_another_shape__are_named(folder):
    change(folder, lambda w: w.update({"model.encoder.conv1.bias": torch.zeros(5), "adapter.up": torch.zeros(2)}))
    refused(folder, "1 not of this network: adapter.up", "encoder.conv1.bias (5,) instead of (16,)")


def test_mask_for_training__may_be_missing_and_heads_are_left_out(tmp_path):
    table = small("wav2vec2", **WAV2VEC2)
    Wav2Vec2ForCTC(Wav2Vec2Config(**table.config)).save_pretrained(tmp_path / "whole")
    published = Path(shutil.copytree(tmp_path / "whole", tmp_path / "published"))
    change(published, lambda w: w.pop("wav2vec2.masked_spec_embed"))  # facebook/wav2vec2-base-960h has none
    assert same_features(published, tmp_path / "whole", table)
    assert not built(published, table).model.masked_spec_embed.any()
    change(published, lambda w: w.pop("wav2vec2.encoder.layer_norm.bias"))
    refused(published, "1 missing: encoder.layer_norm.bias", table=table)


def test_mask_for_training__goes_by_its_first_name_in_old_files(tmp_path):
    """As in facebook/wav2vec2-base-100h; with a head as without."""
    table = small("wav2vec2", **WAV2VEC2)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**table.config, vocab_size=32))
    model.save_pretrained(tmp_path)
    change(tmp_path, lambda w: w.update({"wav2vec2.mask_time_emb_vector": w.pop("wav2vec2.masked_spec_embed")}))
    assert torch.equal(built(tmp_path, table).model.masked_spec_embed, model.wav2vec2.masked_spec_embed)
    for edit in (lambda _: None, lambda w: w.pop("wav2vec2.mask_time_emb_vector")):
        change(tmp_path, edit)
        whole = trained_with_head("Wav2Vec2ForCTC", tmp_path, table.config, "wav2vec2")
        assert torch.equal(whole.lm_head.weight, model.lm_head.weight)


@pytest.mark.parametrize("wrapper", ["", "module.", "model."])
def test_heads_of_classification__are_left_out(tmp_path, wrapper):
    table = small("wav2vec2", **WAV2VEC2)
    config = Wav2Vec2Config(**table.config, use_weighted_layer_sum=True)
    model = Wav2Vec2ForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    state = {f"{wrapper}{key}": value.clone() for key, value in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    found = built(tmp_path, table).model.state_dict()
    assert all(torch.equal(found[key], value) for key, value in model.wav2vec2.state_dict().items())


def test_network_of_another_size__is_named_with_its_table(tmp_path):
    WhisperConfig(**load_table("whisper_base").config).save_pretrained(tmp_path)
    refused(
        tmp_path,
        "config.json: not the architecture of network table whisper_tiny",
        "d_model is 512 instead of 384; encoder_layers is 6 instead of 4",
        "`source` in the study",
        table=load_table("whisper_tiny"),
    )


def test_decoder_of_another_size__does_not_matter(tmp_path):
    config = {**TABLE.config, "decoder_layers": 2, "vocab_size": 100, "pad_token_id": 1, "eos_token_id": 2}
    WhisperForConditionalGeneration(WhisperConfig(**config)).save_pretrained(tmp_path)
    assert len(built(tmp_path).model.decoder.layers) == 2


def test_network_of_another_kind__is_named(tmp_path):
    Wav2Vec2Config().save_pretrained(tmp_path)
    refused(tmp_path, "model_type is 'wav2vec2', but network small_whisper is a 'whisper'")


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_folder_without_a_configuration__is_refused(folder, content):
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    refused(folder, "config.json: cannot be read as the configuration of a network", "`source` in the study")


def test_configuration_that_is_none__is_refused(folder):
    configure(folder, d_model="wide")
    refused(folder, "config.json: not ")


def test_single_file__is_refused(folder):
    refused(folder / "model.safetensors", "is a file, expected the folder that holds config.json")


def test_folder_that_is_missing__is_refused(tmp_path):
    refused(tmp_path / "nowhere", "is not a folder or file here, and a hub id needs the commit")


def test_hub_that_cannot_be_reached__is_named_with_the_way_around():
    with pytest.raises(FeatureError) as caught:
        build_network(TABLE, NetworkSettings(name="w"), "trained", device="cpu")
    message = str(caught.value)
    assert f"could not be loaded from 'someone/small-whisper' at revision {'0' * 40}" in message
    assert message.endswith("download them elsewhere and give their folder as `source` in the study")


@pytest.mark.parametrize("pickled", [False, True])
def test_hub__is_read_from_its_cache(tmp_path, saved, monkeypatch, pickled):
    commit = "1" * 40
    snapshot = tmp_path / "models--someone--small-whisper/snapshots" / commit
    shutil.copytree(saved, snapshot)
    if pickled:
        torch.save(load_file(snapshot / "model.safetensors"), snapshot / "pytorch_model.bin")
        (snapshot / "model.safetensors").unlink()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    found = extract(built("someone/small-whisper", revision=commit), TABLE, "trained", [SOUND], TABLE.layers)
    expected = features(TABLE, saved, [SOUND])
    for layer in TABLE.layers:
        np.testing.assert_array_equal(found[layer.id][0], expected[layer.id][0])


def test_hub__of_what_is_published_only_configurations_and_weights_are_fetched():
    published = [
        "README.md",
        "config.json",
        "preprocessor_config.json",
        "tf_model.h5",
        "modeling.py",
        "training_args.bin",
    ]
    published += ["model.safetensors", "pytorch_model.bin", "onnx/model.onnx"]
    pieces = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    fetched = {
        "safe": list(filter_repo_objects(published + pieces, allow_patterns=SAFE)),
        "pickled": list(filter_repo_objects(published + pieces, allow_patterns=PICKLED)),
    }
    assert fetched == {
        "safe": ["config.json", "preprocessor_config.json", "model.safetensors", *pieces],
        "pickled": ["config.json", "preprocessor_config.json", "pytorch_model.bin"],
    }


def test_fields_of_public_configurations__do_no_harm(folder, saved):
    """What the files of openai/whisper-tiny say beside the architecture."""
    configure(
        folder,
        torch_dtype="float32",
        transformers_version="4.27.0.dev0",
        forced_decoder_ids=[[1, 50259], [2, 50359]],
        suppress_tokens=[1, 2],
        max_length=448,
        use_cache=True,
        _name_or_path="openai/whisper-tiny",
    )
    assert same_features(folder, saved)


def test_class_that_is_none__is_named():
    with pytest.raises(ConfigError, match="has no class 'HubertModle'"):
        transformers_class("HubertModle")
    with pytest.raises(ConfigError, match="network mine, config: hiden_size = 4 describes .*'hidden_size'"):
        untrained_model("HubertModel", {"hiden_size": 4}, "mine")
    with pytest.raises(ConfigError, match="network mine, config: _attn_implementation = 'eager' describes no network"):
        untrained_model("HubertModel", {"_attn_implementation": "eager"}, "mine")
    with pytest.raises(ConfigError, match="network mine: HubertModel cannot be made from its config"):
        untrained_model("HubertModel", {"hidden_size": "wide"}, "mine")


def test_transformers_that_is_missing__is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"transformers is not installed.*\[models\]"):
        transformers_class("WhisperModel")

"""Tables found out from a network's own files: frames of any length, work, and what they are made from."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from distributed_trf.config.extraction import LayerChoice
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.probe.find import find_network
from tests.small_audio_models import TYPES, loaded, prepared, save, sound_of


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


def shapes_of(model_type, folder):
    """Return what gives the shape of each block's output for a sound, from passes of transformers' own."""
    kind = TYPES[model_type]
    model, tower = loaded(model_type, folder)

    def shapes(sound):
        found = {}
        handles = [
            tower.get_submodule(block).register_forward_hook(
                lambda _module, _inputs, output, block=block: found.update({block: output})
            )
            for block in kind.blocks
        ]
        inputs = prepared(model_type, folder, sound)
        with torch.no_grad():
            tower(**inputs) if kind.hear is None else kind.hear(model, tower, inputs)
        for handle in handles:
            handle.remove()
        return {name: (out if torch.is_tensor(out) else out[0]).shape for name, out in found.items()}

    return shapes


@pytest.mark.parametrize("model_type", ["hubert", "wav2vec2-bert", "moonshine", "encodec", "parakeet_ctc"])
def test_frames__of_any_length_are_those_of_a_pass(published, model_type):
    folder, kind = published(model_type), TYPES[model_type]
    table = find_network(str(folder), "net").table
    shapes, rng = shapes_of(model_type, folder), np.random.default_rng(0)
    by_name = {layer.name: layer for layer in table.layers}
    blocks = {block: by_name.get(block) or by_name[f"encoder.{block}"] for block in kind.blocks}
    assert all(layer.hop is not None for layer in table.layers)
    for n in rng.integers(0.1 * kind.rate, 3 * kind.rate, 30):
        found = shapes(sound_of(model_type, n / kind.rate))
        for block, layer in blocks.items():
            frames = found[block][-1 if layer.time_last else 1]
            assert UserTransformer().n_frames(table, layer, int(n)) == frames, (block, n)
    for layer in table.layers:
        assert layer.rate == pytest.approx(table.sfreq / layer.hop, rel=1e-5)


def test_layers_without_a_rule__are_noted_and_their_rate_is_that_of_long_sounds(published):
    found = find_network(str(published("gemma3n")), "net")
    unruled = [layer for layer in found.table.layers if layer.hop is None]
    assert [layer.name for layer in unruled] == ["subsample_conv_projection.conv_0.conv"]
    assert unruled[0].rate == pytest.approx(50, rel=2e-3)
    assert any(
        note.startswith("1 layers, such as subsample_conv_projection.conv_0.conv, have no simple rule")
        for note in found.notes
    )
    for n in (16000, 23456):
        assert UserTransformer().n_frames(found.table, unruled[0], n) == pytest.approx(n / 320, abs=2)


@pytest.mark.parametrize("model_type", ["hubert", "audio-spectrogram-transformer"])
def test_work__is_that_of_a_pass(published, model_type):
    folder = published(model_type)
    table = find_network(str(folder), "net").table
    _, tower = loaded(model_type, folder)
    assert table.parameters == sum(p.numel() for p in tower.parameters())
    seconds = 4.0 if table.window is None else table.window
    tower.set_attn_implementation("eager")  # the counter does not know what torch takes on CPUs
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(**prepared(model_type, folder, sound_of(model_type, min(seconds, 4.0))))
    assert table.gflop_per_second == pytest.approx(counter.get_total_flops() / seconds / 1e9, rel=1e-3)


def test_made_from__follows_the_files_and_the_choice(published, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(published("hubert"), folder)
    first = find_network(str(folder), "net").table
    again = find_network(str(folder), "other").table
    assert again.made_from == first.made_from is not None
    assert find_network(str(folder), "net", choice=LayerChoice(heads=True)).table.made_from != first.made_from
    settings = folder / "preprocessor_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_normalize": False}))
    changed = find_network(str(folder), "net").table
    assert changed.made_from != first.made_from
    assert changed.config["extractor_options"] == {"do_normalize": False}
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 1}))
    assert len(find_network(str(folder), "net").table.layers) == len(first.layers) - 1


def write(folder, config, **files):
    folder.mkdir(exist_ok=True)
    for name, content in {"config": config, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return str(folder)


def test_models_that_cannot_be_had__are_named(tmp_path):
    for kind in ("bert", "vit"):
        with pytest.raises(FeatureError, match=f"of type {kind} hears no sound"):
            find_network(write(tmp_path / kind, {"model_type": kind}), "net")
    remote = {"model_type": "mert_model", "auto_map": {"AutoModel": "modeling_MERT.MERTModel"}}
    with pytest.raises(FeatureError, match=r"remote/config\.json: .* \(auto_map\), which are never run"):
        find_network(write(tmp_path / "remote", remote), "net")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeatureError, match=r"empty.*config\.json"):
        find_network(str(tmp_path / "empty"), "net")
    with pytest.raises(FeatureError, match="nowhere"):
        find_network(str(tmp_path / "nowhere"), "net")
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights")
    with pytest.raises(FeatureError, match=r"weights\.safetensors"):
        find_network(str(file), "net")


def test_sound_below_a_frame__is_named(published):
    table = find_network(str(published("hubert")), "net").table
    with pytest.raises(FeatureError, match=r"net layer \d .* has no frame for a sound of 399 samples .* below 400"):
        UserTransformer().n_frames(table, table.layers[-1], 399)
    assert UserTransformer().n_frames(table, table.layers[-1], 400) == 1

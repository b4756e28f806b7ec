"""Whisper: trained weights from a folder, the untrained control, and every promise about frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperModel

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DeviceError, FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.table import NetworkTable, load_table
from tests.conftest import SMALL_WHISPER
from tests.small_transformers import differences, hooked, noise

TABLE = NetworkTable.model_validate(SMALL_WHISPER)
SECONDS = (1.2, 2.03, 0.7)


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return [prepare_sound(0.1 * rng.normal(size=int(s * 16_000)), 16_000, TABLE, 0.35) for s in SECONDS]


def model_of(kind):
    torch.manual_seed(4)
    return kind(WhisperConfig(**SMALL_WHISPER["config"])).eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of seeded models, by class, as transformers saves them."""
    folders = {}
    for kind in (WhisperForConditionalGeneration, WhisperModel):
        folders[kind] = tmp_path_factory.mktemp(kind.__name__)
        model_of(kind).save_pretrained(folders[kind])
    return folders


@pytest.fixture
def folder(saved, tmp_path):
    """A saved model that a test may damage."""
    return Path(shutil.copytree(saved[WhisperModel], tmp_path / "weights"))


def trained(source):
    return build_network(TABLE, NetworkSettings(name="w", source=str(source)), "trained", device="cpu")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def heard_directly(model, sound):
    """Every layer's output for one sound, as published: hooks, one sound at a time, transposed and cut."""
    encoder = model.get_encoder()
    modules = {0: encoder.conv1, 1: encoder.conv2} | {k + 2: x.final_layer_norm for k, x in enumerate(encoder.layers)}
    kept = {}
    for layer, module in modules.items():
        module.register_forward_hook(lambda _m, _i, out, layer=layer: kept.update({layer: out[0]}))
    extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    with torch.no_grad():
        encoder(extractor(sound, sampling_rate=16_000, return_tensors="pt").input_features)
    n = int((sound.shape[0] / 16_000 + 0.01) / 0.02)
    return {layer: (out.T if layer < 2 else out)[: 2 * n if layer == 0 else n] for layer, out in kept.items()}


@pytest.mark.parametrize("kind", [WhisperForConditionalGeneration, WhisperModel])
def test_trained_weights__every_layer_is_what_the_model_itself_gives(saved, sounds, kind):
    found = extract(trained(saved[kind]), TABLE, "trained", sounds, TABLE.layers)
    for k, sound in enumerate(sounds):
        expected = heard_directly(model_of(kind), sound)
        assert sorted(found) == sorted(expected) == [0, 1, 2, 3]
        for layer, out in expected.items():
            assert found[layer][k].dtype == np.float32
            assert torch.equal(torch.from_numpy(found[layer][k].copy()), out)


def test_network_that_takes_128_bands__is_given_them(sounds, tmp_path):
    config = {**SMALL_WHISPER["config"], "num_mel_bins": 128}
    table = NetworkTable.model_validate({**SMALL_WHISPER, "config": config})
    torch.manual_seed(4)
    model = WhisperModel(WhisperConfig(**config)).eval()
    model.save_pretrained(tmp_path)
    WhisperFeatureExtractor(feature_size=128).save_pretrained(tmp_path)
    network = build_network(table, NetworkSettings(name="w", source=str(tmp_path)), "trained", device="cpu")
    found = extract(network, table, "trained", sounds[:1], table.layers)
    for layer, out in heard_directly(model, sounds[0]).items():
        assert torch.equal(torch.from_numpy(found[layer][0].copy()), out)


def test_batch__gives_what_each_sound_gives_alone_bit_by_bit(saved, sounds):
    network = trained(saved[WhisperModel])
    together = extract(network, TABLE, "trained", sounds, TABLE.layers)
    for k, sound in enumerate(sounds):
        alone = extract(network, TABLE, "trained", [sound], TABLE.layers)
        for layer in TABLE.layers:
            np.testing.assert_array_equal(together[layer.id][k], alone[layer.id][0], strict=True)


@pytest.mark.parametrize("detected", [False, True])
def test_encoder_alone__gives_what_generating_text_gives_bit_by_bit(saved, sounds, detected):
    """Whisper hears a sound twice where it first detects the language."""
    model = model_of(WhisperForConditionalGeneration)
    generation = model.generation_config
    if detected:
        generation.is_multilingual, generation.no_timestamps_token_id = True, 50363
        generation.lang_to_id, generation.task_to_id = {"<|en|>": 50259, "<|de|>": 50261}, {"transcribe": 50359}
    mel = WhisperFeatureExtractor()(sounds[0], sampling_rate=16_000, return_tensors="pt").input_features
    kept = hooked(model, TABLE, lambda m: m.generate(mel, max_new_tokens=3), "model.")
    found = extract(trained(saved[WhisperModel]), TABLE, "trained", sounds[:1], TABLE.layers)
    for layer in TABLE.layers:
        assert len(kept[layer.id]) == (2 if detected else 1)
        for out in kept[layer.id]:
            np.testing.assert_array_equal(found[layer.id][0], out[: found[layer.id][0].shape[0]].numpy(), strict=True)


@settings(max_examples=4)
@given(lengths=st.lists(st.integers(400, 60_000), min_size=2, max_size=2))
def test_batch_of_any_lengths__gives_what_each_sound_gives_alone_bit_by_bit(saved, lengths):
    network, batch = trained(saved[WhisperModel]), noise(np.random.default_rng(3), *lengths)
    together = extract(network, TABLE, "trained", batch, TABLE.layers)
    for k, sound in enumerate(batch):
        alone = extract(network, TABLE, "trained", [sound], TABLE.layers)
        assert max(differences(TABLE, together, alone, k).values()) == 0


def test_bfloat16__is_near_float32(saved, sounds):
    source = NetworkSettings(name="w", source=str(saved[WhisperModel]))
    rough = build_network(TABLE, source, "trained", device="cpu", dtype="bfloat16")
    found = extract(rough, TABLE, "trained", sounds[:2], TABLE.layers)
    exact = extract(trained(saved[WhisperModel]), TABLE, "trained", sounds[:2], TABLE.layers)
    for layer in TABLE.layers:
        for one, other in zip(exact[layer.id], found[layer.id], strict=True):
            assert np.abs(one - other).max() < 0.1 * np.abs(one).max()
            assert np.abs(one - other).mean() < 0.02 * np.abs(one).std()


@pytest.mark.parametrize(("name", "parameters"), [("whisper_tiny", 37_760_640), ("whisper_base", 72_593_920)])
def test_architecture__has_the_published_number_of_parameters(name, parameters):
    table = load_table(name)
    with torch.device("meta"):
        model = family(table, "trained").new(table)
    assert sum(p.numel() for p in model.parameters()) == table.parameters == parameters


def test_whisper_tiny__from_a_checkpoint_in_the_public_format_gives_every_layer(tmp_path, sounds):
    table = load_table("whisper_tiny")
    torch.manual_seed(6)
    model = WhisperForConditionalGeneration(WhisperConfig(**table.config)).eval()
    model.half().save_pretrained(tmp_path)
    source = NetworkSettings(name="whisper_tiny", source=str(tmp_path))
    network = build_network(table, source, "trained", device="cpu")
    found = extract(network, table, "trained", sounds[:1], table.layers)
    n = int((sounds[0].shape[0] / 16_000 + 0.01) / 0.02)
    mel = WhisperFeatureExtractor()(sounds[0], sampling_rate=16_000, return_tensors="pt").input_features
    kept = hooked(model.float(), table, lambda m: m.model.encoder(mel), "model.")
    for layer in table.layers:
        expected = kept[layer.id][0][: 2 * n if layer.id == 0 else n].numpy()
        assert expected.shape == (layer.rate * n / 50, 384)
        np.testing.assert_array_equal(found[layer.id][0], expected, strict=True)


def test_some_layers__are_the_same_as_among_all(saved, sounds):
    network = trained(saved[WhisperModel])
    few = extract(network, TABLE, "trained", sounds[:1], TABLE.layers[2:3])
    assert list(few) == [2]
    np.testing.assert_array_equal(few[2][0], extract(network, TABLE, "trained", sounds[:1], TABLE.layers)[2][0])


def test_nan_weights__are_found_in_the_first_layer_that_they_reach(folder, sounds):
    change_weights(folder, lambda w: w["encoder.layers.0.final_layer_norm.bias"].fill_(float("nan")))
    network = trained(folder)
    message = r"small_whisper layer 2 \(encoder\.layers\.0\.final_layer_norm\) gave NaN or Inf for sound 0"
    with pytest.raises(FeatureError, match=message):
        extract(network, TABLE, "trained", sounds, TABLE.layers)
    extract(network, TABLE, "trained", sounds, TABLE.layers[:2])


def test_other_width_than_the_table_says__is_refused(saved, sounds):
    layers = [TABLE.layers[0].model_copy(update={"width": 17})]
    with pytest.raises(
        FeatureError, match=r"layer 0 \(encoder\.conv1\) gives shape \(3, 16, 3000\) for 3.*\(3, 17 in all"
    ):
        extract(trained(saved[WhisperModel]), TABLE, "trained", sounds, layers)


def test_unknown_module__is_named(saved, sounds):
    layers = [TABLE.layers[0].model_copy(update={"name": "encoder.conv9"})]
    with pytest.raises(FeatureError, match=r"WhisperModel has no module encoder\.conv9"):
        extract(trained(saved[WhisperModel]), TABLE, "trained", sounds, layers)


@given(n=st.integers(0, 480_000))
def test_n_frames__follow_the_published_rule(n):
    rule = family(TABLE, "trained")
    expected = int((n / 16_000 + 0.01) / 0.02)
    assert [rule.n_frames(TABLE, layer, n) for layer in TABLE.layers] == [2 * expected, expected, expected, expected]


def test_sound_longer_than_the_window__is_refused(saved):
    rule, network = family(TABLE, "trained"), trained(saved[WhisperModel])
    assert rule.n_frames(TABLE, TABLE.layers[1], 480_000) == 1500
    with pytest.raises(FeatureError, match=r"a sound of 30\.00 s .* does not fit Whisper's window of 30 s; shorten"):
        rule.n_frames(TABLE, TABLE.layers[1], 480_001)
    with pytest.raises(FeatureError, match=r"a sound of 31\.00 s"):
        extract(network, TABLE, "trained", [np.zeros(31 * 16_000)], TABLE.layers[1:2])
    assert extract(network, TABLE, "trained", [np.zeros(480_000)], TABLE.layers[1:2])[1][0].shape == (1500, 16)


def reset_features(sounds, weights):
    network = build_network(TABLE, NetworkSettings(name="w"), weights, device="cpu")
    return extract(network, TABLE, "trained", sounds, TABLE.layers)


def test_reset_weights__follow_their_seed_alone(sounds):
    torch.manual_seed(1)
    one = reset_features(sounds[:1], "reset-1")
    two = reset_features(sounds[:1], "reset-2")
    torch.manual_seed(77)
    again = reset_features(sounds[:1], "reset-1")
    for layer in TABLE.layers:
        np.testing.assert_array_equal(one[layer.id][0], again[layer.id][0])
        assert not np.allclose(one[layer.id][0], two[layer.id][0])


def test_dropout_of_the_configuration__is_off(sounds):
    table = NetworkTable.model_validate({**SMALL_WHISPER, "config": {**SMALL_WHISPER["config"], "dropout": 0.5}})
    network = build_network(table, NetworkSettings(name="w"), "reset", device="cpu")
    one, again = (extract(network, table, "trained", sounds[:1], table.layers)[3][0] for _ in range(2))
    np.testing.assert_array_equal(one, again)


def test_build_network__returns_the_same_one_when_asked_again():
    one = build_network(TABLE, NetworkSettings(name="w"), "reset", device="cpu")
    assert build_network(TABLE, NetworkSettings(name="w"), "reset", device="cpu") is one
    assert build_network(TABLE, NetworkSettings(name="w"), "reset-1", device="cpu") is not one


def test_build_network__notices_changed_weights_in_the_same_folder(folder, sounds):
    one = trained(folder)
    assert trained(folder) is one
    change_weights(folder, lambda w: w["encoder.conv1.bias"].add_(1))
    before, after = (
        extract(network, TABLE, "trained", sounds[:1], TABLE.layers[:1])[0][0] for network in (one, trained(folder))
    )
    np.testing.assert_allclose(after, before + 1, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu__is_an_error_and_never_the_cpu():
    with pytest.raises(DeviceError, match=r"device 'cuda' is requested, but torch .* finds no GPU"):
        build_network(TABLE, NetworkSettings(name="w"), "reset", device="cuda")


def test_whisper_tiny__has_six_layers_of_width_384():
    table = load_table("whisper_tiny")
    network = build_network(table, NetworkSettings(name="whisper_tiny"), "reset", device="cpu")
    sound = prepare_sound(0.1 * np.random.default_rng(0).normal(size=16_000), 16_000, table, 0.35)
    found = extract(network, table, "trained", [sound], table.layers)
    assert {layer: frames[0].shape for layer, frames in found.items()} == {
        0: (136, 384),
        **dict.fromkeys(range(1, 6), (68, 384)),
    }
    assert all(frames[0].std() > 0.01 for frames in found.values())


def test_work__counts_the_products_of_the_encoder():
    encoder = WhisperModel(WhisperConfig(**SMALL_WHISPER["config"], attn_implementation="eager")).encoder.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(2, 80, 3000))
    work = family(TABLE, "trained").work(TABLE, [32_000, 16_001])
    assert work.flops == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert work.weights > 4 * sum(p.numel() for p in encoder.parameters())

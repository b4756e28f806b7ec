"""Patches laid out to frames: against loops over what models give, and by what sounds move which frames."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.config.extraction import LayerChoice, NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.probe.find import find_network
from distributed_trf.features.probe.grids import is_tiled, tiling
from tests.small_audio_models import hidden_states, save, sound_of

AST, CLAP = "audio-spectrogram-transformer", "clap"


@pytest.fixture(scope="module")
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


@pytest.fixture(scope="module")
def networks(published):
    """Return table and built network of a model, found out once for each way to keep bands."""
    known = {}

    def get(model_type, keep):
        if (model_type, keep) not in known:
            table = find_network(str(published(model_type)), "net", choice=LayerChoice(grid=keep)).table
            known[model_type, keep] = table, build_network(table, NetworkSettings(name="net"), "trained", device="cpu")
        return known[model_type, keep]

    return get


def layer_of(table, name):
    return next(layer for layer in table.layers if layer.name == name)


def features(networks, model_type, name, sound, keep="flatten"):
    table, network = networks(model_type, keep)
    layer = layer_of(table, name)
    return extract(network, table, "trained", [sound], [layer])[layer.id][0]


def equal(found, expected, keep):
    expected = expected.mean(1) if keep == "mean" else expected.reshape(len(expected), -1)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("keep", ["flatten", "mean"])
def test_ast__tokens_are_two_special_ones_and_then_all_times_of_each_band(published, networks, keep):
    sound, bands, columns, n = sound_of(AST, 1.0), 12, 101, 9
    names = ("layers.1", "embeddings.patch_embeddings.projection")
    given = hidden_states(AST, published(AST), sound, names)
    tokens, patches = given[names[0]][0], given[names[1]][0]  # (token, feature) and (feature, band, time)
    assert tokens.shape[0] == 2 + bands * columns
    of_block, of_patches = (np.empty((n, bands, width), np.float32) for width in (tokens.shape[1], len(patches)))
    for column in range(n):
        for band in range(bands):
            of_block[column, band] = tokens[2 + band * columns + column]
            of_patches[column, band] = patches[:, band, column]
    equal(features(networks, AST, names[0], sound, keep), of_block, keep)
    equal(features(networks, AST, names[1], sound, keep), of_patches, keep)


@pytest.mark.parametrize("keep", ["flatten", "mean"])
def test_clap__tokens_are_pieces_of_time_below_each_other_then_bands_then_time(published, networks, keep):
    sound, folds = sound_of(CLAP, 3.1), 4
    sides = {"audio_encoder.layers.0.blocks.1": 64, "audio_encoder.layers.2.blocks.0": 16}
    given = hidden_states(CLAP, published(CLAP), sound, (*sides, "audio_encoder.patch_embed.proj"))
    for name, side in sides.items():
        tokens, bands = given[name][0], side // folds
        assert tokens.shape[0] == side * side
        laid = np.empty((folds * side, bands, tokens.shape[1]), np.float32)
        for row in range(side):  # of the square image
            for column in range(side):
                fold, band = row // bands, row % bands
                laid[fold * side + column, band] = tokens[row * side + column]
        n = round(3.1 / 10 * folds * side)
        equal(features(networks, CLAP, name, sound, keep), laid[:n], keep)
    image = given["audio_encoder.patch_embed.proj"][0]  # (feature, row, column)
    laid = np.stack([image[:, (t // 64) * 16 : (t // 64) * 16 + 16, t % 64].T for t in range(256)])
    equal(features(networks, CLAP, "audio_encoder.patch_embed.proj", sound, keep), laid[:79], keep)


def change(networks, model_type, name, one, other):
    """How much each (frame, band) of a module differs between two sounds."""
    table, _ = networks(model_type, "flatten")
    bands = layer_of(table, name).grid.bands
    a, b = (features(networks, model_type, name, sound) for sound in (one, other))
    return np.linalg.norm((a - b).reshape(len(a), bands, -1), axis=2)


@pytest.mark.parametrize(
    ("model_type", "name", "seconds"),
    [(AST, "embeddings.patch_embeddings.projection", 9.0), (CLAP, "audio_encoder.patch_embed.proj", 9.9)],
)
def test_click__moves_the_frames_at_its_time(networks, model_type, name, seconds):
    table, _ = networks(model_type, "flatten")
    quiet = 1e-3 * sound_of(model_type, seconds)
    for at in (1.5, 4.2, 8.1):
        click = quiet.copy()
        click[round(at * table.sfreq)] += 0.9
        moved = change(networks, model_type, name, quiet, click).max(1)
        middle = moved.argmax() * layer_of(table, name).hop / table.sfreq
        assert abs(middle - at) <= 0.2
        assert moved[np.abs(np.arange(len(moved)) / layer_of(table, name).rate - at) > 0.3].max() < 0.5 * moved.max()


@pytest.mark.parametrize(
    ("model_type", "name"), [(AST, "embeddings.patch_embeddings.projection"), (CLAP, "audio_encoder.patch_embed.proj")]
)
def test_tone__moves_the_band_of_its_frequency(networks, model_type, name):
    table, _ = networks(model_type, "flatten")
    quiet = 1e-3 * sound_of(model_type, 9.9)
    time = np.arange(len(quiet)) / table.sfreq
    moved = [
        change(networks, model_type, name, quiet, quiet + 0.1 * np.sin(2 * np.pi * hertz * time)).mean(0).argmax()
        for hertz in (200, 1000, 6000)
    ]
    assert moved == sorted(set(moved))
    bands = layer_of(table, name).grid.bands
    assert moved[0] < bands / 3
    assert moved[-1] > bands / 2


def test_full_window__has_all_columns_and_shorter_sounds_the_patches_within(networks):
    for model_type, name, columns in ((AST, "layers.0", 101), (CLAP, "audio_encoder.layers.0.blocks.0", 256)):
        table, _ = networks(model_type, "flatten")
        sound = sound_of(model_type, table.window)
        assert len(features(networks, model_type, name, sound)) == columns
        with pytest.raises(FeatureError, match="takes no sound above 10"):
            features(networks, model_type, name, sound_of(model_type, table.window + 0.01))
    assert len(features(networks, AST, "layers.0", sound_of(AST, 0.16))) == 1
    with pytest.raises(FeatureError, match="has no frame for a sound of 2559 samples .* below 2560 samples"):
        features(networks, AST, "layers.0", sound_of(AST, 0.16)[1:])


def test_tokens_that_fill_no_grid__have_no_tiling(networks):
    class Config:
        num_mel_bins, patch_size, frequency_stride, time_stride, max_length = 128, 16, 10, 10, 1024
        spec_size = 256

    assert tiling("ASTModel", Config, 1 + 12 * 101, "mean") is None
    assert tiling("ASTModel", Config, 2 + 12 * 101, "mean").columns == 101
    Config.num_mel_bins = 64
    assert tiling("ClapAudioModel", Config, 63 * 63, "mean") is None
    assert tiling("ClapAudioModel", Config, 5, "mean") is None
    assert tiling("HubertModel", Config, 49, "mean") is None
    assert not is_tiled("HubertModel")

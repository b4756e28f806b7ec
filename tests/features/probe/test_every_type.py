"""Every audio model type of transformers: from the folder that is published to features of each block, by no table
written by hand, against a forward pass of transformers' own.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import transformers

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DistributedTRFError
from distributed_trf.features.frames import as_frames
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.probe.add import add_network
from distributed_trf.features.table import load_table
from tests.small_audio_models import TYPES, hidden_states, save

SECONDS = (1.31, 0.93)
PRECISION = 1e-6
"""Largest difference, over the largest feature of the layer."""

NOT_LOADED = {"nemo_speechlm": "its files hold queries, keys and values of a block as one tensor, which is not split"}
AS_EXPECTED = sorted(
    name for name, kind in TYPES.items() if name not in NOT_LOADED and all(find_spec(library) for library in kind.needs)
)
MISSING = sorted(name for name, kind in TYPES.items() if not all(find_spec(library) for library in kind.needs))
STEMS = ("vibevoice", "vibevoice_acoustic_tokenizer", "vibevoice_asr")
"""Types whose first block is a module of several that are layers each."""


def layer_of(table, block):
    """The layer of a block, whose name in the table may begin elsewhere; of several the outermost."""
    layers = [layer for layer in table.layers if not layer.input]
    found = [x for x in layers if f".{x.name}".endswith(f".{block}") or block.endswith(f".{x.name}")]
    assert found, f"{block} is not among {[layer.name for layer in layers]}"
    return min(found, key=lambda layer: len(layer.name))


@pytest.mark.parametrize("model_type", AS_EXPECTED)
def test_blocks__are_those_of_an_independent_pass(model_type, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind = TYPES[model_type]
    save(model_type, tmp_path / "published")
    layers = "|".join(map(re.escape, kind.blocks)) if model_type in STEMS else "stack"
    table = load_table(str(add_network("published", name="net", layers=layers).file))
    assert table.sfreq == kind.rate
    assert table.window == kind.window
    layers = [layer_of(table, block) for block in kind.blocks]
    rng = np.random.default_rng(0)
    sounds = [0.1 * rng.standard_normal(round(seconds * kind.rate)) for seconds in SECONDS]
    network = build_network(table, NetworkSettings(name="net"), "trained", device="cpu")
    found = extract(network, table, "trained", sounds, layers)
    for k, sound in enumerate(sounds):
        expected = hidden_states(model_type, tmp_path / "published", sound)
        for layer, block in zip(layers, kind.blocks, strict=True):
            laid = as_frames(layer, torch.from_numpy(expected[block]), 1, "net")[0].numpy()
            frames = found[layer.id][k]
            assert 0 < frames.shape[0] <= laid.shape[0]
            if kind.window is None:
                assert frames.shape == laid.shape
            assert np.abs(frames - laid[: frames.shape[0]]).max() <= PRECISION * np.abs(laid).max(), block


@pytest.mark.parametrize("model_type", MISSING)
def test_library_that_is_missing__is_named(model_type, tmp_path):
    kind = TYPES[model_type]
    getattr(transformers, kind.config[0])(**kind.config[1]).save_pretrained(tmp_path / "published")
    stated = {"feature_extractor_type": kind.extractor[0], "sampling_rate": kind.rate}
    (tmp_path / "published/preprocessor_config.json").write_text(json.dumps(stated))
    with pytest.raises(DistributedTRFError, match="|".join(kind.needs)):
        add_network(str(tmp_path / "published"), name="net", dry_run=True)


def test_types__are_forty_or_more():
    assert len(AS_EXPECTED) >= 40

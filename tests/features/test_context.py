"""Frames that see a limited past: against one pass per frame in a loop, and what needs no windows."""

from __future__ import annotations

import logging
from math import inf

import numpy as np
import pytest
import torch
import yaml
from transformers import HubertConfig, HubertForCTC, Speech2TextConfig, Speech2TextForConditionalGeneration

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, DeviceError
from distributed_trf.features.families.registry import check_weights, expected_work, family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.sight import sees
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.features.windows import frame_ends
from distributed_trf.pipeline.study import Study
from distributed_trf.results.open_results import open_results
from tests.conftest import SMALL_WHISPER
from tests.features.past_networks import HOP, KERNEL, PastNetwork, past_table
from tests.small_transformers import SPEECH2TEXT, noise, small

WHISPER = NetworkTable.model_validate(SMALL_WHISPER)
HUBERT = NetworkTable.model_validate(
    {
        "name": "hubert",
        "family": "transformers",
        "sfreq": 16_000,
        "config": {
            "class": "HubertModel",
            "extractor": "Wav2Vec2FeatureExtractor",
            "extractor_options": {"do_normalize": True},
            "architecture": {
                "conv_dim": [16] * 7,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
            },
        },
        "layers": [
            {"id": 0, "name": "feature_extractor.conv_layers.5.activation", "type": "conv", "width": 16, "rate": 100}
            | {"time_last": True, "hop": 160, "offset": -80},
            *(
                {"id": k + 1, "name": f"encoder.layers.{k}.final_layer_norm", "type": "transformer", "width": 32}
                | {"rate": 50, "hop": 320, "offset": -80}
                for k in range(2)
            ),
        ],
    }
)
DEEPSPEECH2 = load_table("deepspeech2").model_copy(
    update={
        "config": {"channels": 2, "hidden": 3, "layers": 1, "letters": 4},
        "layers": [
            layer.model_copy(update={"width": width})
            for layer, width in zip(load_table("deepspeech2").layers[:3], (162, 82, 6), strict=True)
        ],
    }
)
TABLES = {
    "hubert": HUBERT,
    "whisper": WHISPER,
    "deepspeech2": DEEPSPEECH2,
    "speech2text": small("speech2text", **SPEECH2TEXT),
    "wav2vec2": small("wav2vec2", conv_dim=[16] * 7, hidden_size=32, num_attention_heads=2, intermediate_size=64),
    **{k: past_table(k) for k in ("causal", "centred", "recurrent", "both", "counting", "normalised", "padded")},
}


def built(table, context=None, weights="reset", **options):
    return build_network(table, NetworkSettings(name=table.name, context=context), weights, device="cpu", **options)


def sounds_for(table, *seconds, lead_in=0.1):
    n_samples = [int(s * table.sfreq) for s in seconds]
    return noise(np.random.default_rng(1), *n_samples, lead_in=int(lead_in * table.sfreq))


def one_pass_per_frame(table, layer, sound, context, weights="reset"):
    """The definition in a loop, frame by frame; a row is None where the network takes no such piece."""
    rule, plain = family(table, weights), built(table, weights=weights)

    def count(n):
        try:
            return rule.n_frames(table, layer, n) if n > 0 else 0
        except Exception:
            return 0

    limit = int(context * table.sfreq)
    counts = [count(n) for n in range(max(limit, sound.shape[0]) + 1)]
    longest = max(n for n in range(1, limit + 1) if counts[n] > counts[n - 1])
    rows = []
    for i in range(counts[sound.shape[0]]):
        end = next(n for n, frames in enumerate(counts) if frames > i)
        piece = sound[max(0, end - longest) : end]
        try:
            frames = extract(plain, table, weights, [piece], [layer])[layer.id][0]
        except Exception:
            rows.append(None)
            continue
        rows.append(frames[len(frames) - (counts[end] - i)])
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_context__is_one_pass_per_frame_in_a_loop(name):
    table, context = TABLES[name], 0.25
    chosen = table.layers if len(table.layers) <= 5 else [table.layers[k] for k in (4, -2, -1)]
    sounds = sounds_for(table, 0.3, 0.52)
    found = extract(built(table, context), table, "reset", sounds, chosen)
    for layer in chosen:
        for k, sound in enumerate(sounds):
            expected = one_pass_per_frame(table, layer, sound, context)
            assert (
                len(expected)
                == len(found[layer.id][k])
                == family(table, "reset").n_frames(table, layer, sound.shape[0])
            )
            defined = [i for i, row in enumerate(expected) if row is not None]
            assert len(defined) > 0.5 * len(expected)
            rows = np.stack([expected[i] for i in defined])
            assert np.abs(found[layer.id][k][defined] - rows).max() <= 1e-6 * np.abs(rows).max()

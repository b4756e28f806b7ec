"""The shipped networks of transformers at small width, and their layers as each published analysis took them."""

from __future__ import annotations

import numpy as np
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable, load_table

BLOCKS = 2
WAV2VEC2 = {"conv_dim": [16] * 7, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
SPEECH2TEXT = {
    **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim", "conv_channels"), 32),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    "decoder_layers": 1,
    "vocab_size": 50,
}


def small(name, **config):
    """A shipped table with other widths and two blocks."""
    table = load_table(name)
    model = table.model_dump()
    model["config"].update(config, **{"num_hidden_layers" if table.family == "wav2vec2" else "encoder_layers": BLOCKS})
    kept = [x for x in model["layers"] if ".layers." not in x["name"] or int(x["name"].split(".")[2]) < BLOCKS]
    for layer in kept:
        if table.family == "wav2vec2":
            layer["width"] = config["conv_dim"][0] if layer["id"] < 7 else config["hidden_size"]
        else:
            layer["width"] = 2 * config["d_model"] if layer["id"] == 1 else config["d_model"]
    return NetworkTable.model_validate({**model, "layers": kept})


def noise(rng, *n_samples, lead_in=5600):
    """Sounds at the networks' rate, silence before each."""
    return [np.concatenate([np.zeros(lead_in), 0.1 * rng.normal(size=n)]) for n in n_samples]


def trained(table, source, dtype="float32"):
    settings = NetworkSettings(name=table.name, source=str(source))
    return build_network(table, settings, "trained", device="cpu", dtype=dtype)


def features(table, source, sounds, dtype="float32"):
    """Every layer's features of sounds heard together."""
    return extract(trained(table, source, dtype), table, "trained", sounds, table.layers)


def hooked(model, table, run, prefix=""):
    """What each module of a table gave, as published: channels first made frames first, the batch of one dropped."""
    kept, modules = {}, dict(model.named_modules())
    handles = [
        modules[prefix + layer.name].register_forward_hook(
            lambda _m, _i, out, layer=layer: kept.setdefault(layer.id, []).append(
                out.squeeze(0).T if layer.time_last else out.squeeze(0)
            )
        )
        for layer in table.layers
    ]
    with torch.no_grad():
        run(model)
    for handle in handles:
        handle.remove()
    return kept


def frames(table, n_samples):
    return {layer.id: family(table, "trained").n_frames(table, layer, n_samples) for layer in table.layers}


def differences(table, together, alone, k):
    """Largest difference of each layer relative to its scale, between a sound of a batch and the same alone."""
    pairs = {layer.id: (together[layer.id][k], alone[layer.id][0]) for layer in table.layers}
    assert all(one.shape == other.shape for one, other in pairs.values())
    return {i: float(np.abs(one - other).max() / np.abs(other).max()) for i, (one, other) in pairs.items()}

"""Every family of networks on the card against the CPU, each case told in a line; started by test_rehearsal.py."""

import traceback
from functools import partial

import fake_card
import numpy as np
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.known import family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.planning import frame_rate
from distributed_trf.features.resample import kept_frames
from distributed_trf.features.table import NetworkTable, load_table
from tests.conftest import SMALL_WHISPER
from tests.fake_gpu.own_network import TABLE
from tests.fake_gpu.processes import tell
from tests.small_transformers import SPEECH2TEXT, WAV2VEC2, small

UNEQUAL = (0.5, 0.3, 0.5)
"""Seconds of the sounds of a batch."""


def changed(name, widths, **config):
    """A shipped table with another configuration, its layers of other widths by what their names begin with."""
    model = load_table(name).model_dump()
    model["config"].update(config)
    for layer in model["layers"]:
        layer["width"] = next((w for start, w in widths.items() if layer["name"].startswith(start)), layer["width"])
    return NetworkTable.model_validate(model)


def hubert():
    """An architecture of transformers that has no family of its own."""
    layers = [{"id": 0, "name": "encoder.layers.1", "type": "transformer", "width": 32, "rate": 50}]
    architecture = WAV2VEC2 | {"num_hidden_layers": 2}
    return NetworkTable.model_validate(
        {"name": "hubert", "family": "transformers", "sfreq": 16000, "layers": layers,
         "config": {"class": "HubertModel", "architecture": architecture}})  # fmt: skip


CASES = {
    "whisper": (partial(NetworkTable.model_validate, SMALL_WHISPER), "reset", ("float32", "bfloat16")),
    "wav2vec2": (partial(small, "wav2vec2", **WAV2VEC2), "reset", ("float32", "bfloat16")),
    "speech2text": (partial(small, "speech2text", **SPEECH2TEXT), "reset", ("float32", "bfloat16")),
    "deepspeech2": (partial(changed, "deepspeech2", {"rnns": 64}, hidden=32), "reset", ("float32",)),
    "wav2letter": (partial(load_table, "wav2letter"), "reset", ("float32",)),
    "cochcnn9": (partial(load_table, "cochcnn9"), "reset", ("float32",)),
    "own module": (partial(NetworkTable.model_validate, TABLE), "reset", ("float32", "bfloat16")),
    "own transformer": (hubert, "reset", ("float32",)),
    "spectrogram": (partial(load_table, "mel_whisper"), "fixed", ("float32",)),
    **{
        f"projection {kind}": (partial(NetworkTable.model_validate, SMALL_WHISPER), f"projection_{kind}", ("float32",))
        for kind in ("linear", "conv", "conv_gelu")
    },
}


def heard(table, weights, dtype, device):
    """What a network gives of sounds of unequal lengths, at the frames that a study keeps."""
    rng = np.random.default_rng(0)
    seconds = UNEQUAL[: 1 if table.family == "cochlear" else None]  # whose windows are of one length anyway
    sounds = [0.1 * rng.normal(size=int(table.sfreq * s)) for s in seconds]
    network = build_network(table, NetworkSettings(name=table.name), weights, device=device, dtype=dtype)
    rule = family(table, weights)

    def stored(layer, k):
        n = rule.n_frames(table, layer, sounds[k].shape[0])
        return kept_frames(frame_rate(table, weights, layer), n, seconds[k])

    return extract(network, table, weights, sounds, table.layers, stored=stored)


def compared(make, weights, dtype):
    """How far the card is from the CPU, and whether it was used."""
    table = make()
    here = heard(table, weights, dtype, "cpu")
    with fake_card.counted() as counts:
        there = heard(table, weights, dtype, "cuda")
    for layer, sounds in here.items():
        for one, other in zip(there[layer], sounds, strict=True):
            assert one.shape == other.shape
            scale = 2e-6 if dtype == "float32" else 2e-2
            np.testing.assert_allclose(one, other, rtol=0, atol=scale * np.abs(other).max(), err_msg=f"layer {layer}")
    assert table.is_spectrogram or counts["torch.kernels"], "nothing was calculated on the card"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, (make, weights, dtypes) in CASES.items():
        for dtype in dtypes:
            try:
                compared(make, weights, dtype)
                tell(f"{name} {dtype}", "ok")
            except Exception:  # noqa: BLE001  the next case is told as well
                tell(f"{name} {dtype}", traceback.format_exc(limit=-6)[:3000])
    tell("notes", str(dict(fake_card.NOTES)) if fake_card.NOTES else "ok")

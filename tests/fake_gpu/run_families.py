"""Networks of every family on the card: features, counts and memory, each case in a line; see test_rehearsal.py."""

import traceback
from functools import partial
from unittest import mock

import fake_card
import numpy as np
import pytest
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DeviceError
from distributed_trf.features.families.registry import family, frame_rate
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.resample import kept_frames
from distributed_trf.features.table import NetworkTable, load_table
from tests.conftest import SMALL_WHISPER
from tests.fake_gpu.own_network import TABLE
from tests.fake_gpu.processes import gpu_check, tell
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
    "cochresnet50": (partial(load_table, "cochresnet50"), "reset", ("float32",)),
    "own module": (partial(NetworkTable.model_validate, TABLE), "reset", ("float32", "bfloat16")),
    "own transformer": (hubert, "reset", ("float32",)),
    "spectrogram": (partial(load_table, "mel_whisper"), "fixed", ("float32",)),
    **{
        f"projection {kind}": (partial(NetworkTable.model_validate, SMALL_WHISPER), f"projection_{kind}", ("float32",))
        for kind in ("linear", "conv", "conv_gelu")
    },
}


def noise(table, seconds):
    rng = np.random.default_rng(0)
    return [0.1 * rng.normal(size=int(table.sfreq * s)) for s in seconds]


def built(table, weights, dtype, device):
    return build_network(table, NetworkSettings(name=table.name), weights, device=device, dtype=dtype)


def heard(network, table, weights, sounds):
    """What a network gives of sounds, at the frames that a study keeps."""
    rule = family(table, weights)

    def stored(layer, k):
        n = sounds[k].shape[0]
        return kept_frames(frame_rate(table, weights, layer), rule.n_frames(table, layer, n), n / table.sfreq)

    return extract(network, table, weights, sounds, table.layers, stored=stored)


def same(there, here, close):
    for layer, sounds in here.items():
        for one, other in zip(there[layer], sounds, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=0, atol=close * np.abs(other).max(), err_msg=f"layer {layer}")


def compared(make, weights, dtype):
    """Unequal sounds give the same on the card, and are heard there."""
    table = make()
    sounds = noise(table, UNEQUAL[: 1 if table.family == "cochlear" else None])  # its windows are of one length anyway
    here = heard(built(table, weights, dtype, "cpu"), table, weights, sounds)
    with fake_card.counted() as counts:
        there = heard(built(table, weights, dtype, "cuda"), table, weights, sounds)
    same(there, here, 2e-6 if dtype == "float32" else 2e-2)
    assert table.is_fixed or counts["torch.kernels"], "nothing was calculated on the card"


def within_budget(make, kernels):
    """A pass is one copy to the card, one back for each layer, and one wait, however many sounds it hears."""
    table = make()
    network, found = built(table, "reset", "float32", "cuda"), []
    for n in (8, 4, 8, 4):  # the first make the resampling matrices
        with fake_card.counted() as counts:
            heard(network, table, "reset", noise(table, n * [0.5]))
        found.append({what: counts[f"torch.{what}"] for what in ("h2d", "d2h", "syncs", "kernels")})
    *_, eight, four = found
    budget = {"h2d": 1, "d2h": len(table.layers), "syncs": 1, "kernels": kernels}
    over = {what: (eight[what], most) for what, most in budget.items() if eight[what] > most}
    assert not over, f"counted, budget: {over}; waits from {fake_card.by_caller('torch.syncs')}"
    assert all(eight[what] == four[what] for what in ("h2d", "d2h", "syncs"))


def halved(make):
    """A batch for which memory runs out while it is heard is heard in parts, and gives the same; one sound is told."""
    table = make()
    network, sounds = built(table, "reset", "float32", "cuda"), noise(table, 8 * [1.0])
    whole, run, peaks = heard(network, table, "reset", sounds), network.family.run, []
    assert network.parts == 1
    for n in (8, 3):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        heard(network, table, "reset", sounds[:n])
        peaks.append(torch.cuda.max_memory_allocated() - before)

    def tightened(bytes_left):
        def tighten(*given):
            torch.cuda.empty_cache()
            fake_card.set_memory(fake_card.limit - fake_card.free() + bytes_left)
            return run(*given)

        return mock.patch.object(network.family, "run", tighten)

    try:
        with tightened(sum(peaks) // 2):
            same(heard(network, table, "reset", sounds), whole, 2e-6)
        assert network.parts > 1
        fake_card.set_memory(fake_card.TOTAL)
        with (
            tightened(peaks[1] // 6),
            pytest.raises(DeviceError, match="one sound of 1.00 s does not fit the memory of cuda"),
        ):
            heard(network, table, "reset", sounds)
    finally:
        fake_card.set_memory(fake_card.TOTAL)


def refused():
    """What CUDA refuses is refused, and a copy that nothing waited for is found out."""
    there, here = torch.ones(2, 3).to("cuda"), torch.ones(3)
    for wrong in (
        lambda: there + here,
        lambda: torch.where(there > 0, here, there),
        lambda: torch.stack([there[0], here]),
    ):
        with pytest.raises(RuntimeError, match="on the same device"):
            wrong()
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        np.asarray(there)
    buffer = torch.empty(2, 3, pin_memory=True)
    buffer.copy_(there, non_blocking=True)
    assert not (buffer == 1).any()
    torch.cuda.current_stream().synchronize()
    assert (buffer == 1).all()
    buffer.to("cuda", non_blocking=True)
    buffer[0, 0] = 2
    with pytest.raises(fake_card.RaceError, match="written to before"):
        torch.cuda.synchronize()
    fake_card.FAULTS.clear()


def checked():
    """What is run on a borrowed card runs on this one."""
    fake_card.set_memory(8 << 30)  # which the script fills
    script = gpu_check()
    check = script.Check("cuda", script.Report(None), tiny=True, limit=1e6)
    check.until = check.limit
    for part in (1, 4, 6, 7):
        script.PARTS[part][2](check)
    check.report.failures()
    assert not check.report.failed, "see above"


if __name__ == "__main__":
    torch.set_num_threads(1)
    cases = {f"{name} {dtype}": partial(compared, make, weights, dtype)
             for name, (make, weights, dtypes) in CASES.items() for dtype in dtypes}  # fmt: skip
    cases["budget of a pass, own module"] = partial(within_budget, CASES["own module"][0], 36)
    cases["budget of a pass, wav2vec2"] = partial(within_budget, CASES["wav2vec2"][0], 180)
    cases["refusals"] = refused
    cases["out of memory"] = partial(halved, CASES["wav2vec2"][0])
    cases["gpu_check"] = checked
    for name, run in cases.items():
        try:
            run()
            tell(name, "ok")
        except Exception:  # noqa: BLE001  the next case is told as well
            tell(name, traceback.format_exc(limit=-6)[:3000])
    tell("notes", str(dict(fake_card.NOTES)) if fake_card.NOTES else "ok")

"""A pass on a GPU takes one upload of sounds, one copy for each layer and one wait, and gives what the CPU gives.

In a process of its own, on the stand-in for torch's CUDA (tests/fake_gpu), which finds pinned memory that is read too
early.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families import registry
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable, load_table
from tests.conv_network import CONV_NETWORK, ConvFamily

ROOT = Path(__file__).parents[2]


def small_wav2letter():
    table = load_table("wav2letter").model_dump()
    table["config"] |= {"width": 8, "top_width": 16}
    table["layers"] = [{**layer, "width": {250: 8, 2000: 16}.get(layer["width"], 29)} for layer in table["layers"]]
    return NetworkTable.model_validate(table)


def check():
    import fake_card

    registry.FAMILIES["conv_network"] = ConvFamily()
    rng = np.random.default_rng(0)
    for table in (NetworkTable.model_validate(CONV_NETWORK), small_wav2letter()):
        sounds = [0.1 * rng.normal(size=n) for n in (9000, 7000, 9000)]
        found = {}
        for device in ("cpu", "cuda"):
            network = build_network(table, NetworkSettings(name=table.name), "reset", device=device)
            extract(network, table, "reset", sounds, table.layers)
            with fake_card.counted() as counts:
                found[device] = extract(network, table, "reset", sounds, table.layers)
        assert counts["torch.d2h"] == len(table.layers), counts
        if table.family == "wav2letter":  # the sounds, and their lengths
            assert (counts["torch.h2d"], counts["torch.h2d_pinned"], counts["torch.syncs"]) == (2, 2, 1), counts
        for layer in table.layers:
            for here, there in zip(found["cpu"][layer.id], found["cuda"][layer.id], strict=True):
                np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-7)
    assert not fake_card.FAULTS


def test_pass__is_copied_and_waited_for_once():
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests/fake_gpu/path'}{os.pathsep}{ROOT}"}
    code = "from tests.features.test_on_device import check; check()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

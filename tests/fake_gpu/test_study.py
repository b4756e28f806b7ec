"""Whole studies on the stand-in for a GPU, by a worker process of dask-cuda and as an element of a job array."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import xarray as xr
import yaml

from distributed_trf import Study, open_bootstraps, open_features, open_lowpass, open_results, open_together
from tests.conftest import SMALL_WHISPER
from tests.fake_gpu.processes import ROOT, ended, reported, start

OF_MEL = {"network": "mel_whisper", "layer": 0, "weights": "fixed"}
SMALL = {
    "networks": [
        {"name": "small_whisper", "weights": ["projection_conv"], "layers": [0, 3]},  # torch without transformers
        {"name": "mel_whisper"},
    ],
    "ridge": {"alphas": {"min": 1e-5, "max": 1e15, "num": 9}},
    "together": [{"network": "small_whisper", "candidates": 2}],
    "bootstraps": [{**OF_MEL, "training_percent": [60], "draws": 1, "test_percent": [50], "n_repeats": [2]}],
    "lowpass": [{**OF_MEL, "lowpass_bins": [100]}],
    "reliability": {"draws": 50, "shifts": 10, "splits": 3, "bootstrap": {"n_repeats": [2], "draws": 2}},
}
"""What differs from the quickstart study: less of all, and every analysis."""


@pytest.fixture(scope="module")
def place(tmp_path_factory, recordings):
    """A folder with the quickstart study at small size; it is done on the CPU in ``on_cpu``."""
    folder = tmp_path_factory.mktemp("fake_gpu")
    (folder / "configs/networks").mkdir(parents=True)
    (folder / "configs/networks/small_whisper.yaml").write_text(yaml.safe_dump(SMALL_WHISPER))
    study = yaml.safe_load((ROOT / "configs/quickstart.yaml").read_text()) | SMALL
    study["recordings"]["path"] = str(recordings)
    for name in ("on_cpu", "on_workers", "as_element"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(study | {"output": name}))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert Study.load("on_cpu.yaml").run(None).ok
        yield folder


def run(place, name, *options):
    """Run a study on the card and return what all processes reported of it."""
    report = place / f"reports of {name}"
    report.mkdir()
    command = ("-m", "distributed_trf", "run", f"{name}.yaml", "--cluster", "local_cuda", *options)
    ended(start(*command, folder=place, FAKE_GPU_REPORT=str(report)))
    return reported(report)


@pytest.fixture(scope="module")
def on_workers(place):
    return run(place, "on_workers")


@pytest.fixture(scope="module")
def as_element(place):
    return run(place, "as_element", "--item", "1/2")


WAYS = pytest.mark.parametrize("way", ["on_workers", "as_element"])


@WAYS
def test_study__has_the_numbers_of_the_cpu(way, place, request):
    request.getfixturevalue(way)
    bootstraps = [partial(open_bootstraps, of=of) for of in ("training", "test", "normaliser")]
    for opened in (open_results, open_together, open_lowpass, *bootstraps):
        found, expected = opened(place / way), opened(place / "on_cpu")
        for name, values in expected.data_vars.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
            else:
                xr.testing.assert_identical(found[name].drop_attrs(), values.drop_attrs())


@WAYS
def test_study__has_the_features_of_the_cpu(way, place, request):
    request.getfixturevalue(way)
    found, expected = open_features(place / way), open_features(place / "on_cpu")
    keys = expected.keys()
    assert {network for _, network, _ in keys} == {"small_whisper", "mel_whisper"}
    for key in keys:
        for layer in expected[key].layout.layers:
            for stimulus in expected[key].layout.stimuli:
                pair = (of[key].frames(layer.id, stimulus) for of in (found, expected))
                np.testing.assert_allclose(*pair, rtol=1e-6, atol=1e-6, err_msg=f"{key} {layer.id} {stimulus}")


@WAYS
def test_study__was_done_on_the_card_without_races_and_hidden_copies(way, request):
    counts, faults, notes = request.getfixturevalue(way)
    assert counts["launches:matmul"] > 100
    assert counts["torch.kernels"] > 50
    assert not faults
    assert not notes

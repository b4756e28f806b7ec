"""Weights that are not a network's own, told without reading their numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import HubertConfig, HubertForCTC

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.families.registry import family
from distributed_trf.features.families.weights_fit import misfit
from distributed_trf.features.modules.cochlear import published_constants
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.features.weights import checkpoint
from tests.small_transformers import WAV2VEC2, small

LAYER = {"id": 0, "name": "conv", "type": "conv", "width": 4, "rate": 3200, "time_last": True}


@pytest.fixture
def nothing_is_read(monkeypatch):
    monkeypatch.setattr(checkpoint, "read_tensors", lambda *_: pytest.fail("numbers are read"))


def table(source, family="module", **config):
    content = {"name": "mine", "family": family, "sfreq": 16_000, "source": str(source), "config": config}
    return NetworkTable.model_validate({**content, "layers": [LAYER]})


def wrong(of, **settings):
    return misfit(of, NetworkSettings(name=of.name, **settings))


class Net(nn.Module):
    def __init__(self, width=4, *, on_shapes=True):
        super().__init__()
        self.conv = nn.Conv1d(1, width, 5, stride=5)
        if not on_shapes:
            self.scale = float(self.conv.weight.abs().max())


MODULE = {"module": f"{__name__}:Net"}


def test_module__of_another_width_is_told_by_its_file(tmp_path, nothing_is_read):
    torch.save({"best": {"net": Net().state_dict()}}, tmp_path / "net.pt")
    given = {**MODULE, "key": "best.net"}
    assert wrong(table(tmp_path / "net.pt", **given)) is None
    message = wrong(table(tmp_path / "net.pt", **given, kwargs={"width": 8}))
    assert message.startswith(
        f"{tmp_path / 'net.pt'}: these are not the weights of Net: 2 of another shape: conv.weight"
    )


def test_answer__follows_the_file(tmp_path):
    of = table(tmp_path / "net.pt", **MODULE)
    torch.save(Net(8).state_dict(), tmp_path / "net.pt")
    assert "of another shape" in wrong(of)
    torch.save(Net().state_dict(), tmp_path / "net.pt")
    assert wrong(of) is None


def test_network__that_is_made_only_with_numbers_is_left_to_its_loading(tmp_path):
    torch.save(Net(8).state_dict(), tmp_path / "net.pt")
    assert wrong(table(tmp_path / "net.pt", **MODULE, kwargs={"on_shapes": False})) is None


def test_source__that_is_not_here_is_left_to_its_loading(tmp_path):
    assert wrong(table(tmp_path / "none.pt", **MODULE)) is None
    assert wrong(load_table("mel_librosa")) is None
    assert wrong(load_table("wav2vec2")) is None


def test_transformer__of_another_size_is_told_by_its_folder(tmp_path, nothing_is_read):
    HubertForCTC(HubertConfig(**WAV2VEC2)).save_pretrained(tmp_path)
    stated = {"class": "HubertModel", "extractor": None}
    assert wrong(table(tmp_path, "transformers", **stated, architecture=WAV2VEC2)) is None
    other = table(tmp_path, "transformers", **stated, architecture={**WAV2VEC2, "hidden_size": 48})
    assert "hidden_size is 32 instead of 48" in wrong(other)


SIZES = {"wav2letter": {"width": 12, "top_width": 16}, "deepspeech2": {"channels": 4, "hidden": 6}}


@pytest.mark.parametrize("name", ["wav2letter", "deepspeech2", "wav2vec2", "cochcnn9"])
def test_families__of_every_file_are_compared(tmp_path, name, nothing_is_read):
    of = small("wav2vec2", **WAV2VEC2) if name == "wav2vec2" else load_table(name)
    of = of.model_copy(update={"config": {**of.config, **SIZES.get(name, {})}})
    model, source = family(of, "trained").new(of), tmp_path / "net.pt"
    state = model.state_dict()
    if name == "wav2vec2":
        model.save_pretrained(tmp_path)
        source = tmp_path
    else:
        constants = published_constants() if name == "cochcnn9" else {}
        torch.save({"state_dict": {**state, **constants}}, source)
    assert wrong(of, source=str(source)) is None
    key = next(name for name, tensor in state.items() if tensor.ndim > 1)
    torch.save({**state, key: torch.zeros(1)}, tmp_path / "other.pt")
    if name != "wav2vec2":
        assert f"1 of another shape: {key} (1,) instead of" in wrong(of, source=str(tmp_path / "other.pt"))

"""The untrained control, and where weights come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import WhisperConfig, WhisperModel

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.controls import apply_control
from distributed_trf.features.weights.source import weights_identity, weights_source
from tests.conftest import SMALL_WHISPER

TABLE = NetworkTable.model_validate(SMALL_WHISPER)


@pytest.fixture
def model():
    return WhisperModel(WhisperConfig(**SMALL_WHISPER["config"]))


def encoder(model):
    return {name: p.detach().clone() for name, p in model.encoder.named_parameters()}


def test_reset__follows_the_seed_and_not_what_was_there(model):
    found = []
    for seed in (1, 2, 1):
        with torch.no_grad():
            for p in model.parameters():
                p.uniform_(-5, 5)
        assert apply_control(model, f"reset-{seed}") == sum(p.numel() for p in model.parameters())
        found.append(encoder(model))
    one, two, again = found
    assert all(torch.equal(one[name], again[name]) for name in one)
    random = [name for name in one if "layer_norm" not in name]
    assert len(random) > 20
    assert not any(torch.equal(one[name], two[name]) for name in random)


def test_reset__changes_every_parameter_of_the_encoder(model):
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(7.0)
    apply_control(model, "reset")
    assert [name for name, p in encoder(model).items() if (p == 7.0).any()] == []


def test_reset__changes_all_that_the_constructor_made_random(model):
    """Norms start at one and zero in both; everything else is drawn anew, the sinusoids included."""
    before = encoder(model)
    apply_control(model, "reset")
    same = [name for name, p in encoder(model).items() if torch.equal(p, before[name])]
    assert same
    assert all("layer_norm" in name for name in same)
    positions = model.encoder.embed_positions.weight.detach()
    assert positions.abs().max() > 2.5  # sinusoids stay within one
    assert abs(float(positions.std()) - 1) < 0.05


def test_reset__leaves_the_global_random_state_alone(model):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    apply_control(model, "reset-5")
    assert torch.equal(torch.rand(3), expected)


def test_reset__draws_as_torch_does_after_manual_seed():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Conv1d(4, 2, 3))
    apply_control(model, "reset-9")
    torch.manual_seed(9)
    expected = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Conv1d(4, 2, 3))
    for found, drawn in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, drawn)


class WithLooseParameter(nn.Module):
    """A parameter that stands in no module that can be reset."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.loose = nn.Parameter(torch.ones(3))


def test_reset__parameter_that_cannot_be_reset_is_named_and_nothing_changes():
    model = WithLooseParameter()
    before = model.inner.weight.detach().clone()
    with pytest.raises(FeatureError, match="WithLooseParameter: cannot reset loose$"):
        apply_control(model, "reset")
    assert torch.equal(model.inner.weight, before)


def test_reset__nothing_to_reset_is_no_control():
    with pytest.raises(FeatureError, match="ReLU: cannot reset any parameter"):
        apply_control(nn.ReLU(), "reset")


def test_weights_source__the_study_comes_before_the_table(tmp_path):
    assert weights_source(TABLE, NetworkSettings(name="w")) == ("someone/small-whisper", "0" * 40)
    assert weights_source(TABLE, NetworkSettings(name="w", source=str(tmp_path))) == (str(tmp_path), None)
    other = NetworkSettings(name="w", source="other/whisper", revision="abc")
    assert weights_source(TABLE, other) == ("other/whisper", "abc")


def test_weights_source__hub_id_without_commit_is_refused():
    with pytest.raises(FeatureError, match=r"source 'other/whisper' is no folder or file here.*`revision`"):
        weights_source(TABLE, NetworkSettings(name="w", source="other/whisper"))


def test_weights_source__none_known_asks_for_a_folder():
    table = NetworkTable.model_validate({**SMALL_WHISPER, "source": None, "revision": None})
    with pytest.raises(FeatureError, match="no trained weights are known; give their folder or file as `source`"):
        weights_source(table, NetworkSettings(name="w"))


def test_weights_identity__follows_what_fixes_the_numbers_and_not_where_it_lies(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
        (tmp_path / folder / "config.json").write_text('{"encoder_attention_heads": 2}')
        (tmp_path / folder / "README.md").write_text(folder)

    def identity(folder):
        return weights_identity(TABLE, NetworkSettings(name="w", source=str(tmp_path / folder)), "trained")

    before = identity("a")
    assert before == identity("b")
    (tmp_path / "b/config.json").write_text('{"encoder_attention_heads": 4}')
    assert identity("b") != before
    (tmp_path / "a/model.safetensors").write_bytes(b"weightz")
    assert identity("a") != before


def test_weights_identity__of_reset_weights_is_seed_and_architecture():
    zero, one = (weights_identity(TABLE, NetworkSettings(name="w"), w) for w in ("reset", "reset-1"))
    assert zero != one
    wider = NetworkTable.model_validate({**SMALL_WHISPER, "config": {**SMALL_WHISPER["config"], "d_model": 32}})
    assert weights_identity(wider, NetworkSettings(name="w"), "reset") != zero


def test_weights_identity__of_the_hub_is_the_commit():
    found = weights_identity(TABLE, NetworkSettings(name="w"), "trained")
    assert found == {"hub": "someone/small-whisper", "revision": "0" * 40, "config": TABLE.config}
    unavailable = weights_identity(TABLE, NetworkSettings(name="w", source="a/b"), "trained")
    assert "revision" in unavailable["unavailable"]

"""Recording layers of real torch modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_trf.errors import FeatureError
from distributed_trf.features.hooks import recorded


class Small(nn.Module):
    """Two linear layers, one of them used as often as asked, an LSTM that returns a tuple, and one never used."""

    def __init__(self, repeats=1):
        super().__init__()
        self.repeats = repeats
        self.first, self.second, self.unused = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.body = nn.ModuleDict({"rnn": nn.LSTM(4, 2, batch_first=True)})

    def forward(self, x):
        x = self.first(x)
        for _ in range(self.repeats):
            x = self.second(x)
        return self.body["rnn"](x)[0]


def hooks(model):
    return [h for m in model.modules() for h in m._forward_hooks]


X = torch.arange(12.0).reshape(1, 4, 3)


def test_recorded__gives_what_each_module_returned_and_removes_its_hooks():
    model = Small()
    with recorded(model, ["second", "first"]) as outputs:
        model(X)
    assert torch.equal(outputs["first"], model.first(X))
    assert torch.equal(outputs["second"], model.second(model.first(X)))
    assert not outputs["first"].requires_grad
    assert hooks(model) == []


def test_recorded__missing_module_is_named_before_anything_runs():
    model = Small()
    names, message = ["first", "third", "body.gru"], r"Small has no module third, body\.gru; check the layer names"
    with pytest.raises(FeatureError, match=message), recorded(model, names):
        pytest.fail("the block ran")
    assert hooks(model) == []


def test_recorded__module_that_runs_twice_is_named():
    model = Small(repeats=2)
    with pytest.raises(FeatureError, match="module second ran twice in one pass"), recorded(model, ["second"]):
        model(X)
    assert hooks(model) == []


def test_recorded__module_that_returns_no_tensor_is_named():
    model = Small()
    message = r"module body\.rnn returned tuple, expected one tensor"
    with pytest.raises(FeatureError, match=message), recorded(model, ["body.rnn"]):
        model(X)
    assert hooks(model) == []


def test_recorded__module_that_never_runs_is_named():
    model = Small()
    message = "module unused did not run in the forward pass"
    with pytest.raises(FeatureError, match=message), recorded(model, ["first", "unused"]):
        model(X)
    assert hooks(model) == []


def test_recorded__another_error_passes_through_and_hooks_are_gone():
    model = Small()
    with pytest.raises(ZeroDivisionError), recorded(model, ["first", "unused"]):
        1 / 0  # noqa: B018
    assert hooks(model) == []


def test_recorded__may_be_used_again():
    model = Small()
    for scale in (1.0, 2.0):
        with recorded(model, ["first"]) as outputs:
            model(scale * X)
        assert torch.equal(outputs["first"], model.first(scale * X))

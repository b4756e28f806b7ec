"""Recording layers of real torch modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_trf.errors import FeatureError
from distributed_trf.features.hooks import Tap, recorded


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


def nothing(_name, _output):
    """Take no output."""


X = torch.arange(12.0).reshape(1, 4, 3)


def test_recorded__gives_what_each_module_returned_and_removes_its_hooks():
    model, outputs = Small(), {}
    with recorded(model, [Tap("second"), Tap("first")], outputs.__setitem__), torch.inference_mode():
        model(X)
    assert torch.equal(outputs[Tap("first")], model.first(X))
    assert torch.equal(outputs[Tap("second")], model.second(model.first(X)))
    assert [tap.module for tap in outputs] == ["first", "second"]
    assert hooks(model) == []


def test_recorded__missing_module_is_named_before_anything_runs():
    model = Small()
    names, message = ["first", "third", "body.gru"], r"Small has no module third, body\.gru; .*check the layer names"
    with pytest.raises(FeatureError, match=message), recorded(model, [Tap(name) for name in names], nothing):
        pytest.fail("the block ran")
    assert hooks(model) == []


def test_recorded__module_that_runs_twice_is_named():
    model = Small(repeats=2)
    with (
        pytest.raises(FeatureError, match="module second ran twice in one forward pass"),
        recorded(model, [Tap("second")], nothing),
    ):
        model(X)
    assert hooks(model) == []


def test_recorded__first_of_several_outputs_is_taken():
    model, outputs = Small(), {}
    with recorded(model, [Tap("body.rnn")], outputs.__setitem__):
        result = model(X)
    assert torch.equal(outputs[Tap("body.rnn")], result)


class Describe(nn.Module):
    """Returns text."""

    def forward(self, x):
        return str(x)


def test_recorded__module_that_returns_no_tensor_is_named():
    model = nn.Sequential(Describe())
    with pytest.raises(FeatureError, match="module 0 returned str"), recorded(model, [Tap("0")], nothing):
        model(X)
    assert hooks(model[0]) == []


def test_recorded__nearest_name_is_offered():
    model = Small()
    with pytest.raises(FeatureError, match="nearest name is second;"), recorded(model, [Tap("secnd")], nothing):
        pytest.fail("the block ran")


def test_recorded__module_that_never_runs_is_named():
    model = Small()
    message = "module unused did not run in the forward pass"
    with pytest.raises(FeatureError, match=message), recorded(model, [Tap("first"), Tap("unused")], nothing):
        model(X)
    assert hooks(model) == []


def test_recorded__another_error_passes_through_and_hooks_are_gone():
    model = Small()
    with pytest.raises(ZeroDivisionError), recorded(model, [Tap("first"), Tap("unused")], nothing):
        1 / 0  # noqa: B018
    assert hooks(model) == []


def test_recorded__may_be_used_again():
    model, outputs = Small(), {}
    for scale in (1.0, 2.0):
        with recorded(model, [Tap("first")], outputs.__setitem__):
            model(scale * X)
        assert torch.equal(outputs[Tap("first")], model.first(scale * X))


def test_recorded__leaves_the_pass_where_no_more_is_needed():
    model, outputs = Small(repeats=2), {}
    reached = []
    model.body["rnn"].register_forward_hook(lambda *_: reached.append(1))
    with recorded(model, [Tap("first"), Tap("second")], outputs.__setitem__, whole=False):
        model(X)
        pytest.fail("the pass went on")
    assert torch.equal(outputs[Tap("second")], model.second(model.first(X)))
    assert reached == []
    with recorded(model, [Tap("first")], outputs.__setitem__, whole=True):
        model(X)
    assert reached == [1]


def test_recorded__leaving_early_still_misses_a_module_that_never_runs():
    model, message = Small(), "module unused did not run in the forward pass"
    with (
        pytest.raises(FeatureError, match=message),
        recorded(model, [Tap("first"), Tap("unused")], nothing, whole=False),
    ):
        model(X)

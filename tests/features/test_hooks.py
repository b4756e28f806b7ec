"""Recording layers of real torch modules."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from transformers.utils import ModelOutput as BaseOutput

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
    return [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]


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


@dataclass
class ModelOutput(BaseOutput):
    """As models of transformers give it: a dict and a dataclass at once."""

    last_hidden_state: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


@dataclass
class Outputs:
    """What some modules give: values by name, of which some are missing."""

    hidden: torch.Tensor | None = None
    other: torch.Tensor | None = None


class Give(nn.Module):
    """Gives what a function makes of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def taken(tap, function, *args, **kwargs):
    """What a tap records of module ``m``, which computes a function."""
    model, outputs = nn.ModuleDict({"m": Give(function)}), {}
    with recorded(model, [tap], outputs.__setitem__):
        model["m"](*args, **kwargs)
    assert hooks(model) == []
    return outputs[tap]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_call__is_taken_of_a_module_that_runs_several_times(call):
    model, outputs = Small(repeats=3), {}
    with recorded(model, [Tap("second", call=call)], outputs.__setitem__):
        model(X)
    expected = model.first(X)
    for _ in range(call):
        expected = model.second(expected)
    assert torch.equal(outputs[Tap("second", call=call)], expected)


def test_calls__of_one_module_are_taken_side_by_side_and_end_the_pass():
    model, outputs = Small(repeats=3), {}
    taps = [Tap("second", call=2), Tap("second", call=1)]
    with recorded(model, taps, outputs.__setitem__, whole=False):
        model(X)
        pytest.fail("the pass went on")
    assert list(outputs) == taps[::-1]
    assert torch.equal(outputs[taps[0]], model.second(outputs[taps[1]]))


def test_call__that_does_not_come_is_named():
    model = Small(repeats=2)
    with (
        pytest.raises(FeatureError, match="module second 2 times, not 3: it ran less often"),
        recorded(model, [Tap("second", call=3)], nothing),
    ):
        model(X)


def test_module_that_runs_twice__is_told_the_choice_that_then_works():
    model, outputs = Small(repeats=2), {}
    message = "module second ran twice .* choose one of them with `call: 1`, `call: 2`"
    with pytest.raises(FeatureError, match=message), recorded(model, [Tap("second")], nothing):
        model(X)
    with recorded(model, [Tap("second", call=2)], outputs.__setitem__):
        model(X)
    assert len(outputs) == 1


def test_input__is_the_first_by_place_or_by_name():
    tap = Tap("m", input=True)
    assert taken(tap, lambda x, mask: x + mask, X, X + 1) is X
    assert taken(tap, lambda hidden, mask: hidden + mask, hidden=X, mask=X + 1) is X
    mask = X + 1
    assert taken(Tap("m", input=True, output=1), lambda x, mask: x + mask, X, mask) is mask
    model, outputs = Small(), {}
    with recorded(model, [Tap("second", input=True), Tap("second")], outputs.__setitem__):
        model(X)
    assert torch.equal(outputs[Tap("second", input=True)], model.first(X))
    assert torch.equal(outputs[Tap("second")], model.second(model.first(X)))


def test_input__of_the_second_call_is_the_first_calls_output():
    model, outputs = Small(repeats=2), {}
    taps = [Tap("second", call=1), Tap("second", input=True, call=2)]
    with recorded(model, taps, outputs.__setitem__):
        model(X)
    assert torch.equal(outputs[taps[0]], outputs[taps[1]])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x, x.mean(1)),
        lambda x: [x],
        lambda x: (None, x),
        lambda x: {"hidden": x, "state": None},
        lambda x: Outputs(hidden=x),
        lambda x: Outputs(other=x),
        lambda x: ModelOutput(last_hidden_state=x, hidden_states=(x, x + 1)),
    ],
)
def test_first_tensor__is_taken_of_tuples_dicts_and_dataclasses(function):
    assert taken(Tap("m"), function, X) is X


def test_output__is_counted_in_values_that_are_there():
    two = X[:, :2]
    assert taken(Tap("m", output=1), lambda x: Outputs(x, two), X) is two
    assert taken(Tap("m", output=-1), lambda x: {"a": x, "none": None, "b": two}, X) is two
    with pytest.raises(FeatureError, match="module m gives 1 values, so that none is `output: 1`"):
        taken(Tap("m", output=1), lambda x: (x, None), X)


@pytest.mark.parametrize(("time_axis", "other"), [(1, X[:, :2]), (1, torch.zeros(1, 9, 3)), (2, X[:, :, :2])])
def test_two_outputs_of_unequal_length__are_named_with_the_choice(time_axis, other):
    message = r"module m gives tensors of shapes .*\(1, 4, 3\).*; choose one with `output: 0`, `output: 1`"
    with pytest.raises(FeatureError, match=message):
        taken(Tap("m", time_axis=time_axis), lambda x: (x, other), X)
    assert taken(Tap("m", output=0), lambda x: (x, other), X) is X
    assert taken(Tap("m", output=1), lambda x: (x, other), X) is other


@pytest.mark.parametrize(
    "other", [X + 1, X[:, :, :2], torch.zeros(2, 4, 3), torch.zeros(1, 2, 4, 4), torch.zeros(1, 4)]
)
def test_outputs_that_are_no_other_frames__leave_no_doubt(other):
    assert taken(Tap("m"), lambda x: (x, other), X) is X


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_state__of_a_recurrent_module_is_never_taken_for_frames(kind):
    model, outputs = nn.ModuleDict({"m": kind(3, 3, num_layers=1, batch_first=False)}), {}
    with recorded(model, [Tap("m")], outputs.__setitem__):
        result = model["m"](torch.ones(1, 1, 3).expand(1, 4, 3))  # the state has as many axes, one of them as long
    assert outputs[Tap("m")] is result[0]

"""Checkpoints as training frameworks leave them: tensors beside objects of classes that are not there any more."""

from __future__ import annotations

import sys
from collections import OrderedDict
from contextlib import contextmanager
from enum import Enum
from types import ModuleType

import pytest
import torch
from torch import nn

from distributed_trf.errors import FeatureError
from distributed_trf.features.weights.stored import read_tensors, stored_tensors

GONE = "some_training_framework"


@contextmanager
def classes_that_go():
    """A module of classes that can be pickled while the block runs, and that nobody finds afterwards."""
    module = ModuleType(GONE)

    class Config:
        class Inner:
            pass

        def __init__(self, **fields):
            self.__dict__.update(fields)

    class Containers(dict):
        pass

    class Items(list):
        pass

    class Kind(Enum):
        LSTM = "lstm"

    class WithSlots:
        __slots__ = ("field",)

    class WithArguments:
        def __getnewargs_ex__(self):
            return (1,), {"key": 2}

        def __new__(cls, *_args, **_fields):
            return super().__new__(cls)

    for made in (Config, Containers, Items, Kind, WithSlots, WithArguments):
        made.__module__, made.__qualname__ = GONE, made.__name__
        setattr(module, made.__name__, made)
    for inner in (Config.Inner, WithArguments.__new__):
        inner.__module__, inner.__qualname__ = GONE, inner.__qualname__.rpartition("<locals>.")[2]
    sys.modules[GONE] = module
    try:
        yield module
    finally:
        del sys.modules[GONE]


def junk(gone, parameter):
    """What stands beside the tensors: settings, schedules, classes, and the optimiser's own tensors."""
    slots = gone.WithSlots()
    slots.field = gone.Items([gone.Config()])
    return {
        "epoch": 24,
        "hyper_parameters": gone.Containers(
            optim=gone.Config(lr=1e-3, inner=gone.Config.Inner(), kind=gone.Kind.LSTM),
            rnn=torch.nn.LSTM,
            nested=[gone.Items([1, gone.Config(a={gone.Kind.LSTM: 2})]), slots, {gone.Kind.LSTM}],
            new=gone.WithArguments(),
        ),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros_like(parameter)}}, "kind": torch.float32}],
        "schedule": (torch.optim.lr_scheduler.LambdaLR, torch.Size([2]), torch.device("cpu"), sys.maxsize**3),
        "callbacks": {gone.Config: {"best": torch.tensor(0.37)}},
    }


def save_lightning(state, path, *, key="state_dict", **options):
    """Save a state dict the way training frameworks do."""
    parameter = next(iter(state.values()))
    with classes_that_go() as gone:
        content = junk(gone, parameter)
        torch.save({**content, key: OrderedDict(state), "pytorch-lightning_version": "1.6.0"}, path, **options)
    return path


def randomised(model, seed):
    """Give a model weights whose every tensor matters: norms and biases too, variances above zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point():
                fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
                tensor.normal_(0, fan_in**-0.5, generator=generator)
    return model.eval()


ZIP = {"_use_new_zipfile_serialization": True}
LEGACY = {"_use_new_zipfile_serialization": False}
FORMATS = {
    "zip": ZIP,
    "legacy": LEGACY,
    "zip_protocol_4": {**ZIP, "pickle_protocol": 4},
    "legacy_protocol_5": {**LEGACY, "pickle_protocol": 5},
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3), nn.LSTM(3, 2))


STATE = network().state_dict()


def same(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].dtype == expected[name].dtype, name
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0, equal_nan=True)


def read_state(source, **options):
    """Read every tensor of a checkpoint, after their names and shapes alone, which must be the same."""
    stored = stored_tensors(source, **options)
    found = read_tensors(stored)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        name: tensor.shape for name, tensor in stored.items()
    }
    return found


def refused(source, *words):
    with pytest.raises(FeatureError) as caught:
        read_state(source)
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    for word in words:
        assert word in message
    return message

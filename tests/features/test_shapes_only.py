"""Networks of shapes alone: their recurrent layers give the shapes and operations of those with numbers."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distributed_trf.features.families.shapes_only import built_of_shapes


class Family:
    """Makes one recurrent module."""

    def __init__(self, kind, options):
        self.kind, self.options = kind, options

    def new(self, _table):
        return self.kind(5, 8, **self.options)


def shapes(value):
    return tuple(value.shape) if isinstance(value, torch.Tensor) else tuple(map(shapes, value))


@pytest.mark.parametrize("size", [(2, 7, 5), (7, 5)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (nn.LSTM, {"num_layers": 3, "batch_first": True}),
        (nn.LSTM, {"num_layers": 2, "bidirectional": True, "proj_size": 3}),
        (nn.GRU, {"batch_first": True, "bidirectional": True}),
        (nn.RNN, {"num_layers": 2}),
    ],
)
def test_recurrent_layers__give_the_shapes_and_operations_of_step_after_step(kind, options, size):
    with torch.device("meta"):
        step_by_step = kind(5, 8, **options).eval()
    at_once = built_of_shapes(Family(kind, options), None)
    found = []
    for model in (step_by_step, at_once):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            given = model(torch.zeros(size, device="meta"))
        found.append((shapes(given), counter.get_total_flops()))
    assert found[0] == found[1]


def test_recurrent_layers__take_no_longer_for_long_sounds():
    model = built_of_shapes(Family(nn.LSTM, {"num_layers": 3}), None)
    began = time.process_time()
    with torch.no_grad():
        assert model(torch.zeros(100_000, 1, 5, device="meta"))[0].shape == (100_000, 1, 8)
    assert time.process_time() - began < 5

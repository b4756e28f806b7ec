"""Receptive fields, against sounds of which one sample after another is changed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_trf.features.hooks import Tap, recorded
from distributed_trf.features.probe.modules import Passes, frame_modules
from distributed_trf.features.probe.receptive_fields import receptive_fields

SFREQ = 600.0


class Stack(nn.Module):
    """Modules over (sound, channel, time), one after the other."""

    def __init__(self, *modules):
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, sounds):
        return self.layers(sounds[:, None])


class Planes(nn.Module):
    """Modules over (sound, channel, frequency, time), of a sound cut in two interleaved bands."""

    def __init__(self, *modules):
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, sounds):
        return self.layers(torch.stack([sounds, sounds**2], 1)[:, None])


class SelfAttention(nn.Module):
    """Looks at all frames; only its linear modules are seen from outside."""

    def __init__(self, width):
        super().__init__()
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return torch.softmax(self.query(x) @ x.transpose(1, 2), 2) @ self.value(x)


class Attending(nn.Module):
    """Convolution and attention."""

    def __init__(self):
        super().__init__()
        self.front, self.attention, self.norm = nn.Conv1d(1, 4, 6, 3), SelfAttention(4), nn.LayerNorm(4)

    def forward(self, sounds):
        return self.norm(self.attention(self.front(sounds[:, None]).transpose(1, 2)))


STACKS = {
    "kernels and strides": Stack(nn.Conv1d(1, 3, 10, 5), nn.GELU(), nn.Conv1d(3, 3, 3, 2), nn.Conv1d(3, 3, 2, 2)),
    "dilations": Stack(nn.Conv1d(1, 3, 3, dilation=2), nn.Conv1d(3, 3, 4, 2, dilation=3), nn.Conv1d(3, 2, 2)),
    "padding": Stack(nn.Conv1d(1, 3, 7, 3, padding=3), nn.BatchNorm1d(3), nn.Conv1d(3, 3, 5, 2, padding=2)),
    "pooling": Stack(nn.Conv1d(1, 3, 4, 2), nn.AvgPool1d(3), nn.Conv1d(3, 3, 3), nn.AvgPool1d(4, 2)),
    "weight norm": Stack(nn.utils.parametrizations.weight_norm(nn.Conv1d(1, 3, 9, 4)), nn.Conv1d(3, 3, 3, 2)),
    "blocks": Stack(nn.Sequential(nn.Conv1d(1, 2, 5, 2), nn.GELU()), nn.Sequential(nn.Conv1d(2, 2, 3), nn.Tanh())),
    "planes": Planes(nn.Conv2d(1, 3, (2, 7), (1, 4), padding=(1, 0)), nn.AvgPool2d((1, 3), (1, 2)), nn.ELU()),
}


def passes_of(model):
    return Passes(model, lambda n_sounds, n_samples: model(torch.ones(n_sounds, n_samples)))


def seen(model, name, n_samples, frame):
    """How many samples, from the first to the last, change the middle frame of a module."""
    torch.manual_seed(1)
    sound = torch.randn(n_samples)
    changed = sound.repeat(n_samples, 1)
    changed[range(n_samples), range(n_samples)] += 3.0
    outputs = {}
    with recorded(model, [Tap(name)], lambda _, value: outputs.update(value=value)), torch.no_grad():
        model(torch.cat([sound[None], changed]))
    values = outputs["value"][..., frame].flatten(1)
    moved = (values[1:] != values[0]).any(1).nonzero().flatten().tolist()
    return moved[-1] - moved[0] + 1


@pytest.mark.parametrize("case", STACKS)
def test_fields__are_those_within_which_a_change_of_sound_moves_a_frame(case):
    torch.manual_seed(0)
    model = STACKS[case].double().eval()
    torch.set_default_dtype(torch.float64)
    try:
        modules = [m for m in frame_modules(passes_of(model), SFREQ, None) if m.name]
        found = receptive_fields(model, modules)
        n = 240
        with torch.no_grad():
            expected = {}
            for module in modules:
                outputs = {}
                with recorded(model, [Tap(module.name)], lambda _, value, to=outputs: to.update(value=value)):
                    model(torch.ones(1, n))
                expected[module.name] = seen(model, module.name, n, outputs["value"].shape[-1] // 2)
    finally:
        torch.set_default_dtype(torch.float32)
    unknown = set(expected) - set(found)
    assert unknown == ({"layers.1", "layers.1.1", "layers"} if case == "blocks" else set())  # Tanh is not known
    assert found == {name: field for name, field in expected.items() if name not in unknown}


def test_field__of_a_spectrograms_frames_begins_with_its_window():
    model = Stack(nn.Conv1d(1, 3, 3, 2), nn.Conv1d(3, 3, 3))
    modules = [m for m in frame_modules(passes_of(model), SFREQ, None) if m.name == "layers.0"]
    assert receptive_fields(model, modules, 400, 160) == {"layers.0": 400 + 2 * 160}


def test_attention_and_what_follows__have_none():
    model = Attending().eval()
    modules = frame_modules(passes_of(model), SFREQ, None)
    assert [m.name for m in modules] == ["front", "attention.query", "attention.value", "attention", "norm", ""]
    assert receptive_fields(model, modules) == {"front": 6}


def test_recurrence__has_none():
    model = nn.Sequential(nn.LSTM(4, 4, batch_first=True))
    passes = Passes(model, lambda n_sounds, n_samples: model(torch.ones(n_sounds, n_samples // 10, 4)))
    assert receptive_fields(model, frame_modules(passes, SFREQ, None)) == {}

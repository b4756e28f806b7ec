"""Modules that give frames, of small networks with every order of axes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_trf.errors import FeatureError
from distributed_trf.features.probe.modules import LONG, SHORT, FrameCounts, Passes, frame_input, frame_modules

SFREQ = 1000.0


class Apply(nn.Module):
    """A function as a module, so that what it gives can be recorded."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *values, **named):
        return self.function(*values, **named)


class Orders(nn.Module):
    """The same frames, 8 features wide and 10 samples apart, in all orders of axes."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(1, 8, 10, 10)
        self.plain = Apply(lambda x: x.transpose(1, 2))
        self.time_first = Apply(lambda x: x.transpose(0, 1))
        self.packed = Apply(lambda x: x.flatten(0, 1))
        self.planes = Apply(lambda x: x.unflatten(1, (2, 4)))  # sound, channel, frequency, time
        self.channels_first = Apply(lambda x: x.unflatten(2, (2, 4)).transpose(1, 2))  # sound, channel, time, feature
        self.first_of_tuple = Apply(lambda x: (x, x.mean(1)))
        self.attention = Apply(lambda x: x @ x.transpose(1, 2))
        self.heads_as_sounds = Apply(lambda x: x.unflatten(2, (2, 4)).transpose(1, 2).flatten(0, 1))
        self.mean = Apply(lambda x: x.mean(1))
        self.sound_alone = Apply(lambda x: x[..., 0])
        self.text = Apply(lambda x: str(x.shape))
        self.first = Apply(lambda x: x)

    def forward(self, sounds):
        x = self.convolution(sounds[:, None])
        self.planes(x)
        x = self.plain(x)
        for module in (self.time_first, self.packed, self.channels_first, self.first_of_tuple, self.attention):
            module(x)
        for module in (self.heads_as_sounds, self.mean, self.sound_alone, self.text):
            module(x)
        self.first(x=x)
        return x.mean(1)


def passes_of(model):
    model = model.to("meta").eval()
    return Passes(model, lambda n_sounds, n_samples: model(torch.empty(n_sounds, n_samples, device="meta")))


def test_axes__of_every_order_are_found_and_what_has_no_frames_is_left_out():
    found = {m.name: m for m in frame_modules(passes_of(Orders()), SFREQ, None)}
    assert {name: m.axes for name, m in found.items()} == {
        "convolution": {"time_last": True},
        "planes": {"time_last": True},
        "plain": {},
        "time_first": {"time_axis": 0},
        "packed": {"packed": True},
        "channels_first": {"time_axis": 2},
        "first_of_tuple": {},
        "first": {},
    }
    assert {(m.width, m.frames, m.calls) for m in found.values()} == {(8, 100, 1)}
    assert list(found)[:3] == ["convolution", "planes", "plain"]  # as they run
    assert found["plain"].given == (1, 8, 100)
    assert found["first"].given == (1, 100, 8)


class Twice(nn.Module):
    """A block that is used twice."""

    def __init__(self):
        super().__init__()
        self.front, self.shared, self.back = nn.Conv1d(1, 4, 8, 8), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, sounds):
        x = self.front(sounds[:, None]).transpose(1, 2)
        return self.back(self.shared(self.shared(x)))


def test_calls__of_a_module_are_counted():
    found = frame_modules(passes_of(Twice()), SFREQ, None)
    assert [(m.name, m.calls) for m in found] == [("front", 1), ("shared", 2), ("back", 1), ("", 1)]


def test_input__of_a_module_is_found_as_frames():
    passes = passes_of(Orders())
    given = frame_input(passes, "plain", SFREQ)
    assert given.of_input
    assert (given.axes, given.width, given.frames) == ({"time_last": True}, 8, 100)
    assert frame_input(passes, "nothing", SFREQ) is None
    assert frame_input(passes, "convolution", SFREQ).width == 1  # the sound itself


class Padded(nn.Module):
    """Gives 50 frames per second of a window of 2 s, whatever the sound; its spectrogram has 200 frames."""

    def __init__(self):
        super().__init__()
        self.convolution, self.strided = nn.Conv1d(80, 16, 3, padding=1), nn.Conv1d(16, 16, 3, 2, padding=1)
        self.block, self.map = nn.Linear(16, 16), Apply(lambda x: x.unsqueeze(1) @ x.unsqueeze(1).transpose(2, 3))
        self.last = Apply(lambda x: x)

    def forward(self, spectrogram):
        x = self.strided(self.convolution(spectrogram)).transpose(1, 2)
        self.map(x)
        return self.last(self.block(x))


def test_window__tells_the_axis_of_time_by_the_spectrograms_frames():
    model = Padded().to("meta")
    passes = Passes(model, lambda n_sounds, _: model(spectrogram=torch.empty(n_sounds, 80, 200, device="meta")))
    found = {m.name: (m.axes, m.frames, m.width) for m in frame_modules(passes, SFREQ, 2.0) if m.name}
    assert found == {
        "convolution": ({"time_last": True}, 200, 16),
        "strided": ({"time_last": True}, 100, 16),
        "block": ({}, 100, 16),
        "last": ({}, 100, 16),
    }


def test_network_without_frames__is_named():
    model = nn.Sequential(Apply(lambda x: x.mean(1, keepdim=True)), nn.Linear(1, 3))
    with pytest.raises(FeatureError, match="Sequential: none of its 3 modules gives features over time"):
        frame_modules(passes_of(model), SFREQ, None)


def test_counts__are_those_of_whole_passes_and_take_passes_only_as_far_as_needed():
    model = Twice()
    passes = passes_of(model)
    modules = [m for m in frame_modules(passes, SFREQ, None) if m.name in ("front", "shared")]
    counts = FrameCounts(passes, modules, (round(SHORT * SFREQ), round(LONG * SFREQ)))
    ran = []
    model.back.register_forward_hook(lambda *_: ran.append("back"))
    for n in (64, 65, 79, 1501):
        assert counts(n) == {"front": (n - 8) // 8 + 1, "shared": (n - 8) // 8 + 1}
    assert ran == []


def test_operations__are_those_of_one_pass():
    passes = passes_of(Twice())
    n = 125  # frames of a second
    assert passes.flops(1000) == 2 * n * (4 * 8 + 3 * 4 * 4)

"""CochCNN9 and CochResNet50 on a cochleagram, as Tuckute et al. (2023) trained them on three tasks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from distributed_trf.features.modules.cochleagram import Cochleagram, dense_filters, low_pass_taps

TASKS = {"signal/word_int": 794, "signal/speaker_int": 433, "noise/labels_binary_via_int": 517}
"""Classes of each task: words, speakers, and AudioSet's sounds."""


def heads(n_features: int) -> nn.ModuleDict:
    """Make one linear read-out for each task. They are loaded and not run: their outputs have no time axis."""
    return nn.ModuleDict({task: nn.Linear(n_features, n) for task, n in TASKS.items()})


class CochCNN9(nn.Module):
    """The network of Kell et al. (2018) as Tuckute et al. (2023) trained it on three tasks.

    Kernels and strides are (frequency, time); its names are those of the published checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batchnorm0 = nn.BatchNorm2d(1)
        nn.init.constant_(self.batchnorm0.weight, 0.6180)  # as published: they bring a cochleagram to a fair range
        nn.init.constant_(self.batchnorm0.bias, -2.0971)
        self.conv0 = SameConv2d(1, 96, (7, 14), stride=(3, 3), bias=False)
        self.relu0 = nn.ReLU()
        self.maxpool0 = SameMaxPool2d((2, 5), stride=(2, 2))
        self.batchnorm1 = nn.BatchNorm2d(96)
        self.conv1 = SameConv2d(96, 256, (4, 8), stride=(2, 2), bias=False)
        self.relu1 = nn.ReLU()
        self.maxpool1 = SameMaxPool2d((2, 5), stride=(2, 2))
        self.batchnorm2 = nn.BatchNorm2d(256)
        self.conv2 = SameConv2d(256, 512, (2, 5), stride=(1, 1), bias=False)
        self.relu2 = nn.ReLU()
        self.conv3 = SameConv2d(512, 1024, (2, 5), stride=(1, 1), bias=False)
        self.relu3 = nn.ReLU()
        self.conv4 = SameConv2d(1024, 512, (2, 5), stride=(1, 1), bias=False)
        self.relu4 = nn.ReLU()
        self.avgpool = SameAvgPool2d((2, 5), stride=(2, 2))
        self.fullyconnected = nn.Linear(512 * 5 * 9, 4096)
        self.classification = heads(4096)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take cochleagrams (window, 1, 211, 390) to the last layer that has a time, (window, 512, 5, 9)."""
        x = self.maxpool0(self.relu0(self.conv0(self.batchnorm0(x))))
        x = self.maxpool1(self.relu1(self.conv1(self.batchnorm1(x))))
        x = self.relu2(self.conv2(self.batchnorm2(x)))
        return self.avgpool(self.relu4(self.conv4(self.relu3(self.conv3(x)))))


class SameConv2d(nn.Conv2d):
    """A convolution that gives one output per stride, as TensorFlow's ``SAME``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad with zeros and convolve."""
        return super().forward(pad_same(x, self.kernel_size, self.stride, 0.0))


class SameMaxPool2d(nn.MaxPool2d):
    """A maximum that gives one output per stride, as TensorFlow's ``SAME``."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take the maximum, without counting the padding."""
        return super().forward(pad_same(x, self.kernel_size, self.stride, -torch.inf))


class SameAvgPool2d(nn.AvgPool2d):
    """A mean that gives one output per stride; unlike TensorFlow's, it counts the zeros around, as published."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad with zeros and take the mean."""
        return super().forward(pad_same(x, self.kernel_size, self.stride, 0.0))


def pad_same(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], value: float) -> torch.Tensor:
    """Pad frequency and time so that kernels give ``ceil(size / stride)`` outputs; an odd rest goes after.

    Parameters
    ----------
    x
        Shape (window, channel, frequency, time).
    kernel, stride
        For frequency and time.
    value
        The value of the padding.
    """
    padding: list[int] = []
    for size, k, s in zip(reversed(x.shape[-2:]), reversed(kernel), reversed(stride), strict=True):  # the last first
        total = max((-(-size // s) - 1) * s + k - size, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding, value=value)


EXPANSION = 4
"""Channels that a block gives for each that its 3 x 3 convolution has."""


class CochResNet50(nn.Module):
    """A ResNet-50 (He et al. 2016) with one input channel, as Tuckute et al. (2023) trained it on three tasks.

    Its names are those of the published checkpoint, which are torchvision's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, 3, stride=1)
        self.layer2 = _stage(256, 128, 4, stride=2)
        self.layer3 = _stage(512, 256, 6, stride=2)
        self.layer4 = _stage(1024, 512, 3, stride=2)
        self.fc = heads(512 * EXPANSION)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take cochleagrams (window, 1, 211, 390) to the last layer that has a time, (window, 2048, 7, 13)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Bottleneck(nn.Module):
    """Three convolutions with a skip connection, whose input is projected if its shape differs from the output's."""

    def __init__(self, n_in: int, n_inner: int, stride: int) -> None:
        super().__init__()
        n_out = EXPANSION * n_inner
        self.conv1 = nn.Conv2d(n_in, n_inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_inner)
        self.conv2 = nn.Conv2d(n_inner, n_inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_inner)
        self.conv3 = nn.Conv2d(n_inner, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU()
        self.downsample = (
            nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))
            if n_in != n_out
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take (window, channel, frequency, time) to the input of the next block."""
        inner = self.relu(self.bn1(self.conv1(x)))
        inner = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(inner)))))
        return self.relu(inner + (x if self.downsample is None else self.downsample(x)))


def _stage(n_in: int, n_inner: int, n_blocks: int, *, stride: int) -> nn.Sequential:
    later = (Bottleneck(EXPANSION * n_inner, n_inner, 1) for _ in range(n_blocks - 1))
    return nn.Sequential(Bottleneck(n_in, n_inner, stride), *later)


NETWORKS: dict[str, type[nn.Module]] = {"cnn9": CochCNN9, "resnet50": CochResNet50}


class CochlearNetwork(nn.Module):
    """A network of Tuckute et al. (2023), its parts named as in the published checkpoints.

    Parameters
    ----------
    name
        One of ``NETWORKS``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = nn.Sequential(Cochleagram(), NETWORKS[name]())

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Take windows of shape (window, 1, 40000) at 20 kHz; values beyond [-1, 1] are clipped."""
        dtype = next(self.parameters()).dtype
        return self.model[1](self.model[0](sound.clamp(-1, 1)).to(dtype))


def published_constants() -> dict[str, torch.Tensor]:
    """Return the constants that a published checkpoint holds besides weights: cochleagram filters and input scale."""
    filters = torch.from_numpy(dense_filters())
    taps = torch.from_numpy(low_pass_taps()).float()[None, None]
    front = "model.0.full_rep.rep."
    return {
        "preproc.new_mean": torch.zeros(1, 1, 1),
        "preproc.new_std": torch.ones(1, 1, 1),
        front + "downsampling_op.downsample_filter": taps,
        front + "Cochleagram.downsampling.downsample_filter": taps,
        front + "Cochleagram.compute_subbands.coch_filters": torch.stack([filters, torch.zeros_like(filters)], dim=-1),
    }

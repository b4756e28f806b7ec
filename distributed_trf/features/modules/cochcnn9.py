"""CochCNN9."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from distributed_trf.features.modules.coch_tasks import heads


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
        """Take the maximum of what is there."""
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
        What is put around.
    """
    padding: list[int] = []
    for size, k, s in zip(reversed(x.shape[-2:]), reversed(kernel), reversed(stride), strict=True):  # the last first
        total = max((-(-size // s) - 1) * s + k - size, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding, value=value)

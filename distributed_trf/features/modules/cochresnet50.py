"""CochResNet50."""

from __future__ import annotations

import torch
from torch import nn

from distributed_trf.features.modules.coch_tasks import heads

EXPANSION = 4
"""Channels that a block gives for each that its 3 x 3 convolution has."""


class CochResNet50(nn.Module):
    """A ResNet-50 (He et al. 2016) that hears one channel, as Tuckute et al. (2023) trained it on three tasks.

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
    """Three convolutions around which the input goes, brought to the output's shape where that differs."""

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
        """Take (window, channel, frequency, time) to what the next block hears."""
        inner = self.relu(self.bn1(self.conv1(x)))
        inner = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(inner)))))
        return self.relu(inner + (x if self.downsample is None else self.downsample(x)))


def _stage(n_in: int, n_inner: int, n_blocks: int, *, stride: int) -> nn.Sequential:
    later = (Bottleneck(EXPANSION * n_inner, n_inner, 1) for _ in range(n_blocks - 1))
    return nn.Sequential(Bottleneck(n_in, n_inner, stride), *later)

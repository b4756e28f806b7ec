"""Convolutional networks of speech on batches of sounds of different lengths: Deep Speech 2 and Wav2Letter.

What lies beyond a sound's own frames is set to zero, so that a batch gives what each sound gives alone. Parameters are
named as in the published checkpoints: Deep Speech 2's as in deepspeech.pytorch V3.0; Wav2Letter takes raw sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from distributed_trf.features.device import to_model


def lengths_on(device: torch.device | str, *lengths: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """Copy lengths, each of shape (sound,) on the CPU, to a device at once; None for lengths that are all the same."""
    copies = to_model(torch.stack(lengths), str(device))
    return tuple(None if bool((n == n[0]).all()) else copy for n, copy in zip(lengths, copies, strict=True))


def without_padding(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Set everything beyond each sound's own frames to zero, as it is beyond the end of a sound that is passed alone.

    Parameters
    ----------
    x
        Shape (sound, ..., frame).
    lengths
        Frames of each sound, shape (sound,), on the device of ``x``; None if no sound is padded.
    """
    if lengths is None:
        return x
    beyond = torch.arange(x.shape[-1], device=lengths.device) >= lengths[:, None]
    return x.masked_fill(beyond.view(beyond.shape[0], *[1] * (x.ndim - 2), beyond.shape[1]), 0)


def valid_frames(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Return a mask of each sound's own frames, shape (sound, longest), on the device of the lengths."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


CEILING = 20.0
"""Of the output of the convolutions; the floor is 0."""


class Convolutions(nn.Module):
    """Two convolutions over frequency and time, the first of which halves the frame rate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq_module = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=(41, 11), stride=(2, 2), padding=(20, 5)),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, CEILING, inplace=True),
            nn.Conv2d(channels, channels, kernel_size=(21, 11), stride=(2, 1), padding=(10, 5)),
            nn.BatchNorm2d(channels),
            nn.Hardtanh(0, CEILING, inplace=True),
        )

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Take (sound, 1, band, frame) and give (sound, channel, band, frame) at half the rate.

        ``lengths`` are frames at that rate, on the CPU; values beyond them are set to zero before each
        convolution.
        """
        (device_lengths,) = lengths_on(x.device, lengths)
        for module in self.seq_module:
            x = module(x)
            if isinstance(module, nn.Hardtanh):
                x = without_padding(x, device_lengths)
        return x


class PerFrame(nn.Module):
    """A module for (row, feature) that takes (frame, sound, feature)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the module to every frame of every sound."""
        return self.module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Recurrent(nn.Module):
    """A recurrent layer in both directions, which are summed."""

    def __init__(self, inputs: int, hidden: int, *, normalised: bool) -> None:
        super().__init__()
        self.batch_norm = PerFrame(nn.BatchNorm1d(inputs)) if normalised else None
        self.rnn = nn.LSTM(inputs, hidden, bidirectional=True)

    def forward(self, x: PackedSequence) -> PackedSequence:
        """Take the frames of sounds, each at its own length, and give as much."""
        if self.batch_norm is not None:
            x = _with_data(x, self.batch_norm.module(x.data))
        output, _ = self.rnn(x)
        ahead, back = output.data.chunk(2, dim=-1)
        return _with_data(x, ahead + back)


def _with_data(like: PackedSequence, data: torch.Tensor) -> PackedSequence:
    return PackedSequence(data, like.batch_sizes)


class DeepSpeech2Network(nn.Module):
    """Convolutions, bidirectional LSTMs and a linear readout (Amodei et al. 2016).

    Parameters
    ----------
    bands
        Of the spectrogram.
    channels
        Of either convolution.
    hidden
        Units of every LSTM in each direction.
    layers
        Number of LSTMs.
    letters
        Width of the readout.
    """

    def __init__(self, bands: int, channels: int, hidden: int, layers: int, letters: int) -> None:
        super().__init__()
        self.conv = Convolutions(channels)
        inputs = channels * (((bands + 1) // 2 + 1) // 2)
        self.rnns = nn.ModuleList(Recurrent(hidden if k else inputs, hidden, normalised=k > 0) for k in range(layers))
        self.fc = nn.Sequential(PerFrame(nn.Sequential(nn.BatchNorm1d(hidden), nn.Linear(hidden, letters, bias=False))))

    def forward(self, spectrograms: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score the letters at every frame.

        Parameters
        ----------
        spectrograms
            Shape (sound, 1, band, frame), zero beyond the end of each sound.
        lengths
            Frames of each sound, shape (sound,), on the CPU, the longest first.

        Returns
        -------
        scores, lengths
            Before the softmax, shape (sound, frame, letter), and frames of each sound; frames beyond them mean nothing.
        """
        lengths = (lengths + 1) // 2
        x = self.conv(spectrograms, lengths).flatten(1, 2).permute(2, 0, 1)
        packed = pack_padded_sequence(x, lengths)
        for layer in self.rnns:
            packed = layer(packed)
        return self.fc(pad_packed_sequence(packed)[0]).transpose(0, 1), lengths


class Block(nn.Module):
    """A convolution, batch normalisation and a clamp. Its frame k is centred at k strides."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.batch_norm = nn.BatchNorm1d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take (sound, feature, frame) and give as much at the next rate."""
        return self.batch_norm(self.conv(x)).clamp_(0, CEILING)


class Wav2LetterNetwork(nn.Module):
    """The stack of blocks ``conv1``, ``conv2``, ... of Collobert et al. (2016), as Ahmed et al. (2025) changed it.

    Dropout, which acts in training only and has no parameters, is left out.

    Parameters
    ----------
    widths, kernels, strides
        Of every block, the last of which scores the letters. Kernels are odd.
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        shapes = zip((1, *widths[:-1]), widths, kernels, strides, strict=True)
        for k, shape in enumerate(shapes, start=1):
            self.add_module(f"conv{k}", Block(*shape))

    def forward(self, sounds: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score the letters at every frame.

        Parameters
        ----------
        sounds
            Shape (sound, sample), zero beyond the end of each; amplitudes matter, nothing normalises them.
        lengths
            Samples of each sound, shape (sound,), on the CPU.

        Returns
        -------
        scores, lengths
            Shape (sound, frame, letter), zero beyond the end of each sound, and frames of each.
        """
        x = sounds[:, None]
        frames = list(accumulate(self.strides, lambda n, stride: -(-n // stride), initial=lengths))[1:]
        device_frames = lengths_on(x.device, *frames)
        for block, n in zip(self.children(), device_frames, strict=True):
            x = without_padding(block(x), n)
        return x.transpose(1, 2), frames[-1]

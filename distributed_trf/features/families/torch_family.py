"""What all networks of torch have in common: one forward pass gives every layer, for any weights, dtype and device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import TRAINED, Weights, kind_of
from distributed_trf.errors import DeviceError, MissingExtraError
from distributed_trf.features.families.torch_network import TorchNetwork
from distributed_trf.features.family import Network, Work
from distributed_trf.features.float32 import plain_float32
from distributed_trf.features.spectrograms.transform import Transform
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.controls import CONTROLS, apply_control
from distributed_trf.features.weights.preprocessor import heard_as
from distributed_trf.features.work import STEP, counted_work

if TYPE_CHECKING:
    import torch


def check_device(device: str) -> None:
    """Check that torch is here and has the device.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    DeviceError
        If a GPU is asked for and there is none.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "models", error) from error
    if device != "cpu" and not torch.cuda.is_available():
        raise DeviceError(f"device {device!r} was asked for, but torch {torch.__version__} finds no GPU")


class TorchFamily(ABC):
    """A kind of network that runs on torch.

    A family says how a network is made, loaded and run, and how many frames that gives. It is stateless: what belongs
    to one network is in its table and its module.
    """

    libraries: tuple[str, ...] = ("torch", "scipy")
    extra: str = "models"
    spectrogram: Transform | None = None
    """What its networks hear, where that is a spectrogram; random projections are of it."""

    @abstractmethod
    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return how many frames a layer gives of a sound (see ``Family``)."""

    @abstractmethod
    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network on the CPU with whatever weights it is born with."""

    @abstractmethod
    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Make the network on the CPU with its trained weights.

        Raises
        ------
        FeatureError
            If they are missing, or do not fit the network in every key and shape.
        """

    def prepare(self, model: torch.nn.Module, heard: dict[str, Any]) -> torch.nn.Module:
        """Have a network hear as the folder of its weights says (see ``heard_as``), and return it."""
        return model

    @abstractmethod
    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> Any:
        """Pass sounds through the network once; return what it gives, if that is for anyone.

        Parameters
        ----------
        model
            On the device, in eval mode, its parameters in the dtype; hooks are set and inference mode is on.
        sounds
            float64 arrays of shape (n_samples,) at the network's rate, leading silence included.
        device, dtype
            Where the model is and in what it calculates.
        """

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Cut what a module gave of a batch into one tensor of shape (frames, features) per sound.

        The common case: the output is (sound, frame, feature), or where the table says ``time_last``, (sound,
        feature, ..., frame) and features are numbered channel by channel. Frames past those of a sound are dropped.
        """
        if layer.time_last:
            output = output.flatten(1, -2).transpose(1, 2)
        return [output[k, : self.n_frames(table, layer, n)] for k, n in enumerate(n_samples)]

    def batches(self, n_samples: Sequence[int]) -> list[list[int]]:
        """Say which sounds are heard in one pass, by their positions; the common case: all of them."""
        return [list(range(len(n_samples)))]

    def code(self, table: NetworkTable) -> dict[str, str]:
        """Return what identifies code of a user's own that makes the network; it counts like a library's version."""
        return {}

    def frame_rate(self, layer: Layer) -> float:
        """Return the table's frames per second."""
        return layer.rate

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table."""
        return counted_work(table, n_samples, self.step_values(table, n_samples))

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count the numbers that a pass holds at its widest step, every sound padded to the longest heard with it.

        The common case: the widest of the layers, ``STEP`` times.
        """
        passes = [(len(heard), max(n_samples[k] for k in heard)) for heard in self.batches(n_samples)]
        return STEP * max(
            n_sounds * self.n_frames(table, layer, longest) * layer.width
            for n_sounds, longest in passes
            for layer in table.layers
        )

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Network:
        """Build the network with its weights on a device.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        DeviceError
            If a GPU is asked for and there is none.
        FeatureError
            If trained weights cannot be loaded, what their folder says of hearing contradicts the table, or a control
            would leave a parameter as it was.
        """
        check_device(device)
        import torch

        kind = kind_of(weights)
        starts_trained = kind == TRAINED or CONTROLS[kind].of_trained
        heard = heard_as(table, settings)
        with plain_float32():
            model = self.load(table, settings) if starts_trained else self.new(table)
            changed = None if kind == TRAINED else apply_control(model, weights)
        model = self.prepare(model, heard).to(device=device, dtype=getattr(torch, dtype)).eval()
        return TorchNetwork(self, table, model, device, changed)

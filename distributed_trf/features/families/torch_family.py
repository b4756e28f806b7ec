"""What all networks of torch have in common: one forward pass gives every layer, for any weights, dtype and device."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import TRAINED, Weights, kind_of
from distributed_trf.errors import DeviceError, MissingExtraError
from distributed_trf.features.family import Keep, Network, Work
from distributed_trf.features.hooks import recorded
from distributed_trf.features.spectrograms.transform import Transform
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.controls import CONTROLS, apply_control
from distributed_trf.features.work import counted_work

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


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
        raise MissingExtraError("torch", "models") from error
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
        values = [self.n_frames(table, layer, n) * layer.width for n in n_samples for layer in table.layers]
        return counted_work(table, n_samples, sum(values))

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
            If trained weights cannot be loaded, or a control would leave a parameter as it was.
        """
        check_device(device)
        import torch

        torch.backends.cudnn.allow_tf32 = (
            False  # float32 is float32: by default, convolutions on a GPU round to 10 bits
        )
        kind = kind_of(weights)
        starts_trained = kind == TRAINED or CONTROLS[kind].of_trained
        model = self.load(table, settings) if starts_trained else self.new(table)
        changed = None if kind == TRAINED else apply_control(model, weights)
        model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
        return TorchNetwork(self, table, model, device, changed)


class TorchNetwork:
    """A built network of torch.

    Parameters
    ----------
    family, table
        What it is.
    model
        In eval mode, on the device.
    device
        ``cpu`` or ``cuda``.
    changed
        How many parameters a weight control changed.
    """

    def __init__(
        self, family: TorchFamily, table: NetworkTable, model: torch.nn.Module, device: str, changed: int | None
    ) -> None:
        self.family, self.table, self.model, self.device, self.changed = family, table, model, device, changed
        self.parts = 1
        self.n_bytes = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Hear prepared sounds; a batch that does not fit the device's memory is heard in halves."""
        import torch

        dtype, self.parts = next(self.model.parameters()).dtype, 1
        with torch.inference_mode():
            for positions in self.family.batches([sound.shape[0] for sound in sounds]):
                self._hear([sounds[k] for k in positions], layers, _placed(keep, positions), 0, dtype)

    def _hear(
        self, sounds: list[np.ndarray], layers: Sequence[Layer], keep: Keep, first: int, dtype: torch.dtype
    ) -> None:
        import torch

        by_name: dict[str, list[Layer]] = {}
        for layer in layers:
            by_name.setdefault(layer.name, []).append(layer)

        def take(name: str, output: Any) -> None:
            for layer in by_name[name]:
                pieces = self.family.frames(self.table, layer, output, [s.shape[0] for s in sounds])
                for k, frames in enumerate(pieces):
                    keep(layer, first + k, frames.float())

        try:
            with recorded(self.model, by_name, take):
                self.family.run(self.model, sounds, self.device, dtype)
            return
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(sounds) == 1:
                raise DeviceError(
                    f"{self.table.name}: one sound of {sounds[0].shape[0] / self.table.sfreq:.2f} s does not fit the "
                    f"memory of {self.device}: {error}"
                ) from error
        half, self.parts = len(sounds) // 2, self.parts + 1
        log.warning("%s: %d sounds do not fit the memory of %s; hearing them in halves", self.table.name, len(sounds),
                    self.device)  # fmt: skip
        if self.device != "cpu":
            torch.cuda.empty_cache()
        self._hear(sounds[:half], layers, keep, first, dtype)
        self._hear(sounds[half:], layers, keep, first + half, dtype)


def _placed(keep: Keep, positions: Sequence[int]) -> Keep:
    return lambda layer, k, frames: keep(layer, positions[k], frames)


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether a device's memory was not enough; on the CPU torch has no error of its own for that."""
    import torch

    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "you tried to allocate" in str(error)

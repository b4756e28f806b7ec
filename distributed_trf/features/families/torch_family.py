"""The base of all torch networks: one forward pass gives every layer, for any weights, dtype and device."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import TRAINED, NetworkSettings, Weights, kind_of
from distributed_trf.errors import DeviceError, MissingExtraError
from distributed_trf.features.device import free_bytes, free_cupy_blocks, free_torch_blocks
from distributed_trf.features.family import STEP, Keep, Network, Sound, Work, counted_work
from distributed_trf.features.frames import as_frames, tap
from distributed_trf.features.hooks import Tap, recorded
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.torch_internals import is_out_of_memory, plain_float32, without_onednn
from distributed_trf.features.weights.controls import CONTROLS, apply_control
from distributed_trf.features.weights.preprocessor import extractor_settings

if TYPE_CHECKING:
    import torch


log = logging.getLogger(__name__)

PASS_SHARE = 0.7
"""Share of a GPU's free memory for a pass by its counted size; copies of its layers and workspaces take the rest."""


class TorchNetwork:
    """A built network of torch.

    Parameters
    ----------
    family, table
        Its family and table, completed by the files of its source.
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
        self.parts, self.notes = 1, ()
        self._known_to_fire_once: set[Tap] = set()
        """Taps of a pass that went to its end; later passes end after the last requested layer."""
        self._number_bytes = next(model.parameters()).element_size()
        self.n_bytes = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Pass prepared sounds; a batch that does not fit the device's memory is passed in halves."""
        import torch

        dtype, self.parts = next(self.model.parameters()).dtype, 1
        of_onednn = self.device == "cpu" and dtype == torch.bfloat16
        right_convolutions = without_onednn() if of_onednn else nullcontext()
        with torch.inference_mode(), plain_float32(), right_convolutions:
            for positions in self._passes([sound.samples.shape[0] for sound in sounds]):
                self._pass([sounds[k].samples for k in positions], layers, keep, positions, dtype)

    def _passes(self, n_samples: Sequence[int]) -> Iterator[list[int]]:
        """Yield the positions of the sounds of each pass: on a GPU as many as its free memory holds by count."""
        room = 0 if self.device == "cpu" else PASS_SHARE * free_bytes(self.device)
        for positions in self.family.batches(n_samples):
            first = 0
            while room and self._bytes([n_samples[k] for k in positions[first:]]) > room and first < len(positions) - 1:
                last = first + 1
                while self._bytes([n_samples[k] for k in positions[first : last + 1]]) <= room:
                    last += 1
                yield positions[first:last]
                first = last
            yield positions[first:]

    def _bytes(self, n_samples: Sequence[int]) -> int:
        return self.family.step_values(self.table, n_samples) * self._number_bytes

    def _pass(
        self,
        sounds: list[np.ndarray],
        layers: Sequence[Layer],
        keep: Keep,
        positions: list[int],
        dtype: torch.dtype,
        *,
        again: bool = False,
    ) -> None:
        """Pass sounds at once, ``again`` after cupy freed its unused memory, or in halves."""
        by_tap: dict[Tap, list[Layer]] = {}
        for layer in layers:
            by_tap.setdefault(tap(layer), []).append(layer)

        def take(where: Tap, output: Any) -> None:
            for layer in by_tap[where]:
                keep(layer, positions, self.family.frames(self.table, layer, output, [s.shape[0] for s in sounds]))

        try:
            with recorded(self.model, by_tap, take, whole=not self._known_to_fire_once.issuperset(by_tap)):
                self.family.run(self.model, sounds, self.device, dtype)
            self._known_to_fire_once |= by_tap.keys()
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            cupy_kept = 0 if again else free_cupy_blocks(self.device)
            if len(sounds) == 1 and not cupy_kept:
                raise self._too_long(sounds[0].shape[0], error) from error
        free_torch_blocks(self.device)
        if cupy_kept:
            self._pass(sounds, layers, keep, positions, dtype, again=True)
            return
        half, self.parts = len(sounds) // 2, self.parts + 1
        log.warning("%s: %d sounds do not fit the memory of %s; passing them in halves", self.table.name, len(sounds),
                    self.device)  # fmt: skip
        self._pass(sounds[:half], layers, keep, positions[:half], dtype)
        self._pass(sounds[half:], layers, keep, positions[half:], dtype)

    def _too_long(self, n_samples: int, error: Exception) -> DeviceError:
        halved = "" if self._number_bytes < 4 else "compute in bfloat16 (`extraction.dtype`), which takes half; "
        return DeviceError(
            f"{self.table.name}: one sound of {n_samples / self.table.sfreq:.2f} s does not fit the memory of "
            f"{self.device}: it takes about {self._bytes([n_samples]) / 2**30:.2f} GiB, and "
            f"{free_bytes(self.device) / 2**30:.2f} GiB are free; {halved}cut the stimulus, or choose workers with "
            f"more memory. The error was: {error}"
        )


def check_device(device: str) -> None:
    """Check that torch is installed and has the device.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    DeviceError
        If a GPU is requested and there is none.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "models", error) from error
    if device != "cpu" and not torch.cuda.is_available():
        raise DeviceError(f"device {device!r} is requested, but torch {torch.__version__} finds no GPU")


class TorchFamily(ABC):
    """A kind of network that runs on torch.

    A family defines how a network is made, loaded and run, and the number of its frames. It is stateless: the data of
    one network are in its table and its module.
    """

    libraries: tuple[str, ...] = ("torch", "scipy")
    extra: str = "models"

    def completed(self, table: NetworkTable, settings: NetworkSettings) -> NetworkTable:
        """Return the table with what it leaves to the files of its source; the common case: it says everything."""
        return table

    def spectrogram(self, table: NetworkTable) -> Transform | None:
        """Return the network's input if that is a spectrogram; random projections use it."""
        return None

    @abstractmethod
    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return the number of frames of a layer for a sound (see ``Family``)."""

    @abstractmethod
    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network on the CPU with its initial weights."""

    @abstractmethod
    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Make the network on the CPU with its trained weights.

        Raises
        ------
        FeatureError
            If they are missing, or do not fit the network in every key and shape.
        """

    def prepare(self, model: torch.nn.Module, settings: dict[str, Any]) -> torch.nn.Module:
        """Apply ``extractor_settings`` from the folder of the weights; return the network."""
        return model

    @abstractmethod
    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> Any:
        """Pass sounds through the network once; return its output if a caller uses it.

        Parameters
        ----------
        model
            On the device, in eval mode, its parameters in the dtype; hooks are set and inference mode is on.
        sounds
            float64 arrays of shape (n_samples,) at the network's rate, leading silence included.
        device, dtype
            The model's device and number type.
        """

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Cut the output of a module for a batch into one tensor of shape (frames, features) per sound.

        The common case: axes as the table says (see ``as_frames``). Frames past those of a sound are dropped.
        """
        laid = as_frames(layer, output, len(n_samples), table.name)
        return [laid[k, : self.n_frames(table, layer, n)] for k, n in enumerate(n_samples)]

    def batches(self, n_samples: Sequence[int]) -> list[list[int]]:
        """Return the positions of the sounds of each pass; the common case: all sounds in one."""
        return [list(range(len(n_samples)))]

    def code(self, table: NetworkTable) -> dict[str, str]:
        """Return what identifies the user code that makes the network; it counts like a library's version."""
        return {}

    def frame_rate(self, layer: Layer) -> float:
        """Return the table's frames per second."""
        return layer.rate

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table."""
        return counted_work(table, n_samples, self.step_values(table, n_samples))

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count the numbers that a pass holds at its widest step, with every sound padded to the longest of its pass.

        The common case: the widest of the layers, ``STEP`` times.
        """
        passes = [(len(batch), max(n_samples[k] for k in batch)) for batch in self.batches(n_samples)]
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
            If a GPU is requested and there is none.
        FeatureError
            If trained weights cannot be loaded, the extractor settings in their folder contradict the table, or a
            control would leave a parameter unchanged.
        """
        check_device(device)
        import torch

        table, kind = self.completed(table, settings), kind_of(weights)
        starts_trained = kind == TRAINED or CONTROLS[kind].starts_trained
        extractor = extractor_settings(table, settings)
        with plain_float32():
            model = self.load(table, settings) if starts_trained else self.new(table)
            changed = None if kind == TRAINED else apply_control(model, weights)
        model = self.prepare(model, extractor).to(device=device, dtype=getattr(torch, dtype)).eval()
        return TorchNetwork(self, table, model, device, changed)

"""A network of torch that is built: one forward pass over a batch gives every layer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DeviceError
from distributed_trf.features.device_memory import free_bytes, give_back_cupy_blocks, give_back_torch_blocks
from distributed_trf.features.family import Keep
from distributed_trf.features.float32 import plain_float32
from distributed_trf.features.hooks import recorded
from distributed_trf.features.table import Layer, NetworkTable

if TYPE_CHECKING:
    import torch

    from distributed_trf.features.families.torch_family import TorchFamily

log = logging.getLogger(__name__)

PASS_SHARE = 0.7
"""Of the free memory of a GPU, what a pass may take by count; copies of its layers and workspaces take of the rest."""


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
        self._known_to_fire_once: set[str] = set()
        """Modules of a pass that went to its end; later ones end where the last layer is heard."""
        self._number_bytes = next(model.parameters()).element_size()
        self.n_bytes = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers()))

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Hear prepared sounds; what does not fit the device's memory after all is heard in halves."""
        import torch

        dtype, self.parts = next(self.model.parameters()).dtype, 1
        with torch.inference_mode(), plain_float32(), _right_convolutions(self.device, dtype):
            for positions in self._passes([sound.shape[0] for sound in sounds]):
                self._hear([sounds[k] for k in positions], layers, keep, positions, dtype)

    def _passes(self, n_samples: Sequence[int]) -> Iterator[list[int]]:
        """Yield the positions of what is heard in one pass: on a GPU as many as its free memory holds, by count."""
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

    def _hear(
        self,
        sounds: list[np.ndarray],
        layers: Sequence[Layer],
        keep: Keep,
        positions: list[int],
        dtype: torch.dtype,
        *,
        again: bool = False,
    ) -> None:
        """Hear sounds in one pass, ``again`` after cupy gave back what it kept, or in halves."""
        by_name: dict[str, list[Layer]] = {}
        for layer in layers:
            by_name.setdefault(layer.name, []).append(layer)

        def take(name: str, output: Any) -> None:
            for layer in by_name[name]:
                keep(layer, positions, self.family.frames(self.table, layer, output, [s.shape[0] for s in sounds]))

        try:
            with recorded(self.model, by_name, take, whole=not self._known_to_fire_once.issuperset(by_name)):
                self.family.run(self.model, sounds, self.device, dtype)
            self._known_to_fire_once |= by_name.keys()
            return
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            cupy_kept = 0 if again else give_back_cupy_blocks(self.device)
            if len(sounds) == 1 and not cupy_kept:
                raise self._too_long(sounds[0].shape[0], error) from error
        give_back_torch_blocks(self.device)
        if cupy_kept:
            self._hear(sounds, layers, keep, positions, dtype, again=True)
            return
        half, self.parts = len(sounds) // 2, self.parts + 1
        log.warning("%s: %d sounds do not fit the memory of %s; hearing them in halves", self.table.name, len(sounds),
                    self.device)  # fmt: skip
        self._hear(sounds[:half], layers, keep, positions[:half], dtype)
        self._hear(sounds[half:], layers, keep, positions[half:], dtype)

    def _too_long(self, n_samples: int, error: Exception) -> DeviceError:
        halved = "" if self._number_bytes < 4 else "hear in bfloat16 (`extraction.dtype`), which takes half; "
        return DeviceError(
            f"{self.table.name}: one sound of {n_samples / self.table.sfreq:.2f} s does not fit the memory of "
            f"{self.device}: it takes about {self._bytes([n_samples]) / 2**30:.2f} GiB and "
            f"{free_bytes(self.device) / 2**30:.2f} GiB are free; {halved}cut the stimulus, or choose workers with "
            f"more memory. The error was: {error}"
        )


@contextmanager
def _right_convolutions(device: str, dtype: torch.dtype) -> Iterator[None]:
    """Keep bfloat16 on the CPU from oneDNN, whose convolutions are wrong for some shapes on processors with AMX.

    See pytorch issues 163347 and 169688; grouped ones of eight channels, as in a small wav2vec 2.0, are among them.
    """
    import torch

    onednn: Any = torch.backends.mkldnn
    before = onednn.enabled
    if device == "cpu" and dtype == torch.bfloat16:
        onednn.enabled = False
    try:
        yield
    finally:
        onednn.enabled = before


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether a device's memory was not enough; on the CPU torch has no error of its own for that."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ("you tried to allocate", "_STATUS_ALLOC_FAILED"))  # cuBLAS and cuDNN

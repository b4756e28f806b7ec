"""What this package uses of ``torch`` beyond its documentation; nothing else touches that.

Checked against torch 2.13, and written for those from 2.6 on; ``tests/architecture/test_internals.py`` names what a
later version has moved. Where that moves, what breaks is: ``plain_float32``, so that products lose bits on a GPU;
``without_onednn``, so that bfloat16 is wrong on some CPUs; ``is_out_of_memory``, so that batches are no longer computed
in halves; ``remove_old_normalisations`` and ``own_initialiser``, so that weight controls fail; ``flop_counter``, so
that the work of a user's network is not known; ``parameters_on_meta``,
so that some networks cannot be added.

``PARENTS`` and ``CHILDREN`` are settings of torch from 2.9 on, which has no function of its own that tells whether one
was set or follows its parent. The names that files of ``torch.save`` hold are a format, and in ``weights/pickled.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

PARENTS = (("generic", "all"), ("cuda", "all"), ("mkldnn", "all"))
CHILDREN = tuple((library, kind) for library in ("cuda", "mkldnn") for kind in ("conv", "rnn", "matmul"))
"""What is not set follows its parent, and that the first of them."""


class SettingForBlocks:
    """A setting of the process, not of a thread: the first block changes it, and the last that is left puts it back.

    Parameters
    ----------
    change
        Changes it, and returns what puts it back.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        self._change, self._lock = change, Lock()
        self._restore: list[Callable[[], None]] = []
        """Of the first block that is inside, one for each."""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Have it changed while a block runs."""
        with self._lock:
            self._restore.append(self._restore[0] if self._restore else self._change())
        try:
            yield
        finally:
            with self._lock:
                restore = self._restore.pop()
                if not self._restore:
                    restore()


def _make_plain() -> Callable[[], None]:
    import torch

    torch_c: Any = torch._C
    if not hasattr(torch_c, "_set_fp32_precision_setter"):  # before 2.9
        matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False

        def restore_old() -> None:
            torch.set_float32_matmul_precision(matmul)
            torch.backends.cudnn.allow_tf32 = cudnn

        return restore_old

    read, write = torch_c._get_fp32_precision_getter, torch_c._set_fp32_precision_setter
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set to one thing by the older functions and to another by the newer
        older = "high"
    # From the top: below a parent that is "ieee", whatever else is read was set there, and is all that must be set.
    found = {}
    for setting in (*PARENTS, *CHILDREN):
        if (value := read(*setting)) != "ieee":
            found[setting] = value
            write(*setting, "ieee")
    products = {}
    try:
        torch_c._get_cublas_allow_tf32()
    except RuntimeError:  # the older function allows what the newer does not, and whoever asks it would stop here
        for library in ("cuda", "mkldnn"):  # where the older one sets the newer ones as well
            parent = (library, "all") if (library, "all") in found else PARENTS[0]
            write(*parent, "tf32")
            products[library] = "none" if read(library, "matmul") == "tf32" else "ieee"
            write(*parent, "ieee")
        torch.set_float32_matmul_precision("highest")
    backend: Any = torch.backends.cudnn
    flags = backend.flags
    backend.flags = _cudnn_switch  # the real one first asks the older function, which now differs

    def restore() -> None:
        backend.flags = flags
        if products:
            torch.set_float32_matmul_precision(older)
        for library, value in products.items():
            write(library, "matmul", value)
        for setting, value in found.items():
            write(*setting, value)

    return restore


@contextmanager
def _cudnn_switch(enabled: bool = False, **_others: Any) -> Iterator[None]:  # noqa: FBT001, FBT002  as torch's own
    """Switch cuDNN on or off for a block, as some models do that are in transformers."""
    import torch

    cudnn: Any = torch.backends.cudnn
    before = cudnn.enabled
    cudnn.enabled = enabled
    try:
        yield
    finally:
        cudnn.enabled = before


plain_float32 = SettingForBlocks(_make_plain)
"""Have torch calculate float32 products with all 24 bits while a block runs, and as it was told to after it.

By default convolutions and recurrent layers on a GPU take TensorFloat-32, of 11 bits; so do other products where the
process or ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE``, which torch reads once and keeps as one of these settings, says so, and
bfloat16 on some CPUs. Products of bfloat16 and float16 are left as they are: what their sums may lose on the way is no
more than what their factors lost before.
"""


def _switch_onednn_off() -> Callable[[], None]:
    import torch

    onednn: Any = torch.backends.mkldnn
    before = onednn.enabled
    onednn.enabled = False
    return lambda: setattr(onednn, "enabled", before)


without_onednn = SettingForBlocks(_switch_onednn_off)
"""Keep oneDNN, which calculates on the CPU, out of a block: its convolutions of bfloat16 are wrong for some shapes on
processors with AMX.

See pytorch issues 163347 and 169688; grouped ones of eight channels, as in a small wav2vec 2.0, are among them.
"""


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a device's memory was not enough; on the CPU torch has no error of its own for that, only words."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(words in str(error) for words in ("you tried to allocate", "_STATUS_ALLOC_FAILED"))  # cuBLAS and cuDNN


def remove_old_normalisations(module: Any) -> None:
    """Replace what a module's hooks compute a weight from by the weight itself.

    The hooks are those of ``torch.nn.utils.weight_norm`` and ``torch.nn.utils.spectral_norm``; torch does not say
    which modules have one, and of which weight.
    """
    from torch.nn.utils import remove_spectral_norm
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(module, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(module, hook.name)


def own_initialiser(module: nn.Module) -> Callable[[], None] | None:
    """Return what draws the parameters of torch's attention, which has no ``reset_parameters``; None for others."""
    return getattr(module, "_reset_parameters", None)


def flop_counter() -> Any:
    """Return what counts the operations of torch while a block runs; its module is named in no guide."""
    from torch.utils.flop_counter import FlopCounterMode

    return FlopCounterMode(display=False)


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Have every parameter that a module gets while the block runs lose its numbers, and keep its shape."""
    import torch
    from torch.nn.modules.module import register_module_parameter_registration_hook

    def without_numbers(_module: Any, _name: str, parameter: Any) -> Any:
        if parameter is None or parameter.is_meta:
            return None
        return torch.nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)

    handle = register_module_parameter_registration_hook(without_numbers)
    try:
        yield
    finally:
        handle.remove()

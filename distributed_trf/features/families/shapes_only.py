"""Networks of shapes without numbers, on torch's ``meta`` device, whose recurrent layers need no step after step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from distributed_trf.features.families.torch_family import TorchFamily
    from distributed_trf.features.table import NetworkTable


def built_of_shapes(family: TorchFamily, table: NetworkTable) -> nn.Module:
    """Build an untrained network on the ``meta`` device, in eval mode.

    There torch passes each frame of a recurrent layer by itself, in hundreds of small operations: seconds per second of
    sound. The layers of ``torch.nn`` therefore take all frames at once here; without numbers no frame depends on
    another, and the shapes and the counted operations are the same.
    """
    import torch
    from torch import nn

    with torch.device("meta"):
        model = family.new(table).eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.forward = partial(_all_frames_at_once, module, module.forward)
    return model


def _all_frames_at_once(module: nn.RNNBase, forward: Any, sounds: Any, state: Any = None) -> Any:
    """Return what a recurrent module gives, with products over all frames; a packed sequence goes its usual way."""
    import torch
    from torch import nn

    if not isinstance(sounds, torch.Tensor):
        return forward(sounds, state)
    directions = 2 if module.bidirectional else 1
    given = sounds
    for layer in range(module.num_layers):
        rows = given.flatten(0, -2)
        for suffix in ("", "_reverse")[:directions]:
            weights = {kind: getattr(module, f"weight_{kind}_l{layer}{suffix}") for kind in ("ih", "hh")}
            gates = rows @ weights["ih"].T
            gates = gates + rows.new_empty(rows.shape[0], weights["hh"].shape[1]) @ weights["hh"].T
            width = module.hidden_size
            if module.proj_size:
                width = module.proj_size
                gates[:, : module.hidden_size] @ getattr(module, f"weight_hr_l{layer}{suffix}").T
        given = sounds.new_empty(*sounds.shape[:-1], directions * width)
    n_sounds = () if sounds.ndim == 2 else (sounds.shape[0 if module.batch_first else 1],)
    last = sounds.new_empty(directions * module.num_layers, *n_sounds, width)
    if not isinstance(module, nn.LSTM):
        return given, last
    return given, (last, sounds.new_empty(directions * module.num_layers, *n_sounds, module.hidden_size))
